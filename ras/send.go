package ras

import (
	"context"
	"errors"
	"io"
	"os"
)

// transmit is the sending side of a session. It belongs to the session's mutex.
type transmit struct {
	halt     bool // the context of the running send has ended
	running  bool
	deadline instant // of the running send; zero: no limit
	armed    instant // the port's write deadline; zero: none
	watch    watch
}

// SendBuffer implements API. It is bounded by Config.SendTimeout. After an
// error an unknown part of the bytes may have been sent.
func (s *Session) SendBuffer(h Handle, b Buffer, n int) error {
	return s.SendBufferContext(context.Background(), h, b, n)
}

// SendBufferContext is SendBuffer with a context besides: when it ends, the call
// returns an error that matches context.Cause(ctx), with ErrUserDisconnection
// or the code that Cause gives it, and the port lives on. A Dialog uses it
// where it finds it.
func (s *Session) SendBufferContext(ctx context.Context, h Handle, b Buffer, n int) error {
	own, err := s.beginSend(h, b, n)
	if err != nil || n == 0 {
		return err
	}
	if err := s.takeTurn(ctx, opSend); err != nil {
		s.unuse(own)
		return err
	}
	sent, err := s.write(ctx, own.data[:n])
	s.endSend(own, sent, err)
	<-s.sending
	return err
}

// beginSend makes the checks and marks the buffer as in use.
func (s *Session) beginSend(h Handle, b Buffer, n int) (*buffer, error) {
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
	case s.rx.open() && s.rx.buf == own:
		return nil, &Error{Op: opSend, Code: ErrAsyncRequestPending}
	case s.cause != nil:
		return nil, s.failure(opSend)
	}
	if n > 0 {
		own.sending++
	}
	return own, nil
}

func (s *Session) unuse(b *buffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.sending--
}

// endSend counts a send and gives its buffer back to the script.
func (s *Session) endSend(b *buffer, sent int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopSending()
	b.sending--
	s.stats.Sent += uint64(sent)
	if err == nil {
		s.stats.Sends++
	}
}

// write writes all of data. The caller has the turn.
func (s *Session) write(ctx context.Context, data []byte) (sent int, err error) {
	for {
		n, err := s.port.Write(data[sent:])
		if sent += n; sent >= len(data) {
			return sent, nil
		}
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil {
			err = s.afterWrite(ctx, err)
		}
		if err == nil {
			err = s.beforeWrite(ctx, opSend)
		}
		if err != nil {
			return sent, err
		}
	}
}

// takeTurn waits until nobody else sends, starts the clock of the caller's send
// and makes the port ready for it.
func (s *Session) takeTurn(ctx context.Context, op string) error {
	select {
	case s.sending <- struct{}{}:
	default:
		if err := s.waitForTurn(ctx, op); err != nil {
			return err
		}
	}
	err := s.start(ctx, op)
	if err != nil {
		s.endTurn()
	}
	return err
}

func (s *Session) waitForTurn(ctx context.Context, op string) error {
	select {
	case s.sending <- struct{}{}:
		return nil
	case <-s.dead:
		return s.noTurn(op, nil)
	case <-ctx.Done():
		return s.noTurn(op, context.Cause(ctx))
	}
}

func (s *Session) start(ctx context.Context, op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := now()
	s.tx.running, s.tx.halt, s.tx.deadline = true, false, 0
	if s.cfg.SendTimeout > 0 {
		s.tx.deadline = now.add(s.cfg.SendTimeout)
	}
	s.tx.watch.begin(ctx)
	return s.mayWrite(ctx, op, now)
}

func (s *Session) endTurn() {
	s.mu.Lock()
	s.stopSending()
	s.mu.Unlock()
	<-s.sending
}

func (s *Session) stopSending() {
	s.tx.running = false
	s.tx.watch.end()
}

func (s *Session) writeContextEnded(done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx.watch.on(done) {
		s.haltWrite()
	}
}

// haltWrite frees a running send. s.mu is held.
func (s *Session) haltWrite() {
	s.tx.halt = true
	if s.tx.running {
		s.tx.armed = longAgo
		s.port.SetWriteDeadline(past)
	}
}

func (s *Session) beforeWrite(ctx context.Context, op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mayWrite(ctx, op, now())
}

// mayWrite sets the deadline, by the rule of armForRead, unless the send is over
// already.
func (s *Session) mayWrite(ctx context.Context, op string, now instant) error {
	switch {
	case s.cause != nil:
		return s.failure(op)
	case s.closed:
		return &Error{Op: op, Code: ErrInvalidPortHandle, Err: errClosed}
	case ctx.Err() != nil:
		return s.contextError(ctx)
	case s.tx.armed > now && (s.tx.deadline == 0 || s.tx.armed <= s.tx.deadline):
		return nil
	case s.tx.armed == 0 && s.tx.deadline == 0:
		return nil
	}
	s.tx.armed = s.tx.deadline
	if err := s.port.SetWriteDeadline(s.tx.deadline.time(now)); err != nil {
		s.fail(err)
		return s.failure(op)
	}
	return nil
}

// afterWrite decides what the error of a Write means: nil if the send goes on.
func (s *Session) afterWrite(ctx context.Context, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return s.failure(opSend)
	case s.closed:
		return &Error{Op: opSend, Code: ErrInvalidPortHandle, Err: errClosed}
	case !isTimeout(err):
		s.fail(err)
		return s.failure(opSend)
	case ctx.Err() != nil:
		return s.contextError(ctx)
	case s.tx.deadline != 0 && now() >= s.tx.deadline:
		return &Error{Op: opSend, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	}
	return nil
}

func (s *Session) contextError(ctx context.Context) error {
	cause := context.Cause(ctx)
	return &Error{Op: opSend, Code: Cause(cause), Err: cause}
}

// noTurn is the error of a send that did not get its turn: the session's
// failure, or the end of the caller's context.
func (s *Session) noTurn(op string, ended error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended == nil {
		return s.failure(op)
	}
	return &Error{Op: op, Code: Cause(ended), Err: ended}
}
