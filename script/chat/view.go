package chat

import (
	"context"
	"io"
	"log/slog"

	"github.com/rasline/rasline/ras"
)

// logWidth is after how many received bytes a line of the log ends.
const logWidth = 80

// view shows a run to the user: the echo on the standard error and the
// conversation in the log, in the order in which things happen.
//
// A received byte is shown once for each of these that is set, unless off:
//
//	echo    on the standard error, and open until a line feed
//	copy    on the standard error, whatever ECHO is set to
//	talks   in the log, a line at a time
type view struct {
	ctx    context.Context // for the log
	log    *slog.Logger
	talks  bool // the log wants the conversation
	stderr io.Writer
	echo   bool // of what is received, until ECHO OFF
	copy   bool // of what is received, always
	off    bool // nothing received is shown any more
	open   bool // the echo has not ended its line
	call   *ras.Call
	stream *ras.MaskWriter // what is received, on its way to receivedText
	failed bool            // a write failed, and a warning was logged

	text  []byte // for stderr, not yet written
	line  []byte // of the log, not yet complete
	width int    // received bytes in line
}

// receivedText is the view as the writer of what may be shown of the text that
// is received.
type receivedText view

func (t *receivedText) Write(b []byte) (int, error) {
	v := (*view)(t)
	for _, c := range b {
		if v.echo {
			v.text = appendEcho(v.text, c)
			if c != '\r' {
				v.open = c != '\n'
			}
		}
		if v.talks {
			// A line of the log ends with a line feed or when it is long.
			if c != '\n' {
				v.line = appendVisible(v.line, c)
				v.width++
			}
			if c == '\n' || v.width >= logWidth {
				v.debug(string(v.line))
			}
		}
		if v.copy {
			v.text = appendEcho(v.text, c)
		}
	}
	return len(b), nil
}

func appendEcho(b []byte, c byte) []byte {
	switch c {
	case '\r':
		return b
	case '\n':
		return append(b, c)
	case '\t':
		return appendCaret(b, c)
	}
	return appendVisible(b, c)
}

// settle shows what was held back for its likeness to a secret, at the end of a
// wait.
func (v *view) settle() {
	if v.off || !v.echo && !v.copy && !v.talks {
		return
	}
	v.stream.Flush()
	v.write()
}

// debug logs a message of the conversation. As in chat(8), received text that
// has no line of its own yet is lost.
func (v *view) debug(text string) {
	if v.talks {
		v.message(slog.LevelDebug, text)
	}
}

// debugAfterText is debug with the received text before it.
func (v *view) debugAfterText(text string) {
	if v.talks && len(v.line) > 0 {
		v.debug(string(v.line))
	}
	v.debug(text)
}

func (v *view) info(text string)  { v.message(slog.LevelInfo, text) }
func (v *view) warn(text string)  { v.message(slog.LevelWarn, text) }
func (v *view) fault(text string) { v.message(slog.LevelError, text) }

func (v *view) message(level slog.Level, text string) {
	v.line, v.width = v.line[:0], 0
	v.write()
	if v.log != nil {
		v.log.Log(v.ctx, level, text)
	}
}

// show writes a text to the standard error.
func (v *view) show(text string) {
	v.text = append(v.text, text...)
	v.write()
}

func (v *view) write() {
	if len(v.text) == 0 {
		return
	}
	v.writeTo(v.stderr, v.text)
	v.text = v.text[:0]
}

// writeTo writes what is shown to the user. The call does not depend on it: a
// full disk under the standard error must not end a dial.
func (v *view) writeTo(w io.Writer, b []byte) {
	if _, err := w.Write(b); err != nil && !v.failed {
		v.failed = true
		if v.log != nil {
			v.log.WarnContext(v.ctx, "cannot write what is shown", "error", err)
		}
	}
}
