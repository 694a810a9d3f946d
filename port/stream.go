package port

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// FromStream makes a port of a stream without deadlines, such as an SSH channel,
// a pair of pipes or a WebSocket. name identifies it in errors and is what Name
// returns. The port owns the stream: Close closes it.
//
// A stream that has deadlines already, as a net.Conn has, is used directly, and
// those that are set are cleared. If it is a Port with abilities of its own (see
// ModeSetter and the others), it is returned as it is. A stream that has the
// methods and refuses deadlines, as the connections of golang.org/x/crypto/ssh
// do, counts as one without.
//
// For any other stream two goroutines make the calls, which therefore may
// return before the stream's do: a Read that a deadline ended leaves the
// stream's Read waiting, and what that receives is given to the next Read; it
// asks for no more bytes than the Read did. A Write that a deadline ended counts
// the piece under way, at most 1 KiB, as written. The goroutines end with Close,
// provided that closing the stream ends its Read and Write, as io.Closer's users
// expect.
//
// io.EOF and io.ErrClosedPipe are ErrCarrierLost, unless the port was closed.
func FromStream(s io.ReadWriteCloser, name string) Port {
	if p, ok := s.(Port); ok {
		switch {
		case hasAbilities(p):
			return p
		case p.SetDeadline(time.Time{}) == nil:
			return &connPort{Port: p, streamErrors: streamErrors{name}}
		}
		// It has the methods and cannot do it, as a file or a connection of
		// golang.org/x/crypto/ssh.
	}
	p := &streamPort{stream: s, streamErrors: streamErrors{name}}
	p.pump = newPump(s.Read, s.Write, p.ended)
	return p
}

func hasAbilities(p Port) bool {
	switch p.(type) {
	case ModeSetter, LineController, Breaker, Drainer, Counter, QueueCounter, BreakSetter, Detacher, Named:
		_, isFile := p.(*os.File)
		return !isFile
	}
	return false
}

// Interruptible reports whether deadlines free the calls of the connection: those
// of package net, and ports that report it themselves.
func (c *connPort) Interruptible() bool {
	switch p := c.Port.(type) {
	case Interruptible:
		return p.Interruptible()
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// Interruptible returns true: the calls of the port end at their deadlines,
// whatever those of the stream do.
func (p *streamPort) Interruptible() bool { return true }

// streamErrors wraps the errors of a stream.
type streamErrors struct{ name string }

// Name returns the name that FromStream was given.
func (e streamErrors) Name() string { return e.name }

func (e streamErrors) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Port: e.name, Err: streamCause(err)}
}

// streamCause turns the ways in which streams report their ends into ours.
func streamCause(err error) error {
	switch {
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ErrCarrierLost), errors.Is(err, ErrRemoved):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return ErrCarrierLost
	}
	return err
}

// streamPort is a stream without deadlines.
type streamPort struct {
	*pump
	streamErrors
	stream io.ReadWriteCloser
}

// ended sorts out an error of the stream, whose own Close is not distinguished from
// its peer's by every stream.
func (p *streamPort) ended(err error) error {
	if p.closing.Load() {
		return net.ErrClosed
	}
	return streamCause(err)
}

// Read reads what has arrived, and blocks if that is nothing.
func (p *streamPort) Read(b []byte) (int, error) {
	n, err := p.pump.Read(b)
	return n, p.wrap("read", err)
}

// Write writes b and blocks until the stream has taken it.
func (p *streamPort) Write(b []byte) (int, error) {
	n, err := p.pump.Write(b)
	return n, p.wrap("write", err)
}

// SetDeadline sets the deadlines of reads and of writes.
func (p *streamPort) SetDeadline(t time.Time) error {
	return p.wrap("set deadline", p.pump.SetDeadline(t))
}

// SetReadDeadline sets the deadline of reads.
func (p *streamPort) SetReadDeadline(t time.Time) error {
	return p.wrap("set deadline", p.pump.SetReadDeadline(t))
}

// SetWriteDeadline sets the deadline of writes.
func (p *streamPort) SetWriteDeadline(t time.Time) error {
	return p.wrap("set deadline", p.pump.SetWriteDeadline(t))
}

// Close closes the stream and unblocks pending reads and writes.
func (p *streamPort) Close() error {
	if !p.closing.CompareAndSwap(false, true) {
		return p.wrap("close", net.ErrClosed)
	}
	p.end()
	return p.wrap("close", p.stream.Close())
}

// connPort is a stream with deadlines of its own.
type connPort struct {
	Port
	streamErrors
	closing atomic.Bool
}

// fail is wrap, which besides knows that the port was closed: not every stream
// reports that otherwise than the end of its peer.
func (p *connPort) fail(op string, err error) error {
	if err != nil && p.closing.Load() {
		err = net.ErrClosed
	}
	return p.wrap(op, err)
}

// Read reads what has arrived, and blocks if that is nothing.
func (p *connPort) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	return n, p.fail("read", err)
}

// Write writes b.
func (p *connPort) Write(b []byte) (int, error) {
	n, err := p.Port.Write(b)
	return n, p.fail("write", err)
}

// Close closes the stream and unblocks pending reads and writes.
func (p *connPort) Close() error {
	if !p.closing.CompareAndSwap(false, true) {
		return p.wrap("close", net.ErrClosed)
	}
	return p.wrap("close", p.Port.Close())
}

// SetDeadline sets the deadlines of reads and of writes.
func (p *connPort) SetDeadline(t time.Time) error {
	return p.fail("set deadline", p.Port.SetDeadline(t))
}

// SetReadDeadline sets the time at which reads give up.
func (p *connPort) SetReadDeadline(t time.Time) error {
	return p.fail("set deadline", p.Port.SetReadDeadline(t))
}

// SetWriteDeadline sets the time at which writes give up.
func (p *connPort) SetWriteDeadline(t time.Time) error {
	return p.fail("set deadline", p.Port.SetWriteDeadline(t))
}
