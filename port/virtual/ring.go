package virtual

// A ring is a byte queue of fixed capacity. Its memory is made at first use.
type ring struct {
	size int // capacity, 1 or more
	buf  []byte
	head int
	n    int // bytes queued
}

func (r *ring) room() int { return r.size - r.n }

// put queues as much of b as there is room for and returns how much that was.
func (r *ring) put(b []byte) int {
	if r.buf == nil {
		r.buf = make([]byte, r.size)
	}
	if r.n == 0 {
		r.head = 0
	}
	b = b[:min(len(b), r.room())]
	tail := r.head + r.n
	if tail >= r.size {
		tail -= r.size
	}
	k := copy(r.buf[tail:], b)
	copy(r.buf, b[k:])
	r.n += len(b)
	return len(b)
}

// front returns the first queued bytes that lie in one piece, at most limit.
// They stay queued.
func (r *ring) front(limit int) []byte {
	return r.buf[r.head:min(r.head+min(limit, r.n), r.size)]
}

// drop removes the first k bytes; k is at most r.n.
func (r *ring) drop(k int) {
	r.head += k
	if r.head >= r.size {
		r.head -= r.size
	}
	r.n -= k
}

// take moves up to len(b) and at most limit bytes into b.
func (r *ring) take(b []byte, limit int) int {
	b = b[:min(len(b), limit)]
	n := 0
	for n < len(b) {
		k := copy(b[n:], r.front(len(b)-n))
		r.drop(k)
		n += k
	}
	return n
}

// keep removes all but the first k bytes; k is at most r.n.
func (r *ring) keep(k int) { r.n = k }
