package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/script/lint"
)

// submit is the command submit.
func (p *program) submit(args []string) error {
	f := p.flags("submit")
	var c client
	c.flags(f)
	wait := f.Bool("wait", false, "wait for the results, with a progress bar")
	if err := p.parse(f, args, true); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("files with jobs are needed, or - for standard input")}
	}
	jobs, err := p.readJobs(f.Args())
	if err != nil {
		return usageError{err}
	}
	q, done, err := p.queue(&c)
	if err != nil {
		return err
	}
	defer done()
	var refused []error
	for _, j := range jobs {
		ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
		if err := q.accepts(ctx, j); err != nil {
			refused = append(refused, fmt.Errorf("job %s: %w", j.ID, err))
		}
		cancel()
		if len(refused) == 20 {
			break
		}
	}
	if len(refused) > 0 {
		return usageError{errors.Join(refused...)}
	}
	var ids []string
	start := time.Now()
	fresh := 0
	for i, j := range jobs {
		ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
		isNew, err := q.submit(ctx, j)
		cancel()
		if err != nil {
			return fmt.Errorf("job %s: %w (%d of %d jobs were queued before it)", j.ID, err, i, len(jobs))
		}
		if isNew {
			fresh++
		}
		ids = append(ids, j.ID)
	}
	fmt.Fprintf(p.errOut, "%d jobs queued, %d known before\n", fresh, len(jobs)-fresh)
	if !*wait {
		return nil
	}
	return p.await(q, ids, start)
}

// readJobs reads all jobs and checks them, so that nothing is queued if one is
// wrong. A file has jobs one after the other, each on any number of lines.
func (p *program) readJobs(files []string) ([]*Job, error) {
	var jobs []*Job
	var all []error
	for _, name := range files {
		in := p.in
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			in = f
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		before := len(jobs) + len(all)
		values := json.NewDecoder(bytes.NewReader(text))
		for {
			var value json.RawMessage
			err := values.Decode(&value)
			if err == io.EOF {
				break
			}
			end := values.InputOffset()
			if err != nil {
				// What follows cannot be distinguished.
				if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
					end = syntax.Offset
				} else if errors.Is(err, io.ErrUnexpectedEOF) {
					end = int64(len(bytes.TrimSpace(text)))
				}
				all = append(all, fmt.Errorf("%s:%d: no job: %w", name, lineOf(text, end), err))
				break
			}
			j, err := parseJob(value)
			if err != nil {
				all = append(all, fmt.Errorf("%s:%d: %s", name, lineOf(text, end-int64(len(value))+1), findings(err)))
				continue
			}
			jobs = append(jobs, j)
		}
		if name != "-" && len(jobs)+len(all) == before {
			all = append(all, fmt.Errorf("%s: there is no job", name))
		}
	}
	return jobs, errors.Join(all...)
}

// lineOf returns the number of the line with the byte before an offset.
func lineOf(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset-1, 0), int64(len(text)))], []byte("\n"))
}

// findings returns all findings of a script on one line.
func findings(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if parse := (*lint.ParseError)(nil); errors.As(err, &parse) {
		for _, e := range parse.Errors()[1:] {
			text += "; " + e.String()
		}
	}
	return lint.Visible(text)
}

// await shows the progress of jobs until all have a result.
func (p *program) await(q *Queue, ids []string, start time.Time) error {
	pending := make(map[string]bool)
	for _, id := range ids {
		pending[id] = true
	}
	total, failed := len(pending), 0
	bar := &bar{w: p.errOut}
	if f, ok := p.errOut.(*os.File); ok {
		info, err := f.Stat()
		bar.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	watching, cancel := context.WithCancel(p.ctx)
	defer cancel()
	results, err := q.watchResults(watching)
	if err != nil {
		return err
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	later := 0
	for len(pending) > 0 {
		select {
		case <-p.ctx.Done():
			bar.end()
			return context.Cause(p.ctx)
		case r := <-results:
			if !pending[r.ID] {
				continue
			}
			delete(pending, r.ID)
			if r.Outcome != outcomeOK {
				failed++
			}
			continue
		case <-tick.C:
		}
		if n, err := q.waiting(p.ctx); err == nil {
			later = n
		}
		bar.show(total-len(pending), total, failed, later, time.Since(start))
	}
	bar.show(total, total, failed, 0, time.Since(start))
	bar.end()
	if failed > 0 {
		return fmt.Errorf("%d of %d: %w", failed, total, errSomeFailed)
	}
	return nil
}

// watchResults sends all results, in the order in which they were stored, until ctx
// ends.
func (q *Queue) watchResults(ctx context.Context) (<-chan *Result, error) {
	cons, err := q.js.OrderedConsumer(ctx, "RESULTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	results := make(chan *Result, 64)
	reading, err := cons.Consume(func(m jetstream.Msg) {
		r := new(Result)
		if json.Unmarshal(m.Data(), r) != nil {
			return
		}
		select {
		case results <- r:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, reading.Stop)
	return results, nil
}

// bar is a progress bar: one line that is written anew on a terminal, and a line
// every ten seconds elsewhere.
type bar struct {
	w        io.Writer
	terminal bool
	last     time.Time
}

// show shows "312 of 500 done, 9 failed, 4 waiting for redial, about 6 min left".
func (b *bar) show(done, total, failed, later int, took time.Duration) {
	if !b.terminal && time.Since(b.last) < 10*time.Second && done < total {
		return
	}
	b.last = time.Now()
	text := fmt.Sprintf("%d of %d done, %d failed, %d waiting for redial", done, total, failed, later)
	switch left := took / time.Duration(max(done, 1)) * time.Duration(total-done); {
	case done == total:
		text += fmt.Sprintf(", in %v", took.Round(100*time.Millisecond))
	case done < 3: // too few to estimate from
	case left < time.Minute:
		text += fmt.Sprintf(", about %d s left", max(1, int(left.Seconds())))
	default:
		text += fmt.Sprintf(", about %d min left", int(left.Minutes()+0.5))
	}
	if !b.terminal {
		fmt.Fprintln(b.w, text)
		return
	}
	const width = 30
	full := width * done / max(total, 1)
	fmt.Fprintf(b.w, "\r[%s%s] %s\x1b[K", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
}

func (b *bar) end() {
	if b.terminal {
		fmt.Fprintln(b.w)
	}
}
