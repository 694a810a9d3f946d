package scripttest

import "github.com/rasline/rasline/port"

// replayed is a Port whose first bytes were read already. Only one goroutine
// may read it.
type replayed struct {
	port.Port
	in []byte
}

// Read returns the bytes read before, and after them the port's.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.in) == 0 || len(b) == 0 {
		return r.Port.Read(b)
	}
	n := copy(b, r.in)
	r.in = r.in[n:]
	return n, nil
}
