package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/script/lint"
)

// openTimeout is how long a command waits for the queue.
const openTimeout = 15 * time.Second

// waiting returns how many jobs wait for a later time.
func (q *Queue) waiting(ctx context.Context) (int, error) {
	info, err := q.stream.Info(ctx, jetstream.WithSubjectFilter("LATER.>"))
	if err != nil {
		return 0, err
	}
	return len(info.State.Subjects), nil
}

// cancel is the command cancel.
func (p *program) cancel(args []string) error {
	f := p.flags("cancel")
	var c client
	c.flags(f)
	if err := p.parse(f, args, true); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("ids of jobs are needed")}
	}
	q, done, err := p.queue(&c)
	if err != nil {
		return err
	}
	defer done()
	var all []error
	for _, id := range f.Args() {
		ended, err := q.cancel(p.ctx, id)
		switch {
		case err != nil:
			all = append(all, fmt.Errorf("%s: %w", id, err))
		case ended:
			fmt.Fprintf(p.out, "%s cancelled\n", id)
		default:
			fmt.Fprintf(p.out, "%s had ended before\n", id)
		}
	}
	return errors.Join(all...)
}

// results is the command results.
func (p *program) results(args []string) error {
	f := p.flags("results")
	var c client
	c.flags(f)
	follow := f.Bool("f", false, "go on with those that arrive")
	asJSON := f.Bool("json", false, "one JSON value a line")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	q, done, err := p.queue(&c)
	if err != nil {
		return err
	}
	defer done()
	return q.eachResult(p.ctx, *follow, func(r *Result) error {
		if *asJSON {
			return json.NewEncoder(p.out).Encode(r)
		}
		_, err := fmt.Fprintf(p.out, "%-20s %-9s %3d  %-12s attempt %d  %8v  %s\n", r.ID, r.Outcome, uint32(r.Code), cmp.Or(r.Line, "-"),
			r.Attempt, time.Duration(r.Took), lint.Visible(r.Error))
		return err
	})
}

// eachResult calls visit for every result, in the order in which they were stored.
func (q *Queue) eachResult(ctx context.Context, follow bool, visit func(r *Result) error) error {
	info, err := q.resultStream.Info(ctx)
	if err != nil {
		return err
	}
	left := info.State.Msgs
	if left == 0 && !follow {
		return nil
	}
	cons, err := q.js.OrderedConsumer(ctx, "RESULTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	all, err := cons.Messages()
	if err != nil {
		return err
	}
	defer all.Stop()
	defer context.AfterFunc(ctx, all.Stop)()
	for left > 0 || follow {
		m, err := all.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		r := new(Result)
		if err := json.Unmarshal(m.Data(), r); err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
		left--
	}
	return nil
}

// fleetStatus is what the command status prints.
type fleetStatus struct {
	Workers []workerState `json:"workers"`
	Waiting uint64        `json:"waiting"` // jobs in the queue, those under way included
	Later   int           `json:"later"`   // jobs that wait for a time
	Results uint64        `json:"results"`
}

func (q *Queue) status(ctx context.Context) (*fleetStatus, error) {
	s := &fleetStatus{Workers: []workerState{}}
	jobs, err := q.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	if s.Later, err = q.waiting(ctx); err != nil {
		return nil, err
	}
	s.Waiting = jobs.State.Msgs - min(jobs.State.Msgs, uint64(s.Later))
	done, err := q.resultStream.Info(ctx)
	if err != nil {
		return nil, err
	}
	s.Results = done.State.Msgs
	keys, err := q.lines.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, err
	}
	slices.Sort(keys)
	for _, k := range keys {
		e, err := q.lines.Get(ctx, k)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		var w workerState
		if err := json.Unmarshal(e.Value(), &w); err != nil {
			return nil, err
		}
		if time.Since(e.Created()) > time.Duration(w.Lease) {
			for i := range w.Lines {
				w.Lines[i].State = stateGone
			}
		}
		s.Workers = append(s.Workers, w)
	}
	return s, nil
}

// status is the command status.
func (p *program) status(args []string) error {
	f := p.flags("status")
	var c client
	c.flags(f)
	asJSON := f.Bool("json", false, "one JSON value")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	q, done, err := p.queue(&c)
	if err != nil {
		return err
	}
	defer done()
	s, err := q.status(p.ctx)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(p.out).Encode(s)
	}
	fmt.Fprintf(p.out, "%d jobs in the queue, %d for a later time, %d results\n", s.Waiting, s.Later, s.Results)
	table := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tWORKER\tLINE\tCLASS\tSTATE\tSINCE\tJOB\tOK\tFAILED")
	for _, w := range s.Workers {
		for _, l := range w.Lines {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", w.Host, w.Name, l.Name, l.Class, l.State,
				l.Since.Local().Format(time.TimeOnly), l.Job, l.OK, l.Failed)
		}
	}
	return table.Flush()
}
