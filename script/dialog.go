package script

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/rasline/rasline/internal/match"
	"github.com/rasline/rasline/ras"
)

const defaultHistory = 4096

// DialogConfig holds the settings of a Dialog. The zero DialogConfig and a nil
// one work.
type DialogConfig struct {
	// Log gets a debug record of what is sent, received and matched, with
	// secrets masked. Default: no log.
	Log *slog.Logger

	// Idle ends a wait when nothing came for that long, whatever its limit.
	// Default, and for 0 or less: silence alone ends no wait.
	Idle time.Duration

	// Strip7 clears the high bit of every byte before it is matched and
	// delivered, for far ends that send parity. Bytes that are not consumed
	// keep theirs. Default: off.
	Strip7 bool

	// Tap sees every consumed byte once, in order. A run ends where a watch
	// completes, so that Tap has seen just the bytes up to there when the
	// watch's function is called. The slice must not be kept. Default: none.
	Tap func(b []byte)

	// PerByte is a pause before each byte that is sent, PerLine one after each
	// line end (CR, LF or CR LF), for far ends that lose what comes too fast.
	// Default: none.
	PerByte, PerLine time.Duration

	// SendLimit bounds one Send, pauses included; it ends with an error that
	// matches ras.ErrRequestTimeout. Default, and for 0 or less: only the
	// session's own limit holds.
	SendLimit time.Duration

	// History is how many bytes of a wait are kept at least, for Match and for
	// the Tail of errors. Default, and for 0 or less: 4096.
	History int
}

// Dialog sends and waits on the line of a call. It uses the six callbacks of
// the call and nothing else, so it works wherever they do; where the API has
// more to offer, as Session has, sends and waits can be cancelled at any point.
//
// All Dialogs of a call read the same stream: what one has received and not
// consumed is what the next one gets first. A Dialog, and all Dialogs of one
// call together, must be used by one goroutine at a time.
type Dialog struct {
	call     *ras.Call
	line     *line
	cfg      DialogConfig
	watches  []*Watch // replaced, never changed, so that a running wait keeps its own
	sets     setCache
	scanner  match.Scanner
	window   window
	stripped []byte // the copy of line.in with the high bits cleared
	one      [1]byte
	singles  []byte // consumed by NextByte and not logged yet
}

// NewDialog returns a Dialog on the call; a nil cfg means the zero
// DialogConfig.
func NewDialog(call *ras.Call, cfg *DialogConfig) *Dialog {
	d := &Dialog{call: call, line: lineOf(call)}
	if cfg != nil {
		d.cfg = *cfg
	}
	if d.cfg.History <= 0 {
		d.cfg.History = defaultHistory
	}
	d.window.keep = d.cfg.History
	return d
}

// Call returns the call that the Dialog works on.
func (d *Dialog) Call() *ras.Call { return d.call }

// Close gives the callbacks' buffers back. Bytes that were not consumed stay
// for the next Dialog of the call, which may also be this one: a Dialog can be
// used again after Close. Run closes for those who do not.
func (d *Dialog) Close() error {
	d.flushLog(context.Background())
	d.line.in = d.line.release()
	return nil
}

// Unread puts a copy of b in front of the input, as if it had not been consumed:
// a script uses it for what it had to look at and is another's to read.
func (d *Dialog) Unread(b []byte) {
	if len(b) > 0 {
		d.line.in = append(bytes.Clone(b), d.line.in...)
		d.singles = bytes.TrimSuffix(d.singles, b)
	}
}

// Hide masks a text in all that is logged and reported from now on.
func (d *Dialog) Hide(s ras.Secret) { d.call.Hide(s) }

// Send sends b and returns when the port has taken every byte. The error is an
// *Error and matches context.Cause(ctx) if the context ended; how much was sent
// by then is not known.
func (d *Dialog) Send(ctx context.Context, b []byte) error {
	d.flushLog(ctx)
	d.logData(ctx, "sent", b)
	return d.send(ctx, b)
}

// SendSecret sends a text that no log and no error shows, nor its echo.
func (d *Dialog) SendSecret(ctx context.Context, s ras.Secret) error {
	d.call.Hide(s)
	d.flushLog(ctx)
	if d.logs(ctx) {
		d.cfg.Log.DebugContext(ctx, "sent", "data", s)
	}
	return d.send(ctx, []byte(s.Reveal()))
}

func (d *Dialog) send(ctx context.Context, b []byte) error {
	if d.cfg.SendLimit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.cfg.SendLimit, ras.ErrRequestTimeout)
		defer cancel()
		ctx = limited
	}
	var err error
	if d.cfg.PerByte > 0 || d.cfg.PerLine > 0 {
		err = d.sendPaced(ctx, b)
	} else {
		err = d.line.send(ctx, b)
	}
	if err != nil {
		return &Error{Op: "send", Err: err}
	}
	return nil
}

// sendPaced sends b with the pauses of the configuration.
func (d *Dialog) sendPaced(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if d.cfg.PerByte > 0 {
			n = 1
		} else if i := lineEnd(b); i > 0 {
			n = i
		}
		if err := sleep(ctx, d.cfg.PerByte); err != nil {
			return err
		}
		if err := d.line.send(ctx, b[:n]); err != nil {
			return err
		}
		ended := b[n-1] == '\n' || b[n-1] == '\r' && !(n < len(b) && b[n] == '\n')
		if b = b[n:]; ended {
			if err := sleep(ctx, d.cfg.PerLine); err != nil {
				return err
			}
		}
	}
	return nil
}

// lineEnd returns the length of the first line of b with its end, or 0.
func lineEnd(b []byte) int {
	i := bytes.IndexAny(b, "\r\n")
	if i >= 0 && b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n' {
		i++
	}
	return i + 1
}

// Pause waits for t without touching the line: what arrives meanwhile is kept.
// The error is the cause for which the context ended.
func (d *Dialog) Pause(ctx context.Context, t time.Duration) error { return sleep(ctx, t) }

func sleep(ctx context.Context, t time.Duration) error {
	if t <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// SetComm sets data bits, parity and stop bits after earlier output has left,
// by RasSetCommSettings.
func (d *Dialog) SetComm(s ras.CommSettings) error {
	if err := d.call.SetCommSettings(d.call.Port, s); err != nil {
		return &Error{Op: "set line settings", Err: err}
	}
	return nil
}

func (d *Dialog) logs(ctx context.Context) bool {
	return d.cfg.Log != nil && d.cfg.Log.Enabled(ctx, slog.LevelDebug)
}

func (d *Dialog) logData(ctx context.Context, what string, b []byte, attrs ...any) {
	if d.logs(ctx) {
		d.cfg.Log.DebugContext(ctx, what, append([]any{"data", string(d.call.MaskTail(b))}, attrs...)...)
	}
}

// longestRecord bounds the bytes that were consumed one by one and are logged
// together.
const longestRecord = 256

// logByte collects what NextByte consumes, for a record for each line.
func (d *Dialog) logByte(ctx context.Context, b byte) {
	if !d.logs(ctx) {
		return
	}
	d.singles = append(d.singles, b)
	if b == '\n' || len(d.singles) >= longestRecord {
		d.flushLog(ctx)
	}
}

// flushLog logs what was consumed byte by byte.
func (d *Dialog) flushLog(ctx context.Context) {
	if len(d.singles) > 0 {
		d.logData(ctx, "received", d.singles)
		d.singles = d.singles[:0]
	}
}
