package ras

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rasline/rasline/port"
)

// transmit is the sending side of a session: the operation, a send or new
// settings, that holds the right to write to the port. An operation that ends
// hands the right over to the one that has waited longest.
//
//	event            not running   running
//	right acquired   running       -
//	write returns    -             not running, or running on after a part
//	limit passes     -             interrupted (1)
//	context ends     -             interrupted (1)
//	port fails       -             interrupted
//	Close            -             interrupted
//
// (1) On a port that is not known to obey deadlines the caller returns instead
// and the write runs on; the right is released when it ends. The session's
// mutex guards all fields but handed.
type transmit struct {
	held        bool          // an operation has the right, or it is in handed
	waiting     int           // operations that wait for handed
	handed      chan struct{} // the right, on its way to one that waits; capacity 1
	running     bool
	deadline    instant // of the operation; zero: no limit
	interrupted bool    // the port's write deadline is set
	limit       limit
	watch       watch
}

// SendBuffer implements API. It is bounded by Config.SendTimeout. After an
// error an unknown part of the bytes may have been sent, or may still be.
func (s *Session) SendBuffer(h Handle, b Buffer, n int) error {
	return s.SendBufferContext(context.Background(), h, b, n)
}

// SendBufferContext implements ContextSender: it is SendBuffer with a context
// besides. When the context ends, the call returns an error as ContextError
// makes it and the port stays usable.
func (s *Session) SendBufferContext(ctx context.Context, h Handle, b Buffer, n int) error {
	own, err := s.beginSend(h, b, n)
	if err != nil || n == 0 {
		return err
	}
	deadline, err := s.acquire(ctx, opSend)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		own.sending--
		return err
	}
	if !s.obeys {
		return s.writeApart(ctx, own, n, deadline)
	}
	sent, err := s.write(ctx, own.data[:n])
	s.mu.Lock()
	own.sending--
	s.count(sent, err)
	s.handOver()
	s.mu.Unlock()
	return err
}

// SendBytes implements BytesSender. On a port that is not known to obey
// deadlines it is not supported.
func (s *Session) SendBytes(ctx context.Context, h Handle, b []byte) error {
	switch {
	case h != s.handle:
		return &Error{Op: opSend, Code: ErrInvalidPortHandle, Err: errHandle}
	case !s.obeys:
		return errNotHere
	}
	if _, err := s.acquire(ctx, opSend); err != nil {
		return err
	}
	sent, err := s.write(ctx, b)
	s.mu.Lock()
	s.count(sent, err)
	s.handOver()
	s.mu.Unlock()
	return err
}

// beginSend makes the checks and marks the buffer as in use.
func (s *Session) beginSend(h Handle, b Buffer, n int) (*grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.check(opSend, h, b)
	switch {
	case err != nil:
		return nil, err
	case n < 0:
		return nil, &Error{Op: opSend, Code: ErrInvalidParameter, Err: errors.New("negative size")}
	case n > len(own.data):
		return nil, &Error{Op: opSend, Code: ErrBufferTooSmall}
	case n == 0:
		return own, nil
	case s.rx.state == rxPosted && s.rx.buf == own:
		return nil, &Error{Op: opSend, Code: ErrAsyncRequestPending}
	case s.cause != nil:
		return nil, s.failure(opSend)
	}
	own.sending++
	return own, nil
}

// count counts a send that has ended. s.mu is held.
func (s *Session) count(sent int, err error) {
	s.stats.Sent += uint64(sent)
	if err == nil {
		s.stats.Sends++
	}
}

// acquire waits until no other operation has the right to write, starts the clock
// of the caller's and makes the port ready for it. It returns the time of the limit,
// which covers the wait, or 0.
func (s *Session) acquire(ctx context.Context, op string) (deadline instant, err error) {
	var began instant
	if s.cfg.SendTimeout > 0 {
		began = now()
		deadline = began.add(s.cfg.SendTimeout)
	}
	at := began
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx.held {
		s.tx.waiting++
		s.mu.Unlock()
		err := s.awaitHanded(ctx, op)
		s.mu.Lock()
		if err != nil {
			s.giveUpTurn()
			return 0, err
		}
		at = now()
	}
	s.tx.held, s.tx.running, s.tx.deadline = true, true, deadline
	if s.obeys {
		s.tx.limit.within(deadline, at)
	}
	s.tx.watch.begin(ctx)
	if err := s.beforeWrite(ctx, op); err != nil {
		s.handOver()
		return 0, err
	}
	return deadline, nil
}

// giveUpTurn ends the wait of an operation that no longer wants the right, which
// may have been handed over to it meanwhile. s.mu is held.
func (s *Session) giveUpTurn() {
	select {
	case <-s.tx.handed:
		s.handOver()
	default:
		s.tx.waiting--
	}
}

// awaitHanded waits until the right to write is handed over, or for what ends the
// operation.
func (s *Session) awaitHanded(ctx context.Context, op string) error {
	var passed <-chan time.Time
	if s.cfg.SendTimeout > 0 {
		timer := time.NewTimer(s.cfg.SendTimeout)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-s.tx.handed:
		return nil
	case <-s.dead:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.failure(op)
	case <-s.done:
		return &Error{Op: op, Code: ErrInvalidPortHandle, Err: errClosed}
	case <-passed:
		return &Error{Op: op, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	case <-ctx.Done():
		return contextError(op, ctx)
	}
}

// release ends the operation that acquire began.
func (s *Session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handOver()
}

// handOver is release where s.mu is held: it hands the right to write over to the
// operation that has waited longest, if there is one.
func (s *Session) handOver() {
	s.tx.running = false
	s.tx.watch.end()
	if s.tx.waiting == 0 {
		s.tx.held = false
		return
	}
	s.tx.waiting--
	s.tx.handed <- struct{}{} // which is empty, since the right was not in it
}

// beforeWrite reports why the operation must not write, or makes the port ready
// for it. s.mu is held.
func (s *Session) beforeWrite(ctx context.Context, op string) error {
	switch {
	case s.closed:
		return &Error{Op: op, Code: ErrInvalidPortHandle, Err: errClosed}
	case s.cause != nil:
		return s.failure(op)
	case ctx.Err() != nil:
		return contextError(op, ctx)
	case !s.tx.interrupted:
		return nil
	}
	if err := s.port.SetWriteDeadline(time.Time{}); err != nil {
		s.failDeadline(err)
		return s.failure(op)
	}
	s.tx.interrupted = false
	return nil
}

// write writes all of data on a port that obeys deadlines.
func (s *Session) write(ctx context.Context, data []byte) (sent int, err error) {
	returned := false
	defer func() {
		if !returned { // the port has panicked, and the others must not wait for it
			s.mu.Lock()
			s.fail(ErrPortOrDevice, errPanicked)
			s.handOver()
			s.mu.Unlock()
		}
	}()
	for empty := 0; ; {
		returned = false
		n, err := s.writeOnce(data[sent:])
		returned = true
		if sent += n; sent >= len(data) {
			return sent, nil
		}
		if empty++; n > 0 {
			empty = 0
		}
		s.mu.Lock()
		err = s.afterWrite(ctx, err, empty)
		s.mu.Unlock()
		if err != nil {
			return sent, err
		}
	}
}

// writeOnce is a Write whose count can be trusted.
func (s *Session) writeOnce(b []byte) (int, error) {
	n, err := s.port.Write(b)
	if n < 0 || n > len(b) {
		return 0, fmt.Errorf("the port reports %d bytes of %d as written", n, len(b))
	}
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}

// afterWrite returns the error of a Write that did not write everything, or nil
// if the rest is to be written. s.mu is held.
func (s *Session) afterWrite(ctx context.Context, err error, empty int) error {
	switch due := s.tx.deadline != 0 && now() >= s.tx.deadline; {
	case s.cause != nil || s.closed || ctx.Err() != nil:
	case err == io.ErrShortWrite && empty == 0:
	case err == io.ErrShortWrite:
		s.fail(Cause(io.ErrNoProgress), io.ErrNoProgress)
	case !isTimeout(err):
		s.fail(Cause(err), err)
	case due:
		return &Error{Op: opSend, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	case empty >= maxEmpty:
		s.fail(ErrPortOrDevice, fmt.Errorf("the port times out although no deadline has passed: %w", err))
	}
	return s.beforeWrite(ctx, opSend)
}

// writeApart writes the first n bytes of a buffer on a goroutine of its own and
// waits for it until the limit passes, ctx ends or the session does. A write that
// it does not wait for keeps the right to write until the write ends, so that the order
// of the bytes holds.
func (s *Session) writeApart(ctx context.Context, g *grant, n int, deadline instant) error {
	data := g.data[:n]
	result := make(chan error, 1)
	// The goroutine ends with the write. Close ends that by a deadline and waits for
	// it, up to a limit.
	go func() {
		err := error(errPanicked)
		sent := 0
		defer func() {
			if v := recover(); v != nil {
				err = s.panicked(v)
			}
			result <- s.endApart(g, sent, err)
			s.release()
		}()
		for sent < len(data) {
			n, wrote := s.writeOnce(data[sent:])
			if sent += n; wrote != nil && !(wrote == io.ErrShortWrite && n > 0) {
				err = wrote
				return
			}
		}
		err = nil
	}()
	var passed <-chan time.Time
	if deadline != 0 {
		timer := time.NewTimer(time.Duration(deadline - now()))
		defer timer.Stop()
		passed = timer.C
	}
	var err error
	select {
	case err := <-result:
		return err
	case <-passed:
		err = &Error{Op: opSend, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	case <-ctx.Done():
		err = contextError(opSend, ctx)
	case <-s.dead:
	case <-s.done:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err := <-result:
		return err
	default:
	}
	g.left++
	switch {
	case s.cause != nil:
		return s.failure(opSend)
	case s.closed:
		return &Error{Op: opSend, Code: ErrInvalidPortHandle, Err: errClosed}
	}
	return err
}

// endApart ends a write of writeApart and returns its error.
func (s *Session) endApart(g *grant, sent int, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.sending--
	s.count(sent, err)
	if g.left > 0 {
		g.left--
	}
	if g.late && g.sending == 0 && !s.closed {
		s.pool.put(g)
	}
	switch {
	case err == nil:
		return nil
	case s.closed:
		return &Error{Op: opSend, Code: ErrInvalidPortHandle, Err: errClosed}
	case isTimeout(err):
		s.fail(ErrPortOrDevice, fmt.Errorf("the port times out although no deadline has passed: %w", err))
	case err == io.ErrShortWrite:
		s.fail(Cause(io.ErrNoProgress), io.ErrNoProgress)
	case errors.Is(err, errPanicked):
		s.fail(ErrPortOrDevice, err)
	default:
		s.fail(Cause(err), err)
	}
	return s.failure(opSend)
}

// writeContextEnded runs when the context of the operation ends.
func (s *Session) writeContextEnded(done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx.watch.on(done) {
		s.haltWrite()
	}
}

// writeLimitPassed runs when the timer of the operation fires.
func (s *Session) writeLimitPassed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.tx.deadline
	if !s.tx.running || s.closed {
		at = 0
	}
	if s.tx.limit.fired(at) {
		s.haltWrite()
	}
}

// haltWrite ends a Write, or a change of settings, that is running. s.mu is
// held.
func (s *Session) haltWrite() {
	if s.tx.running && s.obeys {
		s.tx.interrupted = true
		s.port.SetWriteDeadline(past)
	}
}

// SetCommSettings implements API. It waits for its turn among the sends,
// since earlier output must be transmitted first, and is bounded as they are: flow
// control that holds the line off ends it with ErrRequestTimeout.
func (s *Session) SetCommSettings(h Handle, c CommSettings) error {
	mode, err := s.checkSettings(h, c)
	if err != nil {
		return err
	}
	setter, ok := s.port.(port.ModeSetter)
	if !ok {
		return &Error{Op: opSetComm, Code: ErrNotSupported, Err: errors.ErrUnsupported}
	}
	if _, err := s.acquire(context.Background(), opSetComm); err != nil {
		return err
	}
	defer s.release()
	if err := setter.SetMode(mode); err != nil {
		// A driver that refuses a value returns errors.ErrUnsupported as well,
		// but it has a mode.
		_, noMode := setter.Mode()
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.cause != nil:
			return s.failure(opSetComm)
		case errors.Is(err, errors.ErrUnsupported) && errors.Is(noMode, errors.ErrUnsupported):
			return &Error{Op: opSetComm, Code: ErrNotSupported, Err: err}
		case isTimeout(err):
			return &Error{Op: opSetComm, Code: ErrRequestTimeout, Err: err}
		}
		return &Error{Op: opSetComm, Code: ErrCannotSetPortInfo, Err: err}
	}
	return nil
}

func (s *Session) checkSettings(h Handle, c CommSettings) (port.Mode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkHandle(opSetComm, h); err != nil {
		return port.Mode{}, err
	}
	mode, err := c.Mode()
	if err == nil && s.cause != nil {
		err = s.failure(opSetComm)
	}
	return mode, err
}
