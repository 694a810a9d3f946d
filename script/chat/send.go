package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// errSendLimit is the cause for which the context of a send ends.
var errSendLimit = errors.New("the timeout has passed")

// send sends a word: the contents of a file, EOT, BREAK, or a text.
func (r *run) send(ctx context.Context, word string) error {
	secret := false
	if name, ok := fileName(word); ok {
		data, err := r.opts.ReadFile(ctx, name)
		if cause := ended(ctx); err != nil && cause != nil {
			return r.ended(cause)
		}
		if err != nil {
			r.view.fault(name + " -- open failed: " + SystemText(err))
			return r.fail(ExitFault, ras.ErrFileNotFound, unreadable(name), err)
		}
		// The text ends at a NUL, and without its last line feed.
		word, _, _ = strings.Cut(string(data[:min(len(data), maxFileText)]), "\x00")
		word = strings.TrimSuffix(word, "\n")
		secret = word != "" // an empty one hides nothing
	}
	switch word {
	case "EOT":
		word = `^D\c`
	case "BREAK":
		word, secret = `\K\c`, false
	}
	m := sendText(word, r.opts.Env, r.inserts)
	for letter, used := range map[byte]bool{'T': m.usesT, 'U': m.usesU} {
		if err := r.missing(r.dialog.Call().Params, letter); used && err != nil { // in a file or a variable
			text := fmt.Sprintf(`the text to send has \%c`, letter)
			r.view.fault(text)
			return r.fail(ExitFault, ras.ErrInvalidParameter, text, err)
		}
	}
	m.hidden = m.hidden || secret
	r.view.debug("send (" + visible(m.shown()) + ")")
	return r.sendParts(ctx, m.parts(), m.hidden)
}

// sendParts sends and pauses. The timeout limits it up to the last byte; what
// pauses follow are not counted.
func (r *run) sendParts(ctx context.Context, parts []part, secret bool) error {
	if secret {
		r.hide(strings.TrimSuffix(onTheLine(parts), "\r"))
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if r.limit > 0 {
		limited, cancel = context.WithTimeoutCause(ctx, r.limit, errSendLimit)
	}
	defer cancel()
	start, last := time.Now(), lastSend(parts)
	for i, p := range parts {
		if i > last {
			limited = ctx
		}
		var err error
		if r.limit > 0 && i <= last && time.Since(start) >= r.limit {
			err = errSendLimit // also where a pause ends at that moment
		} else {
			err = r.sendPart(limited, p, secret)
		}
		if err != nil {
			switch cause := ended(ctx); {
			case cause != nil:
				return r.ended(cause)
			case errors.Is(err, errSendLimit):
				r.view.debug("alarm")
				r.view.debug(" -- write timed out")
				r.view.fault("Failed")
				text := fmt.Sprintf("the send took longer than the timeout of %v", r.limit.Round(time.Millisecond))
				return r.fail(ExitFault, ras.ErrRequestTimeout, text, errSendLimit)
			}
			r.view.debug(" -- write failed: " + SystemText(err))
			r.view.fault("Failed")
			return r.fail(ExitFault, ras.CodeOf(err), "cannot send", err)
		}
	}
	return nil
}

func lastSend(parts []part) int {
	last := len(parts) - 1
	for last >= 0 && parts[last].action != actionSend {
		last--
	}
	return last
}

func (r *run) sendPart(ctx context.Context, p part, secret bool) error {
	switch p.action {
	case actionPause:
		return r.dialog.Pause(ctx, longPause)
	case actionShortPause:
		return r.dialog.Pause(ctx, r.opts.ShortPause)
	case actionBreak:
		// Send a break where the line can; elsewhere the script continues
		// without.
		breaker, ok := r.dialog.Call().Line().(port.Breaker)
		if !ok {
			r.view.warn("the line cannot send a break")
			return nil
		}
		err := breaker.SendBreak(ctx, 0)
		if errors.Is(err, errors.ErrUnsupported) {
			r.view.warn("the line cannot send a break")
			return nil
		}
		return err
	}
	if secret {
		return r.dialog.SendSecret(ctx, ras.Secret(p.data))
	}
	return r.dialog.Send(ctx, []byte(p.data))
}

// fileName returns the name of the file whose contents a word sends.
func fileName(word string) (name string, ok bool) {
	name, ok = strings.CutPrefix(word, "@")
	name = strings.TrimLeft(name, " \t")
	return name, ok && name != ""
}
