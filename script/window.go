package script

import (
	"math/bits"
	"sync"
)

const (
	defaultMaxBefore = 1 << 20
	keptRoom         = 64 << 10 // memory that a window keeps between waits
)

// window holds what a wait has consumed: all of it, or the last limit bytes,
// which is enough for the longest Text and a Before of max bytes.
type window struct {
	max  int    // bytes of a Before
	text int    // bytes of the longest Text
	data []byte // full when it has limit bytes; then a ring
	at   int    // the oldest byte of the ring
	lost int64  // bytes that were consumed before those of data
}

func (w *window) limit() int { return w.max + w.text + keptRoom }

// rooms keeps the memory of large windows for the next long wait of any Dialog,
// until the garbage collector frees it: fresh memory for every long wait slows
// it down by a fifth. A pool holds the memory whose capacity has as many bits as
// its index.
var rooms [bits.UintSize + 1]sync.Pool // of *[]byte

// reset empties the window and gives back the memory of a long wait.
func (w *window) reset() {
	w.data, w.at, w.lost = w.data[:0], 0, 0
	if cap(w.data) > keptRoom {
		w.move(nil)
	}
}

// move makes room the memory of w, and offers the old memory to other windows.
func (w *window) move(room []byte) {
	old := w.data[:0]
	w.data = room
	if cap(old) > keptRoom {
		rooms[bits.Len(uint(cap(old)))].Put(&old)
	}
}

// room returns empty memory for at least need bytes. It is four times that if
// the limit allows, since growth by a quarter, as append does it, copies a large
// window many times.
func (w *window) room(need int) []byte {
	size := max(need, min(4*need, w.limit()))
	if kept, ok := rooms[bits.Len(uint(size))].Get().(*[]byte); ok && cap(*kept) >= size {
		return *kept
	}
	return make([]byte, 0, size)
}

// consume adds a copy of b.
func (w *window) consume(b []byte) {
	n := min(len(b), w.limit()-len(w.data))
	if need := len(w.data) + n; need > cap(w.data) && need > keptRoom {
		w.move(append(w.room(need), w.data...))
	}
	w.data = append(w.data, b[:n]...)
	for b = b[n:]; len(b) > 0; {
		n := copy(w.data[w.at:], b)
		w.at = (w.at + n) % len(w.data)
		w.lost += int64(n)
		b = b[n:]
	}
}

// bytes returns what the window holds in one piece, in order.
func (w *window) bytes() []byte {
	if w.at > 0 {
		w.move(append(append(w.room(len(w.data)), w.data[w.at:]...), w.data[:w.at]...))
		w.at = 0
	}
	return w.data
}

// drop forgets the first n bytes.
func (w *window) drop(n int) {
	data := w.bytes()
	w.data = append(data[:0], data[n:]...)
	w.lost += int64(n)
}

// takeBack removes the last n bytes, which a regular expression has seen beyond
// its match, and returns them.
func (w *window) takeBack(n int) []byte {
	data := w.bytes()
	cut := len(data) - n
	w.data = data[:cut]
	return data[cut:]
}

// split returns the last size bytes and at most max bytes before them, and how
// many more there were.
func (w *window) split(size int) (before, text []byte, lost int64) {
	data := w.bytes()
	cut := len(data) - size
	from := max(0, cut-w.max)
	return data[from:cut:cut], data[cut:len(data):len(data)], w.lost + int64(from)
}

// tail returns the last n bytes at most.
func (w *window) tail(n int) []byte {
	data := w.bytes()
	return data[max(0, len(data)-n):]
}
