package ras

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// callSend is a send that a cancelled SendContext left with the callback.
type callSend struct {
	api   API
	buf   Buffer
	freed bool
	done  chan struct{} // closed when the callback has returned; nil: none
}

// send is Call.SendContext.
func (st *callState) send(ctx context.Context, c *Call, b Buffer, n int) error {
	if ctx.Err() != nil {
		return contextError(opSend, ctx)
	}
	if err := st.awaitSend(ctx); err != nil {
		return err
	}
	if s, ok := c.API.(ContextSender); ok {
		err := s.SendBufferContext(ctx, c.Port, b, n)
		if err == nil || ctx.Err() != nil || !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if ctx.Done() == nil {
		return c.API.SendBuffer(c.Port, b, n)
	}
	result := make(chan error, 1)
	tx := &callSend{api: c.API, buf: b, done: make(chan struct{})}
	// The goroutine ends when the callback returns; End waits for it, up to a limit.
	go func() {
		err := error(&Error{Op: opSend, Code: ErrUnknown, Err: errors.New("the callback has ended its goroutine")})
		defer func() {
			if v := recover(); v != nil {
				err = &Error{Op: opSend, Code: ErrUnknown, Err: fmt.Errorf("panic of the callback: %s", c.mask().MaskText(fmt.Sprint(v)))}
			}
			result <- err
			st.sendReturned(tx)
		}()
		err = c.API.SendBuffer(c.Port, b, n)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	select {
	case err := <-result:
		return err
	default:
	}
	st.tx = append(st.tx, tx)
	st.noteLeft()
	return contextError(opSend, ctx)
}

// Send sends all of b on the port of the call, MaxBuffer bytes at a time, and
// returns when the port has accepted them. It is GetBuffer, SendContext and
// FreeBuffer in one; see SendContext for what a cancel leaves. b is the caller's
// again when it returns.
//
// An API that is a BytesSender gets the bytes themselves; any other sees the
// callbacks.
func (c *Call) Send(ctx context.Context, b []byte) error {
	st := c.shared()
	for len(b) > 0 {
		if err := st.awaitSend(ctx); err != nil {
			return err
		}
		n := min(len(b), MaxBuffer)
		err := error(errNotHere)
		if s, ok := c.API.(BytesSender); ok {
			err = s.SendBytes(ctx, c.Port, b[:n])
		}
		if err != nil && errors.Is(err, errors.ErrUnsupported) {
			var buf Buffer
			if buf, err = c.GetBuffer(n); err != nil {
				return err
			}
			err = st.send(ctx, c, buf, copy(buf.Bytes(), b))
			c.FreeBuffer(buf)
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// awaitSend waits for the sends that were left with callbacks.
func (st *callState) awaitSend(ctx context.Context) error {
	for st.unusual.Load() {
		st.mu.Lock()
		ended := st.ended
		var done chan struct{}
		if len(st.tx) > 0 {
			done = st.tx[0].done
		}
		st.mu.Unlock()
		switch {
		case ended:
			return &Error{Op: opSend, Code: ErrInvalidPortHandle, Err: errClosed}
		case done == nil:
			return nil
		}
		select {
		case <-done:
		case <-ctx.Done():
			return contextError(opSend, ctx)
		}
	}
	return nil
}

// sendReturned runs when the callback of a send has returned. If the send was
// left with it, the buffer is freed where the script has freed it meanwhile.
func (st *callState) sendReturned(tx *callSend) {
	st.mu.Lock()
	defer st.mu.Unlock()
	defer close(tx.done)
	if tx.freed {
		st.mu.Unlock()
		tx.api.FreeBuffer(tx.buf) // before End finds that nothing is left
		st.mu.Lock()
	}
	if i := slices.Index(st.tx, tx); i >= 0 {
		st.tx = slices.Delete(st.tx, i, i+1)
		st.noteLeft()
	}
}
