package pty

import (
	"context"
	"os"

	"github.com/rasline/rasline/port"
)

// Pair is a pseudo-terminal. Its fields are set by Open and not changed after.
type Pair struct {
	// Port is our end. It implements port.ModeSetter and port.Drainer; the
	// other optional interfaces of package port return errors.ErrUnsupported.
	Port port.Port

	// Name is the path of the other end, such as "/dev/pts/3".
	Name string
}

// Open makes a pair. It does not block; ctx is checked once. The error is a
// *port.OpError.
func Open(ctx context.Context) (*Pair, error) {
	p := new(Pair)
	err := ctx.Err()
	if err == nil {
		err = p.open()
	}
	if err != nil {
		return nil, &port.OpError{Op: "open", Port: "pseudo-terminal", Err: err}
	}
	return p, nil
}

// Close closes our end, which hangs up the other one.
func (p *Pair) Close() error { return p.Port.Close() }

// OpenFar opens the other end for a program that is started on it. It does not become
// the controlling terminal of this one. The caller closes it.
func (p *Pair) OpenFar() (*os.File, error) {
	f, err := os.OpenFile(p.Name, os.O_RDWR|noControllingTerminal, 0)
	if err != nil {
		return nil, &port.OpError{Op: "open", Port: p.Name, Err: err}
	}
	return f, nil
}
