//go:build darwin || freebsd || openbsd || windows || (linux && !ppc64)

package port

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.bug.st/serial"

	"github.com/rasline/rasline/internal/wait"
)

// adapter is the device of systems that this package does not drive itself. It
// puts go.bug.st/serial, whose calls block and know no deadline, behind two
// goroutines that it owns: one reads, and only what a Read asked for; the other
// writes, drains and sends breaks, in the order of the calls. Callers wait for
// them on channels and can leave at any time. What a Read that gave up had asked
// for is kept for the next; what a Write handed over counts as written.
type adapter struct {
	lib     serial.Port
	name    string
	readBy  wait.Deadline
	writeBy wait.Deadline
	closing atomic.Bool
	lost    atomic.Bool
	busy    atomic.Bool     // the writing goroutine is in a call
	life    context.Context // ends with Close
	end     context.CancelFunc
	carrier *carrierWatch // nil without a policy

	closeTimeout       time.Duration
	closeMask, closeTo Lines
	lock               *lockFile

	asks       chan int // what the reading goroutine is to read
	calls      chan *libCall
	turn       chan struct{} // held by the Write under way
	readerGone chan struct{}
	writerGone chan struct{}

	mu      sync.Mutex // guards what follows
	buf     []byte     // the reading goroutine's, while asked
	rest    []byte     // of buf: read and not delivered
	readErr error      // comes after rest, for good
	asked   bool
	arrived chan struct{} // closed and replaced when the reading goroutine is done
	failure error         // of a call that nobody waited for any more
	mode    Mode
	outputs Lines
}

// libCall is one call for the writing goroutine.
type libCall struct {
	f    func() error
	done chan error
}

// The most that is read at once, and written. The second is small so that a
// device whose output has been discarded takes a whole piece and so frees the
// goroutine.
const (
	readPiece  = 4096
	writePiece = 1024
)

func newAdapter(lib serial.Port, name string) *adapter {
	a := &adapter{
		lib:        lib,
		name:       name,
		asks:       make(chan int, 1),
		calls:      make(chan *libCall),
		turn:       make(chan struct{}, 1),
		readerGone: make(chan struct{}),
		writerGone: make(chan struct{}),
		buf:        make([]byte, readPiece),
		arrived:    make(chan struct{}),
	}
	a.life, a.end = context.WithCancel(context.Background())
	go a.reads()
	go a.writes()
	return a
}

// reads is the reading goroutine.
func (a *adapter) reads() {
	defer close(a.readerGone)
	for {
		select {
		case <-a.life.Done():
			return
		case n := <-a.asks:
			n, err := readSome(a.lib, a.buf[:n])
			a.deliver(n, err)
		}
	}
}

func (a *adapter) deliver(n int, err error) {
	if err != nil {
		err = a.failed(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rest, a.readErr, a.asked = a.buf[:n], err, false
	close(a.arrived)
	a.arrived = make(chan struct{})
}

// writes is the writing goroutine. With a CloseTimeout its last act is to drain.
func (a *adapter) writes() {
	defer close(a.writerGone)
	for {
		select {
		case c := <-a.calls:
			a.run(c)
		case <-a.life.Done():
			if a.closeTimeout > 0 {
				a.lib.Drain()
			}
			return
		}
	}
}

func (a *adapter) run(c *libCall) {
	a.busy.Store(true)
	err := c.f()
	a.busy.Store(false)
	if err != nil {
		err = a.failed(err)
		a.mu.Lock()
		a.failure = err
		a.mu.Unlock()
	}
	c.done <- err
}

func (a *adapter) Read(b []byte) (int, error) {
	for {
		n, arrived, err := a.take(b, a.readBy.Passed())
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		select {
		case <-arrived:
		case <-a.readBy.Done():
		case <-a.life.Done():
		}
	}
}

// take gives what has arrived and asks for more if that is nothing.
func (a *adapter) take(b []byte, late bool) (int, <-chan struct{}, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closing.Load():
		return 0, nil, net.ErrClosed
	case late && !a.lost.Load():
		return 0, nil, os.ErrDeadlineExceeded
	case len(b) == 0:
		return 0, nil, nil
	case len(a.rest) > 0:
		n := copy(b, a.rest)
		a.rest = a.rest[n:]
		return n, nil, nil
	case a.readErr != nil:
		return 0, nil, a.readErr
	case a.lost.Load():
		return 0, nil, ErrCarrierLost
	case !a.asked:
		a.asked = true
		a.asks <- min(len(b), len(a.buf))
	}
	return 0, a.arrived, nil
}

func (a *adapter) Write(b []byte) (n int, err error) {
	if err := a.takeTurn(); err != nil {
		return 0, err
	}
	defer func() { <-a.turn }()
	if err := a.takeFailure(); err != nil {
		return 0, err
	}
	for len(b) > 0 {
		piece := bytes.Clone(b[:min(len(b), writePiece)])
		begun, err := a.call(context.Background(), &a.writeBy, func() error { return a.writeAll(piece) })
		if begun && (err == nil || err == os.ErrDeadlineExceeded) {
			n, b = n+len(piece), b[len(piece):]
		}
		if err != nil && len(b) > 0 {
			return n, err
		}
	}
	return n, nil
}

// takeTurn waits until no other Write is under way.
func (a *adapter) takeTurn() error {
	for {
		switch {
		case a.closing.Load():
			return net.ErrClosed
		case a.lost.Load():
			return ErrCarrierLost
		case a.writeBy.Passed():
			return os.ErrDeadlineExceeded
		}
		select {
		case a.turn <- struct{}{}:
			return nil
		case <-a.writeBy.Done():
		case <-a.life.Done():
		}
	}
}

func (a *adapter) writeAll(b []byte) error {
	for len(b) > 0 {
		n, err := a.lib.Write(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// call has the writing goroutine do f and waits for it until the deadline or
// the context ends. begun says whether f will have been done all the same.
func (a *adapter) call(ctx context.Context, by *wait.Deadline, f func() error) (begun bool, err error) {
	c := &libCall{f: f, done: make(chan error, 1)}
	queue := a.calls
	for {
		switch {
		case a.closing.Load():
			return begun, net.ErrClosed
		case by.Passed():
			return begun, os.ErrDeadlineExceeded
		}
		select {
		case queue <- c:
			begun, queue = true, nil
		case err := <-c.done:
			a.takeFailure()
			return begun, err
		case <-by.Done():
		case <-ctx.Done():
			return begun, ctx.Err()
		case <-a.life.Done():
		}
	}
}

// takeFailure returns the error of a call that nobody waited for.
func (a *adapter) takeFailure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.failure
	a.failure = nil
	return err
}

func (a *adapter) SetDeadline(t time.Time) error {
	return errors.Join(a.SetReadDeadline(t), a.SetWriteDeadline(t))
}

func (a *adapter) SetReadDeadline(t time.Time) error { return a.setDeadline(&a.readBy, t) }

func (a *adapter) SetWriteDeadline(t time.Time) error { return a.setDeadline(&a.writeBy, t) }

func (a *adapter) setDeadline(d *wait.Deadline, t time.Time) error {
	if a.closing.Load() {
		return net.ErrClosed
	}
	d.Set(t)
	return nil
}

// failed turns an error of the library into the cause that the user sees.
func (a *adapter) failed(err error) error {
	var lib *serial.PortError
	switch {
	case a.closing.Load():
		return net.ErrClosed
	case errors.As(err, &lib) && lib.Code() == serial.PortClosed, meansGone(err):
		return a.gone()
	}
	return err
}

// gone tells a hang-up from a device that was removed.
func (a *adapter) gone() error {
	if isPseudoName(a.name) {
		return ErrCarrierLost
	}
	return settle(a.life.Done(), func() bool { return isThere(a.name) })
}

// freeBound is how long Close tries to get the two goroutines out of the
// library before it closes that over their heads.
const freeBound = 250 * time.Millisecond

// Close frees every caller first. A write or a drain that is stuck in the
// library ends when the output is discarded.
func (a *adapter) Close() error {
	if !a.closing.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	a.end()
	if a.carrier != nil {
		a.carrier.stop()
	}
	if a.closeTimeout > 0 {
		awaitGone(a.writerGone, a.closeTimeout)
	}
	if !isPseudoName(a.name) { // there it would take bytes from the far end
		a.lib.ResetOutputBuffer()
	}
	for limit := time.Now().Add(freeBound); !awaitGone(a.writerGone, settleStep) && time.Now().Before(limit); {
		a.lib.ResetOutputBuffer()
	}
	a.writeLines(a.closeMask, a.closeTo)
	if freesReads {
		a.lib.ResetInputBuffer()
		awaitGone(a.readerGone, freeBound)
	}
	err := a.lib.Close()
	awaitGone(a.readerGone, freeBound)
	a.lock.release()
	return err
}

// awaitGone waits for a goroutine to end, for at most d.
func awaitGone(gone <-chan struct{}, d time.Duration) bool {
	select {
	case <-gone:
		return true
	case <-time.After(d):
		return false
	}
}
