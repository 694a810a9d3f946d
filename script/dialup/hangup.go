package dialup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/modem"
)

// interruptLimit bounds the wait for calls of a port that ignores its deadlines.
const interruptLimit = 2 * time.Second

// drainLimit bounds the wait for what was sent last.
const drainLimit = 5 * time.Second

// errStuck is why a line cannot be hung up or handed on.
var errStuck = errors.New("a read or write of the port ignores its deadline")

// interrupt waits until no other call has the line to itself, frees the calls of
// the user and keeps out new ones; resume lets them in again. cause is what they fail
// with. It reports whether none is under way. It fails only if ctx ends first.
func (c *Conn) interrupt(ctx context.Context, cause error) (free bool, err error) {
	if err := c.calls.close(ctx); err != nil {
		return false, err
	}
	c.mu.Lock()
	c.leaving = cause
	c.Port.SetDeadline(past)
	c.mu.Unlock()
	return c.calls.empty(interruptLimit), nil
}

func (c *Conn) resume() {
	c.mu.Lock()
	c.leaving, c.handed = nil, false
	if c.err == nil {
		c.Port.SetReadDeadline(c.readUntil)
		c.Port.SetWriteDeadline(c.sendUntil)
	}
	c.mu.Unlock()
	c.calls.open()
}

// HangUp ends the connection, runs the entry's Disconnect and hangs up. It is
// clean-up: it runs also when ctx has ended, within its own limits, which are 30 s
// for Disconnect and modem.Config.HangUpTimeout. The port stays open until Close.
//
// After the carrier was lost nothing is left to hang up, and the report shows that. A
// second HangUp returns what the first one has. The error is a *modem.HangupError
// if the call may still be up, or ErrDetached.
func (c *Conn) HangUp(ctx context.Context) (modem.HangupReport, error) {
	c.end(errHungUp)
	return c.hangUp(ctx)
}

func (c *Conn) hangUp(ctx context.Context) (modem.HangupReport, error) {
	free, _ := c.interrupt(context.Background(), errHungUp)
	defer c.calls.open()
	c.mu.Lock()
	done, rep, err, ended := c.hungUp || c.closed, c.report, c.hangErr, c.err
	c.mu.Unlock()
	switch {
	case ended == ErrDetached:
		return rep, c.dial.entry.fail("hang up", ErrDetached)
	case done:
		return rep, err
	}
	if free {
		rep, err = c.endCall(ctx, ended)
	} else {
		err = c.dial.entry.fail("hang up", errStuck)
	}
	c.mu.Lock()
	c.hungUp, c.report, c.hangErr = true, rep, err
	c.mu.Unlock()
	if errors.Is(ended, net.ErrClosed) && (rep.Method != 0 || err != nil) {
		c.dial.tell(State{Conn: ras.StateDisconnected, Text: proof(rep), Err: err})
	}
	return rep, err
}

// endCall ends the call that may be up. The user's calls are kept out.
func (c *Conn) endCall(ctx context.Context, ended error) (rep modem.HangupReport, err error) {
	c.res.Unread = nil
	c.Port.SetDeadline(time.Time{})
	var lost *modem.CarrierError
	switch {
	case errors.As(ended, &lost):
		return modem.HangupReport{Proved: lost.Text == "", Confirmed: lost.Text != ""}, nil
	case !reachable(ended):
		return modem.HangupReport{}, nil
	}
	// What was written last is transmitted before the line is hung up.
	limited, cancel := context.WithTimeout(context.Background(), drainLimit)
	if err := c.Drain(limited); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		c.dial.log.Warn("what was sent last may not have been transmitted", "error", err)
	}
	cancel()
	if c.dial.entry.Disconnect != nil {
		err = c.dial.disconnect(ctx, c.Port)
	}
	cfg := c.dial.modem()
	methods := cfg.HangUp
	if methods == nil && c.dial.entry.hasModem() && !cfg.KeepCall {
		methods = []modem.Method{modem.DTR, modem.ATH}
	}
	if len(methods) == 0 {
		return rep, err
	}
	rep, hangErr := modem.HangUp(ctx, c.Port, cfg, methods...)
	if !c.dial.entry.hasModem() && (errors.Is(hangErr, errors.ErrUnsupported) || unproved(hangErr)) {
		hangErr = nil // there may have been no call
	}
	if hangErr == nil && rep.Method != 0 {
		c.dial.log.Info("hung up", "method", rep.Method.String(), "proved", rep.Proved, "confirmed", rep.Confirmed, "took", rep.Took)
	}
	return rep, errors.Join(err, hangErr)
}

// Close hangs up as HangUp does and closes the port. Calls that are under way
// fail. A second Close returns what the first one has.
func (c *Conn) Close() error {
	c.end(errClosed)
	_, err := c.hangUp(context.Background())
	if errors.Is(err, ErrDetached) {
		err = nil
	}
	c.calls.close(context.Background())
	c.calls.empty(interruptLimit)
	defer c.calls.open()
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		if c.Err() != ErrDetached {
			err = errors.Join(err, c.Port.Close())
		}
		if c.file != nil {
			c.file.Close()
		}
		if c.release != nil {
			c.release()
		}
		c.mu.Lock()
		c.closeErr = err
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeErr
}

// Detach gives the line to another program: it returns its descriptor, and the
// bytes that were received and not read, which that program must be given first.
// The Conn has then ended with ErrDetached, and neither HangUp nor Close touches
// the line, so the other program hangs up. Where the port has no descriptor the
// error matches errors.ErrUnsupported, and the Conn lives on.
func (c *Conn) Detach() (f *os.File, first []byte, err error) {
	if err := c.Err(); err != nil {
		return nil, nil, c.fail("detach", err)
	}
	if port.AbilitiesOf(c.Port)&port.AbilityDetach == 0 {
		return nil, nil, c.fail("detach", fmt.Errorf("the port has no descriptor: %w", errors.ErrUnsupported))
	}
	free, _ := c.interrupt(context.Background(), ErrDetached)
	if err := c.Err(); err != nil {
		c.calls.open()
		return nil, nil, c.fail("detach", err)
	}
	if !free {
		c.resume()
		return nil, nil, c.fail("detach", errStuck)
	}
	f, err = c.detach()
	if err != nil {
		c.resume()
		return nil, nil, err
	}
	first = c.res.TakeUnread()
	c.end(ErrDetached)
	c.calls.open()
	return f, first, nil
}

// detach acquires the descriptor of the port. The carrier is no longer watched,
// since a port that is detached is one that has failed, unless it cannot be.
func (c *Conn) detach() (*os.File, error) {
	c.mu.Lock()
	c.unwatch()
	c.mu.Unlock()
	f, err := port.Forward{Port: c.raw}.Detach()
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err == nil {
			c.watch()
		}
	}
	return f, err
}
