package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// splitExpect splits an expect word at its first dash that no backslash
// protects. More is false if there is none.
func splitExpect(word string) (first, rest string, more bool) {
	for i := 0; i < len(word); i++ {
		switch word[i] {
		case '\\':
			i++
		case '-':
			return word[:i], word[i+1:], true
		}
	}
	return word, "", false
}

// expect waits for the first part of the word; if it does not arrive in time the
// next part is sent and the one after it awaited, and so on. A word that ends
// with a send is satisfied with that, and so is one whose rest is empty.
func (r *run) expect(ctx context.Context, word string) error {
	for word != "" {
		var part string
		part, word, _ = splitExpect(word)
		err := r.await(ctx, part)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errTooLate) {
			return err
		}
		if word == "" {
			r.view.info("Failed")
			text := fmt.Sprintf("%q did not come in time", r.expected(part))
			return r.fail(ExitTimeout, ras.CodeOf(err), text, errors.Unwrap(err))
		}
		part, word, _ = splitExpect(word)
		if err := r.send(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// errTooLate reports that a text did not arrive in time, or will not arrive any more.
var errTooLate = errors.New("too late")

// late wraps the cause of an errTooLate.
type late struct{ cause error }

func (e *late) Error() string        { return e.cause.Error() }
func (e *late) Is(target error) bool { return target == errTooLate }
func (e *late) Unwrap() error        { return e.cause }

// await waits for one part of an expect word. The empty part is satisfied at
// once.
func (r *run) await(ctx context.Context, part string) error {
	text := r.expected(part)
	r.view.debug("expect (" + visible(text) + ")")
	if text == "" {
		r.view.debug("got it")
		return nil
	}
	_, err := r.dialog.WaitFor(ctx, r.limit, script.Text(text))
	r.view.settle()
	if err == nil {
		r.view.debugAfterText(" -- got it")
		return nil
	}
	var abort *aborted
	var timeout *script.TimeoutError
	switch cause := ended(ctx); {
	case errors.As(err, &abort):
		entry := abort.entry
		r.view.debugAfterText(" -- failed")
		r.view.info("Failed (" + visible(entry.text) + ")")
		k := slices.Index(r.aborts, entry)
		code := ras.ErrFromDevice // the text counts as a message of the modem
		text := strings.ToUpper(entry.text)
		if i := slices.IndexFunc(verdicts, func(v verdict) bool { return strings.Contains(text, v.text) }); i >= 0 {
			code = verdicts[i].code
		}
		err := r.fail(ExitAbort+k, code, fmt.Sprintf("aborted on %q", entry.text), nil)
		err.Abort = strings.Clone(entry.text)
		return err
	case cause != nil:
		return r.ended(cause)
	case errors.As(err, &timeout):
		r.view.debug("alarm")
		return &late{err}
	case r.hangup && r.opts.Hangup == nil &&
		(errors.Is(err, ras.ErrRemoteDisconnection) || errors.Is(err, port.ErrCarrierLost) || errors.Is(err, io.EOF)):
		r.view.fault("hang-up")
		return r.fail(ExitSignal, ras.CodeOf(err), "the line was hung up", err)
	}
	return &late{err}
}
