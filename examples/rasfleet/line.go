package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
)

// lineConfig is a line of lines.json.
type lineConfig struct {
	Name    string   `json:"name"`
	Port    string   `json:"port"` // a name that portname.Open accepts
	Class   string   `json:"class"`
	Init    []string `json:"init,omitempty"` // commands of the modem; none: those of modem.Dialer
	Modem   *bool    `json:"modem,omitempty"`
	PerHour int      `json:"per_hour,omitempty"`
	PerDay  int      `json:"per_day,omitempty"`
}

// readLines reads lines.json.
func readLines(file string) ([]lineConfig, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var lines []lineConfig
	if err := d.Decode(&lines); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var all []error
	names := make(map[string]bool)
	for i, l := range lines {
		switch {
		case !nameRule.MatchString(l.Name):
			all = append(all, fmt.Errorf("line %d: name %.80q: only A to Z, a to z, digits, '-' and '_' are accepted, at most 64", i+1, l.Name))
		case names[l.Name]:
			all = append(all, fmt.Errorf("line %d: the name %s is used twice", i+1, l.Name))
		case !nameRule.MatchString(l.Class):
			all = append(all, fmt.Errorf("line %s: class %.80q: only A to Z, a to z, digits, '-' and '_' are accepted, at most 64", l.Name, l.Class))
		case l.Port == "":
			all = append(all, fmt.Errorf("line %s: port is missing", l.Name))
		case l.PerHour < 0 || l.PerDay < 0:
			all = append(all, fmt.Errorf("line %s: a limit is negative", l.Name))
		}
		names[l.Name] = true
		for _, c := range l.Init {
			if _, err := modem.CheckCommand(c); err != nil {
				all = append(all, fmt.Errorf("line %s: init: %w", l.Name, err))
			}
		}
	}
	if len(lines) == 0 {
		all = append(all, errors.New("there is no line"))
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("%s: %w", file, errors.Join(all...))
	}
	return lines, nil
}

// lockName is what the lease of a line is for: the port, of this host unless its
// name holds the host.
func (l *lineConfig) lockName(host string) string {
	if u, err := url.Parse(l.Port); err == nil && u.Host != "" {
		return l.Port
	}
	return host + " " + l.Port
}

// limited reports whether the calls of a line are counted.
func (l *lineConfig) limited() bool { return l.PerHour > 0 || l.PerDay > 0 }

// slot is a line of a worker.
type slot struct {
	lineConfig
	pool  *dialup.Pool // of this line alone, for its rests and probes
	ctx   context.Context
	back  chan struct{} // capacity 1: the slot is with keepLine again
	made  []time.Time   // calls of the last day, if they are limited
	board lineState     // guarded by worker.mu
}

// The states of a line on the board.
const (
	stateFree     = "free"
	stateDialling = "dialling"
	stateTalking  = "talking"
	stateResting  = "resting"
	stateHeld     = "held" // by another worker
	stateGone     = "gone"
)

// lineState is what the board shows of a line.
type lineState struct {
	Name   string    `json:"name"`
	Class  string    `json:"class"`
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Job    string    `json:"job,omitempty"`
	Number string    `json:"number,omitempty"`
	Text   string    `json:"text,omitempty"` // of the call's state
	OK     int       `json:"ok"`
	Failed int       `json:"failed"`
}

// keepLine holds the lease of a line until ctx ends, and gives the line to its
// dispatcher while it is held.
func (w *worker) keepLine(ctx context.Context, s *slot) {
	key := leaseKey("line", s.lockName(w.host))
	for ctx.Err() == nil {
		held, lost := context.WithCancelCause(ctx)
		if err := w.leases.acquire(ctx, key, lost); err != nil {
			lost(nil)
			w.setState(s, func(b *lineState) { b.State = stateHeld })
			pause(ctx, w.q.lease/10)
			continue
		}
		s.ctx = held
		if err := w.loadMade(ctx, s); err != nil {
			w.log.Warn("the calls that the line has made are not known yet", "line", s.Name, "error", err)
			w.leases.release(context.WithoutCancel(ctx), key)
			lost(nil)
			pause(ctx, w.q.lease/10)
			continue
		}
		w.giveBack(s)
		<-s.back // after held has ended
		lost(nil)
	}
}

// loadMade reads when the line has called, since the limits hold also for a worker
// that was started again, and for the line's next one.
func (w *worker) loadMade(ctx context.Context, s *slot) error {
	if !s.limited() {
		return nil
	}
	e, err := w.q.made.Get(ctx, leaseKey("line", s.lockName(w.host)))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	s.made = nil
	return json.Unmarshal(e.Value(), &s.made)
}

// noteCall notes a call that is about to be made, while the lease of the line is
// held. A call that cannot be noted must not be made.
func (w *worker) noteCall(ctx context.Context, s *slot) error {
	if !s.limited() {
		return nil
	}
	s.made = append(s.made, time.Now().UTC())
	body, err := json.Marshal(s.made)
	if err != nil {
		return err
	}
	_, err = w.q.made.Put(ctx, leaseKey("line", s.lockName(w.host)), body)
	return err
}

// giveBack returns a slot after a call, or gives it to its dispatcher when it has
// rested.
func (w *worker) giveBack(s *slot) {
	if s.ctx.Err() != nil {
		s.back <- struct{}{}
		return
	}
	now := time.Now()
	until := s.pool.Stats().Lines[0].Resting
	for len(s.made) > 0 && now.Sub(s.made[0]) >= 24*time.Hour {
		s.made = s.made[1:]
	}
	for _, limit := range []struct {
		calls int
		in    time.Duration
	}{{s.PerHour, time.Hour}, {s.PerDay, 24 * time.Hour}} {
		if limit.calls > 0 && len(s.made) >= limit.calls {
			if end := s.made[len(s.made)-limit.calls].Add(limit.in); end.After(until) {
				until = end
			}
		}
	}
	if rest := until.Sub(now); rest > 0 {
		w.setState(s, func(b *lineState) { b.State, b.Job, b.Number, b.Text = stateResting, "", "", "" })
		// The wait ends with the lease too.
		w.wg.Go(func() {
			pause(s.ctx, rest)
			w.giveBackRested(s)
		})
		return
	}
	w.giveBackRested(s)
}

func (w *worker) giveBackRested(s *slot) {
	if s.ctx.Err() != nil {
		s.back <- struct{}{}
		return
	}
	w.setState(s, func(b *lineState) { b.State, b.Job, b.Number, b.Text = stateFree, "", "", "" })
	w.free[s.Class] <- s
}

// setState changes what the board shows of a line.
func (w *worker) setState(s *slot, change func(b *lineState)) {
	w.mu.Lock()
	before := s.board
	change(&s.board)
	if s.board.State != before.State {
		s.board.Since = time.Now().UTC()
	}
	w.mu.Unlock()
	kick(w.changed)
}
