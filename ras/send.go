package ras

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// transmit is the sending side of a session. It belongs to the session's mutex.
type transmit struct {
	halt     bool // the context of the running send has ended
	running  bool
	deadline time.Time // of the running send; zero: no limit
	armed    time.Time
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
	sent, err := s.transmit(ctx, own.data[:n])
	s.mu.Lock()
	defer s.mu.Unlock()
	own.sending--
	s.stats.Sent += uint64(sent)
	if err == nil {
		s.stats.Sends++
	}
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

// transmit writes all of data, one caller after the other.
func (s *Session) transmit(ctx context.Context, data []byte) (sent int, err error) {
	if err := s.takeTurn(ctx, opSend); err != nil {
		return 0, err
	}
	defer s.endTurn()
	for sent < len(data) {
		if err := s.beforeWrite(ctx, opSend); err != nil {
			return sent, err
		}
		n, err := s.port.Write(data[sent:])
		sent += n
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil && sent < len(data) {
			if err := s.afterWrite(ctx, err); err != nil {
				return sent, err
			}
		}
	}
	return sent, nil
}

// takeTurn waits until nobody else sends and starts the clock of the caller's
// send.
func (s *Session) takeTurn(ctx context.Context, op string) error {
	select {
	case s.sending <- struct{}{}:
	case <-s.dead:
		return s.noTurn(op, nil)
	case <-ctx.Done():
		return s.noTurn(op, context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tx.running, s.tx.halt, s.tx.deadline = true, false, time.Time{}
	if s.cfg.SendTimeout > 0 {
		s.tx.deadline = time.Now().Add(s.cfg.SendTimeout)
	}
	s.tx.watch.begin(ctx)
	return nil
}

func (s *Session) endTurn() {
	s.mu.Lock()
	s.tx.running = false
	s.tx.watch.end()
	s.mu.Unlock()
	<-s.sending
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
		s.armWrite(past)
	}
}

func (s *Session) armWrite(t time.Time) error {
	s.tx.armed = t
	return s.port.SetWriteDeadline(t)
}

// beforeWrite sets the deadline, by the rule of armForRead.
func (s *Session) beforeWrite(ctx context.Context, op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return s.failure(op)
	case s.closed:
		return &Error{Op: op, Code: ErrInvalidPortHandle, Err: errClosed}
	case ctx.Err() != nil:
		return s.contextError(ctx)
	}
	now := time.Now()
	if s.tx.armed.After(now) && (s.tx.deadline.IsZero() || !s.tx.armed.After(s.tx.deadline)) {
		return nil
	}
	if s.tx.armed.IsZero() && s.tx.deadline.IsZero() {
		return nil
	}
	if err := s.armWrite(s.tx.deadline); err != nil {
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
	case !s.tx.deadline.IsZero() && !time.Now().Before(s.tx.deadline):
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
