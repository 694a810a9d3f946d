package script

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
)

// longestRecord bounds the bytes that were consumed one by one and are logged
// together.
const longestRecord = 256

// dialogLogs writes the conversation of a Dialog to the log of the run and to
// its own, as records "sent", "received", "waiting" and "wait failed" at debug
// level whose attribute "data" holds the bytes, secrets masked. What is received
// passes through one stream, so that an echo is masked in whatever pieces it
// arrives.
type dialogLogs struct {
	call     *ras.Call
	logs     []*slog.Logger
	stream   *ras.MaskWriter // writes to received
	received bytes.Buffer
	singles  []byte // consumed by NextByte and not logged yet
	file     string // of the script, see Dialog.SetPlace
	line     int
}

func (l *dialogLogs) enabled(ctx context.Context) bool {
	for _, log := range l.logs {
		if log.Enabled(ctx, slog.LevelDebug) {
			if l.stream == nil {
				l.stream = l.call.MaskStream(&l.received)
			}
			return true
		}
	}
	return false
}

func (l *dialogLogs) write(ctx context.Context, what string, attrs ...any) {
	for _, log := range l.logs {
		log.DebugContext(ctx, what, attrs...)
	}
}

// placed adds the place in the script to the attributes of a record.
func (l *dialogLogs) placed(attrs ...any) []any {
	switch {
	case l.line <= 0:
	case l.file == "":
		attrs = append(attrs, "place", fmt.Sprintf("argument %d", l.line))
	default:
		attrs = append(attrs, "place", fmt.Sprintf("%s:%d", l.file, l.line))
	}
	return attrs
}

// sent logs a text that is about to be sent, or a Secret.
func (l *dialogLogs) sent(ctx context.Context, data any) {
	l.flush(ctx)
	l.write(ctx, "sent", l.placed("data", data)...)
}

// waiting logs the start of a wait.
func (l *dialogLogs) waiting(ctx context.Context, clock *waitClock, want []string) {
	attrs := []any{"for", strings.Join(want, " or ")}
	if clock.limit > 0 {
		attrs = append(attrs, "limit", clock.limit)
	}
	l.write(ctx, "waiting", l.placed(attrs...)...)
}

// failed logs a wait that found nothing, with the end of what it has read. A wait
// that ended because the line fell silent has often found what it was for.
func (l *dialogLogs) failed(ctx context.Context, w *waitState, err error) {
	if !l.enabled(ctx) {
		return
	}
	tail := w.window.tail(shownBefore)
	switch {
	case !w.clock.silent:
		l.write(ctx, "wait failed", "data", string(l.call.MaskTail(tail)), "error", err)
	case len(tail) > 0:
		l.data(ctx, "received", tail)
	}
}

// data logs bytes of the stream that is received.
func (l *dialogLogs) data(ctx context.Context, what string, b []byte, attrs ...any) {
	l.received.Reset()
	l.stream.Write(b)
	l.stream.Flush()
	l.write(ctx, what, append([]any{"data", l.received.String()}, attrs...)...)
}

// byte collects what NextByte consumes, for a record for each line.
func (l *dialogLogs) byte(ctx context.Context, b byte) {
	if !l.enabled(ctx) {
		return
	}
	l.singles = append(l.singles, b)
	if b == '\n' || len(l.singles) >= longestRecord {
		l.flush(ctx)
	}
}

// flush logs what was consumed byte by byte.
func (l *dialogLogs) flush(ctx context.Context) {
	if len(l.singles) > 0 && l.enabled(ctx) {
		l.data(ctx, "received", l.singles)
		l.singles = l.singles[:0]
	}
}

// LogWait logs the begin of a wait of a language that compares by itself what
// NextByte consumes: what may end the wait, as its script has it, secrets masked,
// and the limit, 0 or less for none. LogWaitEnd follows.
func (d *Dialog) LogWait(ctx context.Context, limit time.Duration, want ...string) {
	l := &d.logs
	if !l.enabled(ctx) {
		return
	}
	l.flush(ctx)
	masked := make([]string, len(want))
	for i, text := range want {
		masked[i] = string(l.call.Mask([]byte(text)))
	}
	l.waiting(ctx, &waitClock{limit: limit}, masked)
}

// LogWaitEnd logs which of what LogWait was given has ended the wait, or the error
// that did.
func (d *Dialog) LogWaitEnd(ctx context.Context, index int, err error) {
	l := &d.logs
	switch {
	case !l.enabled(ctx):
	case err != nil:
		l.flush(ctx)
		l.write(ctx, "wait failed", "error", err)
	case len(l.singles) == 0:
		l.write(ctx, "matched", "pattern", index)
	default:
		l.data(ctx, "received", l.singles, "pattern", index)
		l.singles = l.singles[:0]
	}
}
