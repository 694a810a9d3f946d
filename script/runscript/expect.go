package runscript

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// pattern is an arm whose text has its values.
type pattern struct {
	*arm
	text string
}

// expect waits for the patterns of a command. One without a command of its own
// ends the wait; after the command of another one the wait continues, with the
// same clock, unless the command leads elsewhere.
func (r *run) expect(c *command) (flow, error) {
	s := r.session
	start := time.Now()
	var patterns []pattern
	var expiry *arm
	limit := time.Duration(0)
	for i := range c.arms {
		a := &c.arms[i]
		if a.timeout {
			n, err := r.value(a.after)
			if err != nil {
				return flow{}, err
			}
			expiry, limit = a, seconds(n)
			continue
		}
		text, secret := r.expand(&a.pattern, "\n", false)
		if secret {
			s.call.Hide(ras.Secret(text))
		}
		if text != "" { // a variable without a value
			patterns = append(patterns, pattern{a, text})
			s.longest = max(s.longest, len(text), shownTail)
		}
	}
	if r.cfg.FreshWait {
		s.tail = s.tail[:0]
	}
	want := make([]string, len(patterns))
	for i, p := range patterns {
		want[i] = strconv.Quote(p.text)
	}
	for {
		s.dialog.SetPlace(r.src.Name(), c.place.line)
		s.dialog.LogWait(r.ctx, limit, want...)
		a, err := r.await(patterns, start, expiry, limit)
		r.at = c
		end := err
		if end == nil && a == nil {
			end = &TimeoutError{Limit: limit}
		}
		s.dialog.LogWaitEnd(r.ctx, slices.IndexFunc(patterns, func(p pattern) bool { return p.arm == a }), end)
		switch {
		case err != nil:
			return flow{}, err
		case a == nil && expiry.cmd == nil:
			return flow{}, r.fail(end, ras.ErrRequestTimeout)
		case a == nil:
			return ended(r.exec(expiry.cmd))
		case a.cmd == nil:
			return flow{}, nil
		}
		f, err := r.exec(a.cmd)
		if err != nil || f.kind != flowNext {
			return ended(f, err)
		}
	}
}

// ended turns the break that ends an expect into the way to the next line.
func ended(f flow, err error) (flow, error) {
	if f.kind == flowBreak {
		f = flow{}
	}
	return f, err
}

// await reads until a pattern ends at the byte received last, and returns the
// first such one. It returns nil if the limit of the expect has passed.
func (r *run) await(patterns []pattern, start time.Time, expiry *arm, limit time.Duration) (*arm, error) {
	s := r.session
	s.steps = 0
	defer s.masked.Flush()
	for {
		wait, own := time.Duration(0), false
		if expiry != nil {
			if wait, own = limit-time.Since(start), true; wait <= 0 {
				return nil, nil
			}
		}
		if left, limited := s.left(); limited && (!own || left < wait) {
			if wait, own = left, false; left <= 0 {
				return nil, r.late()
			}
		}
		b, err := s.dialog.NextByte(r.ctx, wait)
		switch {
		case script.IsTimeout(err) && own:
			return nil, nil
		case script.IsTimeout(err) && wait > 0:
			return nil, r.late()
		case err != nil:
			return nil, r.lineError(err)
		}
		// The tail is cut only when it is twice as long as needed.
		if len(s.tail) >= 2*s.longest+shownTail {
			s.tail = s.tail[:copy(s.tail, s.tail[len(s.tail)-s.longest:])]
		}
		s.tail = append(s.tail, b)
		if s.verbose {
			s.masked.Write([]byte{b})
		}
		for _, p := range patterns {
			if bytes.HasSuffix(s.tail, []byte(p.text)) {
				return p.arm, nil
			}
		}
	}
}
