package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/ras"
)

// DialogConfig holds the settings of a Dialog. The zero DialogConfig and a nil
// one work.
type DialogConfig struct {
	// Log gets a debug record of what is sent, received and matched, with
	// secrets masked, besides the log of the run. Default: that alone.
	Log *slog.Logger

	// Idle ends a wait when nothing has arrived for that long, whatever its
	// limit. Default, and for 0 or less: silence alone ends no wait.
	Idle time.Duration

	// Strip7 clears the high bit of every byte before it is matched and
	// delivered, for peers that send parity. Bytes that are not consumed keep
	// theirs. Default: off.
	Strip7 bool

	// DropNUL removes NUL bytes before the rest is matched and delivered, for
	// peers that pad with them, as expect(1) does. Default: off.
	DropNUL bool

	// Tap is called with every consumed byte once, in order. A piece ends where
	// a watch completes, so that Tap has been given just the bytes up to there
	// when the watch's function is called. The slice must not be kept. With a
	// Tap a wait that fails has consumed what it read, as with Consume.
	// Default: none.
	Tap func(b []byte)

	// Consume makes a wait that ends by its limit or its context consume what
	// it has read, as the script languages define it. Default: the bytes are
	// given back, and the next wait starts with them, as in pexpect.
	Consume bool

	// PerByte is a pause before each byte that is sent, PerLine one after each
	// line end (CR, LF or CR LF), for peers that lose what arrives too fast.
	// Default: none.
	PerByte, PerLine time.Duration

	// WaitEcho makes Send wait that long for the echo of each line, without its
	// line end, or of each byte if PerByte is set, before it sends the next,
	// and consume it. Without the echo Send ends with a *TimeoutError. Secrets
	// are sent without waiting. Default, and for 0 or less: no wait.
	WaitEcho time.Duration

	// SendTimeout bounds one Send, pauses and echoes included; it ends with an
	// error that matches ras.ErrRequestTimeout. Default, and for 0 or less:
	// only the session's own limit applies.
	SendTimeout time.Duration

	// MaxBefore is how many bytes before a match are kept for Match.Before, and
	// how long a Match.Text may be. Default, and for 0 or less: 1 MiB.
	MaxBefore int
}

// Dialog sends and waits on the line of a call. It uses the six callbacks of
// the call and nothing else, so it works wherever they do. Where the API has
// abilities besides (see package ras), a cancel has its effect sooner and bytes
// pass without a buffer; the results are the same.
//
// All Dialogs of a run read the same stream: what one has received and not
// consumed is what the next one gets first. A Dialog, and all Dialogs of one
// run together, must be used by one goroutine at a time. The functions of its
// watches may use it, and other Dialogs of the run.
type Dialog struct {
	call    *ras.Call
	cfg     DialogConfig
	line    line
	watches []*Watch // replaced, never changed, so that a running wait keeps its own
	sets    setCache
	waits   []*waitState // for reuse, by depth
	depth   int          // waits that are running, one inside the other
	ahead   bool         // SetReadAhead
	one     [1]byte
	logs    dialogLogs
	keys    *keyboard // of Interact
}

// NewDialog returns a Dialog on the call; a nil cfg means the zero
// DialogConfig.
func NewDialog(call *ras.Call, cfg *DialogConfig) *Dialog {
	d := &Dialog{call: call, line: line{call: call}}
	if cfg != nil {
		d.cfg = *cfg
	}
	if d.cfg.MaxBefore <= 0 {
		d.cfg.MaxBefore = defaultMaxBefore
	}
	d.cfg.MaxBefore = min(d.cfg.MaxBefore, math.MaxInt/4) // a window has room for two and more
	d.logs.call = call
	if call.Log != nil {
		d.logs.logs = append(d.logs.logs, call.Log)
	}
	if own := d.cfg.Log; own != nil && own != call.Log {
		d.logs.logs = append(d.logs.logs, own)
	}
	return d
}

// Call returns the call that the Dialog works on.
func (d *Dialog) Call() *ras.Call { return d.call }

// Format prints the name of the entry and no data.
func (d *Dialog) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "dialog on %v", d.call) }

// Close logs what is still to be logged. A Dialog holds nothing between its
// calls that others need, and can be used again after Close.
func (d *Dialog) Close() error {
	d.logs.flush(context.Background())
	return d.line.keep()
}

// Unread puts a copy of b in front of the input, as if it had not been consumed:
// a script uses it for what it had to inspect and another must read. It fails as
// ras.Call.Unread does.
func (d *Dialog) Unread(b []byte) error {
	d.logs.singles = bytes.TrimSuffix(d.logs.singles, b) // they are logged when they are consumed again
	return d.call.Unread(b)
}

// SetConsume sets DialogConfig.Consume from the next wait on, and returns what it
// was. Code that has to know what a failed wait leaves, such as package modem,
// sets it for its own waits.
func (d *Dialog) SetConsume(on bool) (was bool) {
	was, d.cfg.Consume = d.cfg.Consume, on
	return was
}

// SetPlace names the place in a script that is being run: the log of the run has
// it, as attribute "place" of the records of what is sent and awaited, from now on.
// Lines count from 1; 0 is none. Without a file it is an argument of a command that
// is counted. The languages of this module call it.
func (d *Dialog) SetPlace(file string, line int) { d.logs.file, d.logs.line = file, line }

// SetReadAhead states whether the script is certain to send again before it
// succeeds; by default it is not. From then on the waits of an exact call with
// ras.Call.ReadAhead read all that there is, and what follows their match is the
// next wait's. Other exact waits read no more than their match may still need,
// which costs a completion of the host for every few bytes of a peer that sends
// much before its prompt.
func (d *Dialog) SetReadAhead(on bool) { d.ahead = on }

// Hide masks a text in all that is logged and reported from now on.
func (d *Dialog) Hide(s ras.Secret) { d.call.Hide(s) }

// Send sends b and returns when the port has accepted every byte. The error is
// an *Error and matches the context's error and cause if the context ended; how
// much was sent by then is not known.
func (d *Dialog) Send(ctx context.Context, b []byte) error {
	if d.logs.enabled(ctx) {
		d.logs.sent(ctx, string(d.call.Mask(b)))
	}
	return d.send(ctx, b, d.cfg.WaitEcho)
}

// SendSecret sends a text that no log and no error shows, nor its echo.
func (d *Dialog) SendSecret(ctx context.Context, s ras.Secret) error {
	d.call.Hide(s)
	if d.logs.enabled(ctx) {
		d.logs.sent(ctx, s)
	}
	return d.send(ctx, []byte(s.Reveal()), 0)
}

func (d *Dialog) send(ctx context.Context, b []byte, echo time.Duration) error {
	if d.cfg.SendTimeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.cfg.SendTimeout, ras.ErrRequestTimeout)
		defer cancel()
		ctx = limited
	}
	var err error
	if d.cfg.PerByte > 0 || d.cfg.PerLine > 0 || echo > 0 {
		err = d.sendPaced(ctx, b, echo)
	} else {
		err = d.call.Send(ctx, b)
	}
	if err == nil || errors.As(err, new(*TimeoutError)) {
		return err
	}
	return &Error{Op: "send", Err: err}
}

// sendPaced sends b with the pauses of the configuration, and waits for the echo
// of each part if echo is not 0.
func (d *Dialog) sendPaced(ctx context.Context, b []byte, echo time.Duration) error {
	for len(b) > 0 {
		n := len(b)
		if d.cfg.PerByte > 0 {
			n = 1
		} else if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
			if n = i + 1; b[i] == '\r' && n < len(b) && b[n] == '\n' {
				n++
			}
		}
		if err := wait.Sleep(ctx, d.cfg.PerByte); err != nil {
			return ras.ContextError(ctx)
		}
		if err := d.call.Send(ctx, b[:n]); err != nil {
			return err
		}
		if text := bytes.TrimRight(b[:n], "\r\n"); echo > 0 && len(text) > 0 {
			if _, err := d.WaitFor(ctx, echo, Text(text)); err != nil {
				return err
			}
		}
		ended := b[n-1] == '\n' || b[n-1] == '\r' && !(n < len(b) && b[n] == '\n')
		if b = b[n:]; ended {
			if err := wait.Sleep(ctx, d.cfg.PerLine); err != nil {
				return ras.ContextError(ctx)
			}
		}
	}
	return nil
}

// Pause waits for t without using the line: what arrives meanwhile is kept. The
// error is as ras.ContextError makes it if the context ends first.
func (d *Dialog) Pause(ctx context.Context, t time.Duration) error {
	if wait.Sleep(ctx, t) != nil {
		return ras.ContextError(ctx)
	}
	return nil
}

// SetComm sets data bits, parity and stop bits after earlier output has left,
// by RasSetCommSettings.
func (d *Dialog) SetComm(s ras.CommSettings) error {
	if err := d.call.SetCommSettings(d.call.Port, s); err != nil {
		return &Error{Op: "set line settings", Err: err}
	}
	return nil
}
