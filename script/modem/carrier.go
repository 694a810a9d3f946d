package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// CarrierConfig specifies how a script that runs on a call reacts to the carrier.
// The zero CarrierConfig and a nil one suit most.
type CarrierConfig struct {
	// Ignore runs the script as if there were no DCD, for adapters that lack
	// the wire. Default: a loss ends the script. On a port without modem lines
	// there is none.
	Ignore bool

	// Text is whether the line NO CARRIER in what is received is a loss, if
	// nothing follows it for the time Debounce. Default: TextAuto.
	Text CarrierText

	// Require is how long the script waits for DCD before it starts;
	// if it is not asserted the run fails with ras.ErrNoCarrier. Default, and
	// for 0 or less: it starts immediately, and a loss is one of a carrier that
	// was seen.
	Require time.Duration

	// Debounce is how long DCD must be off to count as lost. Meanwhile the script
	// can read what the peer sent last. Default: 200 ms. Negative: none.
	Debounce time.Duration

	// Grace is how long the script has to return after a loss before its
	// session is made to fail. Default, and for 0 or less: 1 s.
	Grace time.Duration

	// Step names the script in errors: "login". Default: "script".
	Step string
}

// CarrierText is whether a modem's NO CARRIER counts as the loss of the carrier.
type CarrierText uint8

// What a CarrierConfig may specify for the text.
const (
	TextAuto   CarrierText = iota // if there is no DCD to watch, after a connection that this package has made in the same run
	TextWatch                     // in any case
	TextIgnore                    // never
)

const (
	defaultDebounce = 200 * time.Millisecond
	defaultGrace    = time.Second

	// A change between two waits on the lines is not reported, so they are
	// polled at this interval as well.
	pollInterval = time.Second
)

// CarrierError reports that the carrier was lost while a script ran. It matches
// ras.ErrRemoteDisconnection and port.ErrCarrierLost.
type CarrierError struct {
	Step  string        // CarrierConfig.Step
	Doing string        // what the script was doing: `wait for "ogin:"`; empty if it does not report that
	Time  time.Time     // when DCD fell
	After time.Duration // since the script was started
	Text  string        // the modem's result, if the loss was detected by it: "NO CARRIER (00:01:28)"
	Err   error         // the script's error; may be nil
}

// Error reports step and time.
func (e *CarrierError) Error() string {
	text := fmt.Sprintf("%s: carrier lost after %v", e.Step, e.After.Round(time.Millisecond))
	if e.Text != "" {
		text += " (" + e.Text + ")"
	}
	if e.Doing != "" {
		text += ", at: " + e.Doing
	}
	return text
}

// Unwrap returns the errors that it matches. The script's own error is not
// among them, since it is a consequence.
func (e *CarrierError) Unwrap() []error {
	return []error{ras.ErrRemoteDisconnection, port.ErrCarrierLost}
}

// WatchCarrier returns an Executor that runs e and ends it when the carrier is
// lost, with a *CarrierError. A nil c means the zero CarrierConfig. An error of e that
// does not result from the loss, such as a refused password, is first, joined
// with the CarrierError.
//
// The context of e ends at the loss. If e ignores its context, its callbacks fail
// after CarrierConfig.Grace, and the session cannot be used any more. If e
// nevertheless succeeds, WatchCarrier does too.
func WatchCarrier(e script.Executor, c *CarrierConfig) script.Executor {
	w := watcher{script: e}
	if c != nil {
		w.CarrierConfig = *c
	}
	if w.Debounce == 0 {
		w.Debounce = defaultDebounce
	}
	if w.Grace <= 0 {
		w.Grace = defaultGrace
	}
	if w.Step == "" {
		w.Step = "script"
	}
	return &w
}

type watcher struct {
	CarrierConfig
	script script.Executor
}

// Execute runs the script under the watch.
func (w *watcher) Execute(ctx context.Context, call *ras.Call) error {
	lines, now, err := linesOf(call)
	if w.Ignore || err != nil {
		lines = nil
	}
	text := w.CarrierConfig.Text == TextWatch || w.CarrierConfig.Text == TextAuto && lines == nil && script.Shared[callState](call).dialled
	if lines == nil && !text {
		return w.script.Execute(ctx, call)
	}
	if lines != nil && w.Require > 0 && !now.Has(port.DCD) {
		limited, cancel := context.WithTimeout(ctx, w.Require)
		defer cancel()
		for !now.Has(port.DCD) {
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case limited.Err() != nil:
				return fmt.Errorf("%s: no carrier (DCD) within %v: %w", w.Step, w.Require, ras.ErrNoCarrier)
			}
			waitChange(limited, lines, port.DCD)
			if now, err = lines.Lines(); err != nil {
				return err
			}
		}
	}
	return w.run(ctx, call, lines, text)
}

// run runs the script beside a goroutine that watches, and waits for both. lines
// is nil where there is no DCD.
func (w *watcher) run(ctx context.Context, call *ras.Call, lines port.LineController, text bool) error {
	start := time.Now()
	inner, end := context.WithCancelCause(ctx)
	watch, stop := context.WithCancel(ctx)
	finished := make(chan struct{})
	watched := make(chan struct{})
	byText := lostText{debounce: w.Debounce, found: make(chan struct{})}
	if text {
		defer call.OnReceive(byText.receive)()
	}
	var lost *CarrierError
	go func() {
		defer close(watched)
		fell, ok := w.awaitEither(watch, lines, &byText)
		if !ok {
			return
		}
		lost = &CarrierError{Step: w.Step, Time: fell, After: fell.Sub(start), Text: byText.lost()}
		end(lost)

		// The session fails if the script has not returned in time.
		t := time.NewTimer(w.Grace)
		defer t.Stop()
		select {
		case <-finished:
		case <-t.C:
			if s, ok := call.API.(ras.Failer); ok {
				s.Fail(lost)
			}
		}
	}()
	err := w.script.Execute(inner, call)
	close(finished)
	stop()
	<-watched
	byText.stop()
	end(nil)
	if err == nil || lost == nil {
		return err
	}
	lost.Err = err
	if named := new(script.Error); errors.As(err, &named) {
		lost.Doing = named.Op
	}
	if errors.Is(err, lost) || errors.Is(err, port.ErrCarrierLost) || errors.Is(err, context.Canceled) {
		return lost
	}
	return errors.Join(err, lost) // the script has its own view of what happened
}

// awaitEither waits until the carrier is lost by DCD or by the modem's result, and
// returns when. It returns false if the context or the port ends first.
func (w *watcher) awaitEither(ctx context.Context, lines port.LineController, byText *lostText) (fell time.Time, ok bool) {
	if lines == nil {
		select {
		case <-byText.found:
			return byText.time(), true
		case <-ctx.Done():
			return time.Time{}, false
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		select {
		case <-byText.found:
			cancel()
		case <-ctx.Done():
		}
	}()
	fell, ok = w.awaitLoss(ctx, lines)
	cancel()
	<-stop
	if !ok && byText.lost() != "" {
		return byText.time(), true
	}
	return fell, ok
}

// lostText detects the line NO CARRIER at the end of what is received.
type lostText struct {
	debounce time.Duration
	found    chan struct{} // closed when nothing has followed it
	after    func()        // called then; may be nil

	mu      sync.Mutex // guards all below
	line    []byte     // that has begun
	text    string     // the line, once it is complete and the last
	at      time.Time  // when it was received
	timer   *time.Timer
	stopped bool
}

// WatchText detects the line NO CARRIER in what is received on a call, as
// WatchCarrier does on a line without DCD, for a program that reads the line
// itself: it calls receive with what it has read. lost is called once, on its own
// goroutine, when the line was the last that was received for the time Debounce
// of c. stop ends the watch. A nil c means the zero CarrierConfig.
func WatchText(c *CarrierConfig, lost func(*CarrierError)) (receive func(b []byte), stop func()) {
	var cfg CarrierConfig
	if c != nil {
		cfg = *c
	}
	if cfg.Debounce == 0 {
		cfg.Debounce = defaultDebounce
	}
	start := time.Now()
	t := &lostText{debounce: cfg.Debounce, found: make(chan struct{})}
	t.after = func() {
		lost(&CarrierError{Step: cmp.Or(cfg.Step, "connection"), Time: t.at, After: t.at.Sub(start), Text: t.text})
	}
	return t.receive, t.stop
}

// receive examines what was received.
func (t *lostText) receive(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	for _, c := range b {
		if c != '\r' && c != '\n' {
			if t.timer != nil && t.timer.Stop() { // more follows the text
				t.timer, t.text = nil, ""
			}
			if t.line = append(t.line, c); len(t.line) > lineLimit {
				t.line = t.line[:lineLimit]
			}
			continue
		}
		if r, known := ParseResult(string(t.line)); known && r.Outcome == NoCarrier && !r.Numeric {
			t.text, t.at = r.Text, time.Now()
			t.timer = time.AfterFunc(max(0, t.debounce), t.decide)
		}
		t.line = t.line[:0]
	}
}

// decide runs when nothing has followed the text.
func (t *lostText) decide() {
	t.mu.Lock()
	found := !t.stopped && t.text != ""
	if found {
		t.stopped = true
		close(t.found)
	}
	t.mu.Unlock()
	if found && t.after != nil {
		t.after()
	}
}

func (t *lostText) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.stopped = true
}

// lost returns the text that was found, or "".
func (t *lostText) lost() string {
	select {
	case <-t.found:
		return t.text
	default:
		return ""
	}
}

func (t *lostText) time() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

// awaitLoss waits until DCD has fallen and stayed off, and returns when it
// fell. It returns false if the context or the port ends first, which the
// script detects by itself.
func (w *watcher) awaitLoss(ctx context.Context, lines port.LineController) (fell time.Time, ok bool) {
	now, err := lines.Lines()
	seen := err == nil && now.Has(port.DCD)
	for err == nil {
		switch on := now.Has(port.DCD); {
		case on:
			seen, fell = true, time.Time{}
		case seen && fell.IsZero():
			fell = time.Now()
		}
		if !fell.IsZero() && time.Since(fell) >= w.Debounce {
			return fell, true
		}

		// Wait for DCD to change, or for the debounce time after it fell.
		limit := pollInterval
		if !fell.IsZero() {
			limit = min(limit, w.Debounce-time.Since(fell))
		}
		limited, cancel := context.WithTimeout(ctx, limit)
		now, err = lines.WaitLines(limited, port.DCD)
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			now, err = lines.Lines()
		}
		cancel()
	}
	if !errors.Is(err, port.ErrCarrierLost) {
		return time.Time{}, false
	}
	if fell.IsZero() {
		fell = time.Now()
	}
	return fell, wait.Sleep(ctx, w.Debounce-time.Since(fell)) == nil
}
