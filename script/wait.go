package script

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/rasline/rasline/internal/match"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

const (
	pollLimit = time.Millisecond
	tooEarly  = 20 * time.Millisecond // how early the timers of a host may be

	// maxEmpty is how often in a row an API may complete a receive without bytes
	// and without an error.
	maxEmpty = 100

	// scanPiece bounds the bytes that regular expressions scan between two
	// checks of the clock.
	scanPiece = 64

	// maxGivenBack is how many bytes a failed wait gives back: what Call.Unread
	// accepts, less the rest of what was received last.
	maxGivenBack = 64<<10 - readAhead
)

// Match is what a wait found. Before and Text are whole, however the stream was
// cut. They are valid until the next call on the Dialog.
type Match struct {
	Index  int    // of the pattern among those awaited
	Before []byte // what arrived before it in this wait, the last MaxBefore bytes at most
	Text   []byte // what matched
	Lost   int64  // bytes that arrived before Before
}

// WaitFor reads until one of the patterns has arrived. The first to complete
// wins, and of several that complete on the same byte the one named first.
// Everything up to the end of the match is consumed, nothing beyond it.
//
// The limit runs from the call on, and traffic does not extend it; 0 or less
// is no limit. When it passes, the error is a *TimeoutError. If the context
// ends, also at the same moment as the limit, the error is an *Error that
// matches the context's error and cause. After both, what the wait has read is
// given back, up to 60 KiB from its end, and the next wait starts with it; see
// DialogConfig.Consume and Tap for the exceptions. Any other error is an *Error
// with the cause, a watch's or the port's. A Text that is longer than MaxBefore
// ends the wait with a *MatchTooLongError. Without patterns, WaitFor serves the
// watches until the limit passes.
func (d *Dialog) WaitFor(ctx context.Context, limit time.Duration, p ...Pattern) (Match, error) {
	return d.wait(ctx, waitClock{start: time.Now(), limit: limit, idle: d.cfg.Idle}, nil, p)
}

// Poll is WaitFor for what has arrived already: it waits for a millisecond at
// most where nothing has. A text that arrives in pieces is found by the Poll
// that sees its end, since those before give back what they read.
func (d *Dialog) Poll(ctx context.Context, p ...Pattern) (Match, error) {
	return d.WaitFor(ctx, pollLimit, p...)
}

// ReadUntil is WaitFor whose bytes before the match are written to w as they
// arrive, so that they may be any number; Match.Before is empty. What may be the
// beginning of the match is written when it is clear that it is not, or when it is
// longer than MaxBefore. What was written has been consumed, also if the wait fails.
// The function of a watch is called when all up to its match is written, and may
// write to w. An error of w ends the wait and is returned, wrapped.
func (d *Dialog) ReadUntil(ctx context.Context, w io.Writer, limit time.Duration, p ...Pattern) (Match, error) {
	return d.wait(ctx, waitClock{start: time.Now(), limit: limit, idle: d.cfg.Idle}, w, p)
}

// Exchange waits for p as WaitFor does and then sends the reply: a step of a
// login. An error of the wait sends nothing.
func (d *Dialog) Exchange(ctx context.Context, limit time.Duration, p Pattern, reply string) (Match, error) {
	m, err := d.WaitFor(ctx, limit, p)
	if err == nil {
		if d.cfg.WaitEcho > 0 { // a wait of its own, which takes the memory of m
			m.Before, m.Text = bytes.Clone(m.Before), bytes.Clone(m.Text)
		}
		err = d.Send(ctx, []byte(reply))
	}
	return m, err
}

// ExchangeSecret is Exchange with a reply that no log and no error shows.
func (d *Dialog) ExchangeSecret(ctx context.Context, limit time.Duration, p Pattern, reply ras.Secret) (Match, error) {
	m, err := d.WaitFor(ctx, limit, p)
	if err == nil {
		err = d.SendSecret(ctx, reply)
	}
	return m, err
}

// NextByte consumes the next byte. It waits for it up to the limit, as WaitFor
// does; watches are not served, and DialogConfig.Idle does not count.
func (d *Dialog) NextByte(ctx context.Context, limit time.Duration) (byte, error) {
	clock := waitClock{start: time.Now(), limit: limit}
	for {
		if err := d.fill(ctx, &clock, 1); err != nil {
			d.line.keep() // which holds nothing
			return 0, d.waitError(err, &clock, nil, nil)
		}
		b := d.line.in[0]
		d.line.in = d.line.in[1:]
		if err := d.line.keep(); err != nil {
			return 0, &Error{Op: "listen", Err: err}
		}
		if d.cfg.Strip7 {
			b &= 0x7F
		}
		if d.cfg.DropNUL && b == 0 {
			continue
		}
		d.logs.byte(ctx, b)
		if d.cfg.Tap != nil {
			d.one[0] = b
			d.cfg.Tap(d.one[:])
		}
		return b, nil
	}
}

// waitState is one wait of a Dialog. A watch may wait as well, so several can
// run, one inside the other; each has its own.
type waitState struct {
	scanner match.Scanner
	window  window
	clock   waitClock
	sink    io.Writer // of ReadUntil; nil: the window keeps what is before the match
	found   Match
	awaited int
	serving []*Watch

	stripped []byte // a piece of the input without its high bits
	raw      []byte // what was consumed, as it arrived, where the window differs
	untapped []byte // consumed and not given to the tap yet
	again    int    // bytes still to be consumed that were given to the tap before
}

// begin returns the state of a new wait; end must follow.
func (d *Dialog) begin() *waitState {
	if d.depth == len(d.waits) {
		d.waits = append(d.waits, new(waitState))
	}
	w := d.waits[d.depth]
	d.depth++
	w.window.max = d.cfg.MaxBefore
	w.untapped, w.again = w.untapped[:0], 0
	for _, deeper := range d.waits[d.depth-1:] {
		deeper.window.reset()
		deeper.found = Match{} // which keeps memory of the window
		if deeper.raw = deeper.raw[:0]; cap(deeper.raw) > keptRoom {
			deeper.raw = nil
		}
	}
	return w
}

func (d *Dialog) wait(ctx context.Context, clock waitClock, sink io.Writer, p []Pattern) (Match, error) {
	d.logs.flush(ctx)
	set, err := d.sets.get(p, d.watches)
	if err != nil {
		return Match{}, &Error{Op: waiting(d.names(p)), Err: err}
	}
	if i := set.Empty(); i >= 0 && i < len(p) {
		return Match{Index: i}, nil
	}
	if d.logs.enabled(ctx) {
		d.logs.waiting(ctx, &clock, d.names(p))
	}
	w := d.begin()
	w.clock, w.sink, w.awaited, w.serving = clock, sink, len(p), d.watches
	w.window.text = min(set.Longest(), w.window.max)
	w.scanner.Reset(set, d.call.Exact)
	err = d.search(ctx, w)
	if err == nil {
		err = d.line.keep()
	}
	d.depth--
	if err != nil {
		if d.cfg.Tap != nil {
			d.tap(w, nil, 0, 0)
		}
		keepErr := d.giveBack(w, err)
		err = d.waitError(err, &w.clock, w, p)
		d.logs.failed(ctx, w, err)
		return Match{}, errors.Join(err, keepErr)
	}
	if d.logs.enabled(ctx) {
		d.logs.data(ctx, "received", w.window.bytes(), "pattern", w.found.Index)
	}
	return w.found, nil
}

// search consumes input until a pattern completes, which is w.found.
func (d *Dialog) search(ctx context.Context, w *waitState) error {
	for {
		for len(d.line.in) > 0 {
			if found, err := d.scan(ctx, w); found || err != nil {
				return err
			}
		}
		if err := d.fill(ctx, &w.clock, w.scanner.Need()); err != nil {
			return err
		}
	}
}

// piece returns the next bytes of the input as the patterns see them, and how
// many bytes that are not shown to them are before.
func (d *Dialog) piece(w *waitState) (in []byte, skip int) {
	in = d.line.in
	if w.scanner.Slow() || d.cfg.Strip7 {
		in = in[:min(len(in), scanPiece)]
	}
	if d.cfg.Strip7 {
		w.stripped = append(w.stripped[:0], in...)
		in = w.stripped
		for i := range in {
			in[i] &= 0x7F
		}
	}
	if d.cfg.DropNUL {
		for skip < len(in) && in[skip] == 0 {
			skip++
		}
		in = in[skip:]
		if i := bytes.IndexByte(in, 0); i >= 0 {
			in = in[:i]
		}
	}
	return in, skip
}

// scan consumes input up to the next byte on which a pattern completes, or a
// piece of it, and acts on what completed. It reports whether that ends the
// wait.
func (d *Dialog) scan(ctx context.Context, w *waitState) (found bool, err error) {
	in, skip := d.piece(w)
	n, hit := w.scanner.Scan(in)
	if d.cfg.Strip7 || d.cfg.DropNUL {
		if w.raw = append(w.raw, d.line.in[:skip+n]...); len(w.raw) > 2*maxGivenBack {
			w.raw = append(w.raw[:0], w.raw[len(w.raw)-maxGivenBack:]...)
		}
	}
	d.line.in = d.line.in[skip+n:]
	w.window.consume(in[:n])
	over := w.scanner.Over()
	if over > 0 {
		// A regular expression has read bytes to see that its match had ended.
		back := w.window.takeBack(over)
		if d.cfg.Strip7 || d.cfg.DropNUL {
			back = w.takeBackRaw(over, &d.cfg)
		}
		d.line.in = append(bytes.Clone(back), d.line.in...)
	}
	if d.cfg.Tap != nil {
		held := 0
		if !hit { // the function of a watch relies on what the tap has seen
			held = w.scanner.Undecoded()
		}
		d.tap(w, in[:n], over, held)
	}
	if hit {
		return d.decide(w)
	}
	if w.sink != nil {
		if err := w.write(w.decided()); err != nil {
			return false, err
		}
	}
	if w.scanner.Slow() {
		return false, w.clock.check(ctx)
	}
	return false, nil
}

// takeBackRaw removes the last n bytes that the patterns have seen from those that
// were consumed, and returns them as they arrived, with the NULs around them.
func (w *waitState) takeBackRaw(n int, cfg *DialogConfig) []byte {
	cut := len(w.raw)
	for ; cut > 0; cut-- {
		if c := w.raw[cut-1]; cfg.DropNUL && (c == 0 || cfg.Strip7 && c == 0x80) {
			continue
		}
		if n--; n < 0 {
			break
		}
	}
	back := w.raw[cut:]
	w.raw = w.raw[:cut]
	return back
}

// tap gives b to the tap, but for the last over bytes, which were not consumed
// after all, and the last held bytes, of which that is not known yet. What a watch
// made it give before that was known is not given again.
func (d *Dialog) tap(w *waitState, b []byte, over, held int) {
	skip := min(w.again, len(b))
	w.again, b = w.again-skip, b[skip:]
	if len(w.untapped) > 0 || over+held > 0 {
		w.untapped = append(w.untapped, b...)
		b = w.untapped
	}
	cut := max(len(b)-over, 0)
	w.again += over - (len(b) - cut)
	b = b[:cut]
	from := max(len(b)-held, 0)
	if from > 0 {
		d.cfg.Tap(b[:from])
	}
	w.untapped = append(w.untapped[:0], b[from:]...)
}

// decided returns how many bytes at the front of the window cannot be part of a
// match: all but those from which one may be under way, and no more of these than
// a Text may have, with the three bytes that a regular expression reads beyond it.
func (w *waitState) decided() int {
	return len(w.window.data) - min(w.scanner.Pending(), w.window.max+utf8.UTFMax-1)
}

// write passes the first n bytes of the window on to the sink.
func (w *waitState) write(n int) error {
	if n <= 0 {
		return nil
	}
	_, err := w.sink.Write(w.window.bytes()[:n])
	w.window.drop(n)
	return err
}

// decide acts on the patterns that completed on the byte consumed last.
func (d *Dialog) decide(w *waitState) (found bool, err error) {
	hits := w.scanner.Hits()
	var written []Match
	if w.sink != nil {
		if written, err = d.writeHits(w, hits); err != nil {
			return false, err
		}
	}
	for _, observing := range []bool{true, false} {
		if !observing && hits[0] < w.awaited {
			w.found, err = d.match(w, hits[0], hits[0])
			return err == nil, err
		}
		for i, hit := range hits {
			if hit < w.awaited || w.serving[hit-w.awaited].observer != observing || w.serving[hit-w.awaited].stopped {
				continue
			}
			var m Match
			if written != nil {
				m = written[i]
			} else if m, err = d.match(w, hit, 0); err != nil {
				return false, err
			}
			// What was not consumed belongs to whatever the function reads with.
			if err := d.line.keep(); err != nil {
				return false, err
			}
			if err := w.serving[hit-w.awaited].handler(m); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// writeHits writes to the sink what arrived before the awaited hit, or all that is
// decided if there is none, before the functions of watches write to it as well. It
// returns copies of what they are given.
func (d *Dialog) writeHits(w *waitState, hits []int) ([]Match, error) {
	all := make([]Match, len(hits))
	for i, hit := range hits {
		if hit >= w.awaited && w.serving[hit-w.awaited].stopped {
			continue
		}
		m, err := d.match(w, hit, 0)
		if err != nil {
			return nil, err
		}
		m.Before, m.Text = bytes.Clone(m.Before), bytes.Clone(m.Text)
		all[i] = m
	}
	n := w.decided()
	if hits[0] < w.awaited {
		n = len(w.window.data) - len(all[0].Text)
	}
	return all, w.write(n)
}

// match describes the hit that ends with the byte consumed last.
func (d *Dialog) match(w *waitState, hit, index int) (Match, error) {
	size := w.scanner.Len(hit)
	if size > w.window.max || size > len(w.window.data) {
		return Match{}, &MatchTooLongError{MaxBefore: w.window.max}
	}
	before, text, lost := w.window.split(size)
	return Match{Index: index, Before: before, Text: text, Lost: lost}, nil
}

// giveBack gives back what a wait that has failed has read, where its failure
// leaves that to the next one. w is nil before the wait has read anything.
func (d *Dialog) giveBack(w *waitState, cause error) error {
	err := d.line.keep()
	if !(cause == errWaitOver || errors.Is(cause, errEnded)) || d.cfg.Consume || d.cfg.Tap != nil {
		if w.sink != nil {
			err = errors.Join(err, w.write(len(w.window.data)))
		}
		return err
	}
	read := w.window.bytes()
	if d.cfg.Strip7 || d.cfg.DropNUL {
		read = w.raw
	}
	read = read[max(0, len(read)-maxGivenBack):]
	return errors.Join(err, d.call.Unread(read))
}

// shownBefore is how many bytes of what a wait has read its error holds.
const shownBefore = 4096

// waitError gives the error of a failed wait its context. w is nil if the wait
// has read nothing.
func (d *Dialog) waitError(err error, c *waitClock, w *waitState, p []Pattern) error {
	var tail string
	if w != nil {
		tail = string(d.call.MaskTail(w.window.tail(shownBefore)))
	}
	var e endedError
	if errors.As(err, &e) {
		err = e.error
	}
	var line port.Stats
	if counter, ok := d.call.Line().(port.Counter); ok {
		line, _ = counter.Stats() // a port that cannot count has counted nothing
	}
	if err != errWaitOver {
		return &Error{Op: waiting(d.names(p)), Tail: tail, Line: line, Err: err}
	}
	t := &TimeoutError{Want: d.names(p), Tail: tail, Elapsed: time.Since(c.start), Limit: c.limit, Idle: c.silent,
		Damaged: line.Errors(), Line: line}
	if c.silent {
		t.Limit = c.idle
	}
	return t
}

// names returns the patterns as messages show them.
func (d *Dialog) names(p []Pattern) []string {
	out := make([]string, len(p))
	for i := range p {
		out[i] = p[i].shown(d.call.Mask)
	}
	return out
}
