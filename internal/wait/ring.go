package wait

// Ring is a queue of at most Max bytes in memory that is allocated as it is
// needed: Min bytes with the first, and twice as many whenever those are full.
// Set Max before the first use. The user's lock guards a Ring.
type Ring struct {
	Max int // the most bytes queued, 1 or more
	Min int // the first allocation; 0, or more than Max, is Max

	buf  []byte
	head int // index of the first byte
	n    int
}

// Len returns the number of bytes queued.
func (r *Ring) Len() int { return r.n }

// Cap returns the size of the memory that is allocated.
func (r *Ring) Cap() int { return len(r.buf) }

// Room returns how many more bytes the queue can hold.
func (r *Ring) Room() int { return r.Max - r.n }

// grow allocates more memory, if there may be more.
func (r *Ring) grow() {
	size := r.Min
	if size <= 0 {
		size = r.Max
	}
	size = min(max(2*len(r.buf), size), r.Max)
	if size <= len(r.buf) {
		return
	}
	buf := make([]byte, size)
	n := r.n
	r.Take(buf)
	r.buf, r.head, r.n = buf, 0, n
}

// Put appends as much of b as there is room for and returns how much that was.
func (r *Ring) Put(b []byte) int {
	b = b[:min(len(b), r.Room())]
	for len(b) > len(r.buf)-r.n {
		r.grow()
	}
	if r.n == 0 {
		r.head = 0
	}
	tail := r.head + r.n
	if tail >= len(r.buf) {
		tail -= len(r.buf)
	}
	k := copy(r.buf[tail:], b)
	copy(r.buf, b[k:])
	r.n += len(b)
	return len(b)
}

// Free returns memory for further bytes in one piece, or nil if the queue is
// full. The caller may fill it without holding its lock while others take bytes
// out, and then calls Commit; until then neither Free nor Put may be called.
// more needs more memory than there is now, if Max allows it.
func (r *Ring) Free(more bool) []byte {
	if r.n == len(r.buf) || more {
		r.grow()
	}
	if r.n == 0 {
		r.head = 0
	}
	tail := r.head + r.n
	switch {
	case r.n == len(r.buf):
		return nil
	case tail < len(r.buf):
		return r.buf[tail:]
	}
	return r.buf[tail-len(r.buf) : r.head]
}

// Commit appends the first n bytes of what Free returned.
func (r *Ring) Commit(n int) { r.n += n }

// Take moves bytes from the front of the queue to b and returns their number.
func (r *Ring) Take(b []byte) int {
	n := min(len(b), r.n)
	k := copy(b[:n], r.buf[r.head:])
	copy(b[k:n], r.buf)
	r.Skip(n)
	return n
}

// Peek returns up to n bytes from the front, as many as are stored in one
// piece. They stay queued, and unchanged until they are removed.
func (r *Ring) Peek(n int) []byte {
	return r.buf[r.head:min(r.head+min(n, r.n), len(r.buf))]
}

// Skip removes the first n bytes; n is at most Len. What Free returned stays
// valid.
func (r *Ring) Skip(n int) {
	r.n -= n
	r.head += n
	if r.head >= len(r.buf) {
		r.head -= len(r.buf)
	}
}

// Truncate removes all but the first n bytes; n is at most Len.
func (r *Ring) Truncate(n int) { r.n = n }
