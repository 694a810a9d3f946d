package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/ras"
)

// The states of a job on the board.
const (
	jobWaiting = "waiting"
	jobCalling = "calling"
	jobRedial  = "redial"
)

// jobRow is a job on the board.
type jobRow struct {
	ID       string    `json:"id"`
	Where    string    `json:"where"` // class, or line
	Number   string    `json:"number,omitempty"`
	Priority int       `json:"priority"`
	State    string    `json:"state"` // waiting, calling, redial, or the outcome
	Attempt  int       `json:"attempt,omitempty"`
	Line     string    `json:"line,omitempty"`
	Worker   string    `json:"worker,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Took     float64   `json:"took,omitempty"` // seconds
	Code     uint32    `json:"code,omitempty"`
	Name     string    `json:"name,omitempty"` // of the code
	Error    string    `json:"error,omitempty"`
	Retry    time.Time `json:"retry,omitzero"`
	Captures []string  `json:"captures,omitempty"` // of the attempts, oldest first

	version uint64
}

// workerRow is a worker on the board.
type workerRow struct {
	workerState
	rev     uint64
	seen    time.Time
	gone    time.Time // since when nothing was heard of it for a lease; zero: it is there
	version uint64
}

// board is what the queue holds, as the page and /metrics show it. It follows the
// buckets and the results; each change has a number, so that a page requests what
// has changed since.
type board struct {
	q *Queue

	mu      sync.Mutex // guards what follows
	version uint64
	changed chan struct{} // closed at the next change
	jobs    map[string]*jobRow
	workers map[string]*workerRow
	counts  map[string]int // jobs by state
	took    float64        // seconds of all final calls
	recent  []time.Time    // results of the last minute
}

func newBoard(q *Queue) *board {
	return &board{q: q, changed: make(chan struct{}), jobs: make(map[string]*jobRow), workers: make(map[string]*workerRow), counts: make(map[string]int)}
}

// run follows the queue until ctx ends.
func (b *board) run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for kv, apply := range map[jetstream.KeyValue]func(e jetstream.KeyValueEntry){b.q.jobs: b.job, b.q.calls: b.call, b.q.lines: b.worker} {
		w, err := kv.WatchAll(ctx)
		if err != nil {
			return err
		}
		defer w.Stop()
		tasks.Go(func() {
			for {
				select {
				case e, ok := <-w.Updates():
					if !ok {
						return
					}
					if e != nil { // nil: all that was there has been received
						apply(e)
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
	tasks.Go(func() {
		for ctx.Err() == nil {
			b.q.eachResult(ctx, true, func(r *Result) error { b.result(r); return nil })
			pause(ctx, time.Second)
		}
	})
	for ctx.Err() == nil {
		pause(ctx, 200*time.Millisecond)
		for name, rev := range b.expire() {
			b.q.lines.Delete(ctx, name, jetstream.LastRevision(rev)) // fails if the worker is there again
		}
	}
	return nil
}

// update changes a row, with b.mu held.
func (b *board) update(id string, change func(r *jobRow)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.jobs[id]
	if r == nil {
		r = &jobRow{ID: id, State: jobWaiting}
		b.jobs[id] = r
		b.counts[r.State]++
	}
	b.counts[r.State]--
	change(r)
	b.counts[r.State]++
	r.version = b.next()
}

// next returns the number of a change. b.mu is held.
func (b *board) next() uint64 {
	b.version++
	close(b.changed)
	b.changed = make(chan struct{})
	return b.version
}

func (b *board) job(e jetstream.KeyValueEntry) {
	var s submitted
	if json.Unmarshal(e.Value(), &s) != nil || s.Job == nil {
		return
	}
	b.update(e.Key(), func(r *jobRow) {
		r.Where, r.Number, r.Priority = cmp.Or(s.Job.Line, s.Job.Class), cmp.Or(s.Job.Number, s.Job.Entry), s.Job.Priority
	})
}

// final reports whether the row shows a result.
func (r *jobRow) final() bool {
	return r.State == outcomeOK || r.State == outcomeFailed || r.State == outcomeCancelled
}

func (b *board) call(e jetstream.KeyValueEntry) {
	var h []callAttempt
	if json.Unmarshal(e.Value(), &h) != nil || len(h) == 0 {
		return
	}
	b.update(e.Key(), func(r *jobRow) {
		last := h[len(h)-1]
		for i, a := range h {
			if a.Capture != "" && i >= len(r.Captures) {
				r.Captures = append(r.Captures, a.Capture)
			}
		}
		if r.final() {
			return
		}
		r.Attempt, r.Line, r.Worker, r.Started = len(h), last.Line, last.Worker, last.Started
		r.Code, r.Error, r.Retry = uint32(last.Code), last.Error, last.Retry
		r.Name = codeName(last.Code)
		switch {
		case last.Ended.IsZero():
			r.State = jobCalling
		case last.Retry.IsZero():
			r.State = jobWaiting
		default:
			r.State = jobRedial
		}
	})
}

func (b *board) result(res *Result) {
	b.update(res.ID, func(r *jobRow) {
		if r.final() {
			return
		}
		r.State, r.Attempt, r.Line, r.Worker, r.Started = res.Outcome, res.Attempt, res.Line, res.Worker, res.Started
		r.Took, r.Code, r.Error = time.Duration(res.Took).Seconds(), uint32(res.Code), res.Error
		r.Name, r.Retry = codeName(res.Code), time.Time{}
		if res.Capture != "" && !slices.Contains(r.Captures, res.Capture) {
			r.Captures = append(r.Captures, res.Capture)
		}
		b.took += r.Took
		if now := time.Now(); now.Sub(res.Started.Add(time.Duration(res.Took))) < time.Minute {
			b.recent = append(b.recent, now)
		}
	})
}

func codeName(c ras.Code) string {
	if c == ras.Success {
		return ""
	}
	return c.Name()
}

func (b *board) worker(e jetstream.KeyValueEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.workers[e.Key()]
	if w == nil {
		if e.Operation() != jetstream.KeyValuePut { // it was forgotten
			return
		}
		w = new(workerRow)
		b.workers[e.Key()] = w
	}
	if e.Operation() != jetstream.KeyValuePut {
		w.seen = time.Time{} // it has ended in order
	} else if json.Unmarshal(e.Value(), &w.workerState) == nil {
		// The age is that of the server, so that the clocks of the hosts do not count.
		w.seen, w.gone, w.rev = time.Now(), time.Time{}, e.Revision()
		if age := time.Since(e.Created()); age > time.Duration(w.Lease) {
			w.seen = e.Created()
		}
	}
	w.version = b.next()
}

// expire notes the workers of which nothing was heard for the time of a lease, and
// forgets those that have been absent for ten leases. It returns their names, with the
// revisions of their entries.
func (b *board) expire() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	forgotten := make(map[string]uint64)
	for name, w := range b.workers {
		if !w.gone.IsZero() && time.Since(w.gone) > 9*time.Duration(w.Lease) {
			forgotten[name] = w.rev
			delete(b.workers, name)
			b.next()
		} else if w.gone.IsZero() && time.Since(w.seen) > time.Duration(w.Lease) {
			w.gone = time.Now()
			for i := range w.Lines {
				w.Lines[i].State, w.Lines[i].Job = stateGone, ""
			}
			w.version = b.next()
		}
	}
	for len(b.recent) > 0 && time.Since(b.recent[0]) > time.Minute {
		b.recent = b.recent[1:]
	}
	return forgotten
}

// boardChange is what has changed on the board.
type boardChange struct {
	Version uint64        `json:"version"`
	Text    string        `json:"text"` // of the progress bar
	Done    int           `json:"done"`
	Total   int           `json:"total"`
	Failed  int           `json:"failed"`
	Names   []string      `json:"names"` // of all workers; others are forgotten
	Workers []workerState `json:"workers,omitempty"`
	Jobs    []jobRow      `json:"jobs,omitempty"`
}

// maxRows is how many jobs a page is sent when it opens: those that have changed
// last.
const maxRows = 5000

// since returns what has changed after a version, and a channel that is closed at
// the next change.
func (b *board) since(version uint64) (boardChange, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := boardChange{Version: b.version, Total: len(b.jobs), Failed: b.counts[outcomeFailed]}
	c.Done = b.counts[outcomeOK] + b.counts[outcomeFailed] + b.counts[outcomeCancelled]
	c.Text = fmt.Sprintf("%d of %d done, %d failed, %d waiting for redial", c.Done, c.Total, c.Failed, b.counts[jobRedial])
	if left := c.Total - c.Done; left > 0 && len(b.recent) > 2 {
		rate := float64(len(b.recent)) / max(1, time.Since(b.recent[0]).Seconds())
		if s := float64(left) / rate; s < 90 {
			c.Text += fmt.Sprintf(", about %.0f s left", max(1, s))
		} else {
			c.Text += fmt.Sprintf(", about %.0f min left", s/60)
		}
	}
	c.Names = slices.Sorted(maps.Keys(b.workers))
	for _, w := range b.workers {
		if w.version > version {
			s := w.workerState
			s.Lines = slices.Clone(s.Lines)
			c.Workers = append(c.Workers, s)
		}
	}
	for _, r := range b.jobs {
		if r.version > version {
			c.Jobs = append(c.Jobs, *r)
		}
	}
	slices.SortFunc(c.Jobs, func(x, y jobRow) int { return cmp.Compare(x.version, y.version) })
	if len(c.Jobs) > maxRows {
		c.Jobs = c.Jobs[len(c.Jobs)-maxRows:]
	}
	for i := range c.Jobs {
		c.Jobs[i].Captures = slices.Clone(c.Jobs[i].Captures)
	}
	return c, b.changed
}

// metrics returns the counts in the text format of Prometheus.
func (b *board) metrics() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := "# HELP rasfleet_jobs Jobs by state.\n# TYPE rasfleet_jobs gauge\n"
	for _, s := range []string{jobWaiting, jobCalling, jobRedial, outcomeOK, outcomeFailed, outcomeCancelled} {
		text += fmt.Sprintf("rasfleet_jobs{state=%q} %d\n", s, b.counts[s])
	}
	lines := make(map[string]int)
	for _, w := range b.workers {
		for _, l := range w.Lines {
			lines[l.State]++
		}
	}
	text += "# HELP rasfleet_lines Lines by state.\n# TYPE rasfleet_lines gauge\n"
	for _, s := range []string{stateFree, stateDialling, stateTalking, stateResting, stateHeld, stateGone} {
		text += fmt.Sprintf("rasfleet_lines{state=%q} %d\n", s, lines[s])
	}
	return text + fmt.Sprintf("# HELP rasfleet_call_seconds_total Duration of the final calls.\n# TYPE rasfleet_call_seconds_total counter\nrasfleet_call_seconds_total %g\n", b.took)
}
