package port

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// pump gives deadlines to a stream whose calls block and have none. It owns two
// goroutines: one reads, and only what a Read asked for; the other writes, and
// makes other calls, in the order in which they are handed to it. Callers wait
// for them on channels and can return at any time. What a Read that gave up had
// asked for is kept for the next; what a Write handed over counts as written.
//
//	reading goroutine   idle --Read--> asked --read returns--> idle, with rest or readErr
//	writing goroutine   idle --call--> busy --f returns--> idle, with failure if no caller waited
//
// Close sets closing, which ends callers; each goroutine ends when its call has
// returned, the writing one after finish. The carrier's fall ends writes, and reads
// once rest is read; other calls go on.
type pump struct {
	read   func([]byte) (int, error)
	write  func([]byte) (int, error)
	cause  func(error) error // of an error of read, write or a call
	finish func()            // the last act of the writing goroutine, or nil

	readBy  wait.Deadline
	writeBy wait.Deadline
	closing atomic.Bool
	busy    atomic.Bool     // the writing goroutine is in a call
	life    context.Context // ends with Close
	end     context.CancelFunc
	carried context.Context // ends when the carrier falls
	lose    context.CancelFunc

	asks       chan int // what the reading goroutine is to read
	calls      chan *pumpCall
	turn       chan struct{} // held by the Write under way
	readerGone chan struct{}
	writerGone chan struct{}

	mu      sync.Mutex // guards what follows
	buf     []byte     // the reading goroutine's, while asked
	rest    []byte     // of buf: read and not delivered
	readErr error      // follows rest, for good
	asked   bool
	arrived wait.Notifier // of the end of a read
	failure error         // of a call for which no caller waited any more
}

// pumpCall is one call for the writing goroutine.
type pumpCall struct {
	f    func() error
	done chan error
}

// The most that one call reads, and writes. The second is small so that a
// device whose output has been discarded takes a whole piece and so frees the
// goroutine.
const (
	readPiece  = 4096
	writePiece = 1024
)

func newPump(read, write func([]byte) (int, error), cause func(error) error) *pump {
	p := &pump{
		read:       read,
		write:      write,
		cause:      cause,
		asks:       make(chan int, 1),
		calls:      make(chan *pumpCall),
		turn:       make(chan struct{}, 1),
		readerGone: make(chan struct{}),
		writerGone: make(chan struct{}),
		buf:        make([]byte, readPiece),
	}
	p.life, p.end = context.WithCancel(context.Background())
	p.carried, p.lose = context.WithCancel(context.Background())
	go p.reads()
	go p.writes()
	return p
}

// reads is the reading goroutine.
func (p *pump) reads() {
	defer close(p.readerGone)
	for {
		select {
		case <-p.life.Done():
			return
		case n := <-p.asks:
			room := n
			n, err := p.read(p.buf[:room])
			if n < 0 || n > room {
				n, err = 0, cmp.Or(err, fmt.Errorf("the stream reports %d bytes of %d as read", n, room))
			}
			if err != nil {
				err = p.cause(err)
			}
			p.mu.Lock()
			p.rest, p.readErr, p.asked = p.buf[:n], err, false
			p.arrived.Notify()
			p.mu.Unlock()
		}
	}
}

// writes is the writing goroutine.
func (p *pump) writes() {
	defer close(p.writerGone)
	for {
		select {
		case c := <-p.calls:
			p.busy.Store(true)
			err := c.f()
			p.busy.Store(false)
			if err != nil {
				err = p.cause(err)
				p.mu.Lock()
				p.failure = err
				p.mu.Unlock()
			}
			c.done <- err
		case <-p.life.Done():
			if p.finish != nil {
				p.finish()
			}
			return
		}
	}
}

func (p *pump) Read(b []byte) (int, error) {
	for {
		n, arrived, err := p.take(b, p.readBy.Passed())
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		select {
		case <-arrived:
		case <-p.readBy.Done():
		case <-p.carried.Done():
		case <-p.life.Done():
		}
	}
}

// take gives what has arrived and asks for more if that is nothing.
func (p *pump) take(b []byte, late bool) (int, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closing.Load():
		return 0, nil, net.ErrClosed
	case late && p.carried.Err() == nil:
		return 0, nil, os.ErrDeadlineExceeded
	case len(b) == 0:
		return 0, nil, nil
	case len(p.rest) > 0:
		n := copy(b, p.rest)
		p.rest = p.rest[n:]
		return n, nil, nil
	case p.readErr != nil:
		return 0, nil, p.readErr
	case p.carried.Err() != nil:
		return 0, nil, ErrCarrierLost
	case !p.asked:
		p.asked = true
		// This does not block under the lock: the reading goroutine has taken the
		// number before, or asked would be set.
		p.asks <- min(len(b), len(p.buf))
	}
	return 0, p.arrived.Changed(), nil
}

func (p *pump) Write(b []byte) (n int, err error) {
	if err := p.takeTurn(); err != nil {
		return 0, err
	}
	defer func() { <-p.turn }()
	if err := p.takeFailure(); err != nil {
		return 0, err
	}
	for len(b) > 0 {
		piece := bytes.Clone(b[:min(len(b), writePiece)])
		begun, err := p.call(p.carried, &p.writeBy, func() error {
			b := piece
			for len(b) > 0 {
				n, err := p.write(b)
				switch {
				case err != nil:
					return err
				case n < 0 || n > len(b):
					return fmt.Errorf("the stream reports %d bytes of %d as written", n, len(b))
				case n == 0:
					return io.ErrShortWrite
				}
				b = b[n:]
			}
			return nil
		})
		if begun && (err == nil || err == os.ErrDeadlineExceeded) {
			n, b = n+len(piece), b[len(piece):]
		}
		if err == context.Canceled && p.carried.Err() != nil {
			err = ErrCarrierLost
		}
		if err != nil && len(b) > 0 {
			return n, err
		}
	}
	return n, nil
}

// takeTurn waits until no other Write is under way.
func (p *pump) takeTurn() error {
	for {
		switch {
		case p.closing.Load():
			return net.ErrClosed
		case p.carried.Err() != nil:
			return ErrCarrierLost
		case p.writeBy.Passed():
			return os.ErrDeadlineExceeded
		}
		select {
		case p.turn <- struct{}{}:
			return nil
		case <-p.writeBy.Done():
		case <-p.carried.Done():
		case <-p.life.Done():
		}
	}
}

// call has the writing goroutine do f and waits for it until the deadline or
// the context ends. begun reports whether f was started and will run to its end.
func (p *pump) call(ctx context.Context, by *wait.Deadline, f func() error) (begun bool, err error) {
	c := &pumpCall{f: f, done: make(chan error, 1)}
	queue := p.calls
	for {
		switch {
		case p.closing.Load():
			return begun, net.ErrClosed
		case by.Passed():
			return begun, os.ErrDeadlineExceeded
		}
		select {
		case queue <- c:
			begun, queue = true, nil
		case err := <-c.done:
			p.takeFailure() // which is err: it is reported here
			return begun, err
		case <-by.Done():
		case <-ctx.Done():
			return begun, ctx.Err()
		case <-p.life.Done():
		}
	}
}

// takeFailure returns the error of a call for whose result no caller waited.
func (p *pump) takeFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.failure
	p.failure = nil
	return err
}

func (p *pump) SetDeadline(t time.Time) error {
	return cmp.Or(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

func (p *pump) SetReadDeadline(t time.Time) error { return p.setDeadline(&p.readBy, t) }

func (p *pump) SetWriteDeadline(t time.Time) error { return p.setDeadline(&p.writeBy, t) }

func (p *pump) setDeadline(d *wait.Deadline, t time.Time) error {
	if p.closing.Load() {
		return net.ErrClosed
	}
	d.Set(t)
	return nil
}
