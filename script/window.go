package script

const (
	defaultMaxBefore = 1 << 20
	keptRoom         = 64 << 10 // memory that a window keeps between waits
)

// window holds what a wait has consumed: all of it, or at least the last 2*max
// bytes, which is enough for a Text and a Before of max bytes each.
type window struct {
	max  int
	data []byte
	lost int64 // bytes before data
}

// reset starts a wait and gives back memory that a long one has taken.
func (w *window) reset() {
	if cap(w.data) > keptRoom {
		w.data = nil
	}
	w.data, w.lost = w.data[:0], 0
}

// consume adds a copy of b.
func (w *window) consume(b []byte) {
	if len(w.data) > 3*w.max+keptRoom {
		w.drop(len(w.data) - 2*w.max)
	}
	w.data = append(w.data, b...)
}

// drop forgets the first n bytes.
func (w *window) drop(n int) {
	w.data = append(w.data[:0], w.data[n:]...)
	w.lost += int64(n)
}

// takeBack removes the last n bytes, which a regular expression has seen beyond
// its match, and returns them.
func (w *window) takeBack(n int) []byte {
	cut := len(w.data) - n
	back := w.data[cut:]
	w.data = w.data[:cut]
	return back
}

// split returns the last size bytes and at most max bytes before them, and how
// many more there were.
func (w *window) split(size int) (before, text []byte, lost int64) {
	cut := len(w.data) - size
	from := max(0, cut-w.max)
	return w.data[from:cut:cut], w.data[cut:len(w.data):len(w.data)], w.lost + int64(from)
}

// tail returns the last n bytes at most.
func (w *window) tail(n int) []byte { return w.data[max(0, len(w.data)-n):] }
