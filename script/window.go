package script

import "bytes"

// window holds the last bytes of a wait, in one piece. What lies in the chunk
// that was received last is not copied unless a further chunk follows.
type window struct {
	keep  int    // bytes that must be kept
	old   []byte // of earlier chunks, at most twice keep and a chunk
	chunk []byte // consumed of the chunk received last
}

// reset starts a wait.
func (w *window) reset() {
	w.old, w.chunk = w.old[:0], nil
}

// consume adds the first n bytes of rest, which directly follow those that were
// consumed before if those came from the same chunk.
func (w *window) consume(rest []byte, n int) {
	if n == 0 {
		return
	}
	if len(w.chunk) > 0 && sameMemory(w.chunk, rest) {
		w.chunk = w.chunk[:len(w.chunk)+n]
		return
	}
	w.settle()
	w.chunk = rest[:n]
}

// sameMemory reports whether b begins where a ends.
func sameMemory(a, b []byte) bool {
	return cap(a) > len(a) && len(b) > 0 && &a[:len(a)+1][len(a)] == &b[0]
}

// settle copies the chunk before its memory is used again.
func (w *window) settle() {
	if len(w.chunk) == 0 {
		return
	}
	if len(w.old) > 2*w.keep {
		n := copy(w.old, w.old[len(w.old)-w.keep:])
		w.old = w.old[:n]
	}
	w.old = append(w.old, w.chunk...)
	w.chunk = nil
}

// bytes returns the last bytes in one piece, valid until the next change.
func (w *window) bytes() []byte {
	if len(w.old) == 0 {
		return w.chunk
	}
	w.settle()
	return w.old
}

// tail returns a copy of the last bytes.
func (w *window) tail() []byte {
	b := w.bytes()
	return bytes.Clone(b[max(0, len(b)-w.keep):])
}
