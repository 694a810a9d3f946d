package script

import "sync"

const (
	defaultMaxBefore = 1 << 20
	keptRoom         = 64 << 10 // memory that a window keeps between waits
)

// window holds what a wait has consumed: all of it, or the last 2*max bytes and
// more, which is enough for a Text and a Before of max bytes each.
type window struct {
	max  int
	data []byte // full when it has limit bytes; then a ring
	at   int    // the oldest byte of the ring
	lost int64  // bytes that were consumed before those of data
}

func (w *window) limit() int { return 2*w.max + keptRoom }

// rooms keeps the memory of large windows for the next long wait of any Dialog,
// until the garbage collector takes it: to fetch fresh memory for every long
// wait slows it down by a tenth.
var rooms sync.Pool // of *[]byte

// reset starts a wait and gives back memory that a long one has taken.
func (w *window) reset() {
	w.data, w.at, w.lost = w.data[:0], 0, 0
	if cap(w.data) > keptRoom {
		w.move(nil)
	}
}

// move makes room the memory of w, whose old memory other windows may take.
func (w *window) move(room []byte) {
	old := w.data[:0]
	w.data = room
	if cap(old) > keptRoom {
		rooms.Put(&old)
	}
}

// room returns empty memory for at least need bytes. It is four times that if it
// is new, since growth by a quarter, as append does it, copies a large window
// many times.
func (w *window) room(need int) []byte {
	if kept, ok := rooms.Get().(*[]byte); ok && cap(*kept) >= need {
		return *kept
	}
	return make([]byte, 0, min(4*need, w.limit()))
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
