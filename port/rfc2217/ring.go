package rfc2217

// ring is a queue of bytes that grows up to a limit. The slice that free
// returns may be filled while others take bytes out.
type ring struct {
	b    []byte
	r, n int // the first byte and their number
	max  int
}

// free returns room for more bytes in one piece, or nil if there is none.
// Before the next call, commit says how much of it was filled. grow asks for
// more room than there is now.
func (q *ring) free(grow bool) []byte {
	if q.n == len(q.b) || grow {
		q.grow()
	}
	if q.n == 0 {
		q.r = 0
	}
	w := q.r + q.n
	switch {
	case q.n == len(q.b):
		return nil
	case w < len(q.b):
		return q.b[w:]
	default:
		return q.b[w-len(q.b) : q.r]
	}
}

func (q *ring) grow() {
	size := min(max(2*len(q.b), minBuffer), q.max)
	if size <= len(q.b) {
		return
	}
	b := make([]byte, size)
	n := q.n
	q.take(b)
	q.b, q.r, q.n = b, 0, n
}

// commit adds the first n bytes of what free returned.
func (q *ring) commit(n int) { q.n += n }

// take moves bytes from the front to p and returns their number.
func (q *ring) take(p []byte) int {
	n := min(len(p), q.n)
	k := copy(p[:n], q.b[q.r:])
	copy(p[k:n], q.b)
	q.skip(n)
	return n
}

// peek returns up to n bytes from the front, as many as lie in one piece. They
// stay as they are until they are skipped.
func (q *ring) peek(n int) []byte { return q.b[q.r:min(q.r+min(n, q.n), len(q.b))] }

// clear drops all bytes. What free returned stays in place.
func (q *ring) clear() { q.skip(q.n) }

// skip drops n bytes from the front.
func (q *ring) skip(n int) {
	q.n -= n
	if q.r += n; q.r >= len(q.b) {
		q.r -= len(q.b)
	}
}
