package dll

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/rasline/rasline/ras"
)

// line is the callbacks of one run in this process, with what a DLL needs
// besides: sends that end with the run, and mild answers.
type line struct {
	api    ras.API
	port   ras.Handle
	strict bool
	log    *slog.Logger
	warned atomic.Bool
}

// send is SendBuffer, freed by the end of ctx where the API can do that.
func (l *line) send(ctx context.Context, b ras.Buffer, n int) error {
	if s, ok := l.api.(ras.ContextSender); ok {
		return s.SendBufferContext(ctx, l.port, b, n)
	}
	return l.api.SendBuffer(l.port, b, n)
}

// setComm is SetCommSettings. A port without such settings satisfies any DLL
// unless the line is strict: DLLs of the period take a refusal for the end of
// the line, which works all the same.
func (l *line) setComm(s ras.CommSettings) error {
	err := l.api.SetCommSettings(l.port, s)
	if l.strict || !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if !l.warned.Swap(true) {
		l.log.Warn("the port has no parity, stop bits or data bits to set; the DLL was told that it has",
			"parity", s.Parity, "stop", s.StopBits, "bits", s.ByteSize)
	}
	return nil
}

// cancelReceive takes back a receive that the DLL left posted, where the API
// can do that, so that the next executor of the call can post its own.
func (l *line) cancelReceive() {
	if c, ok := l.api.(ras.ReceiveCanceler); ok {
		c.CancelPosted(l.port)
	}
}

// turn lets one goroutine at a time use the bytes of a buffer. The end of the
// run frees those who wait.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return endCode(ctx)
	}
}

func (t turn) leave() { <-t }

// failure is the error of a callback that was refused on this side of the API.
func failure(c callback, code ras.Code) error {
	return &ras.Error{Op: callbackNames[c], Code: code}
}
