package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/script/lint"
)

// openTimeout is how long a command waits for the queue.
const openTimeout = 15 * time.Second

// work is the command work.
func (p *program) work(args []string) error {
	f := p.flags("work")
	var c client
	c.flags(f)
	host, _ := os.Hostname()
	linesFile := f.String("lines", "", "`file` with the lines, a list in JSON")
	secrets := f.String("secrets", os.Getenv("CREDENTIALS_DIRECTORY"), "`directory` with one file for each name of credentials; default that of systemd")
	books := f.String("phonebooks", "", "`directory` with phone books and their scripts")
	name := f.String("name", "", "`name` of the worker; default the host's name and the process number")
	simLog := f.String("sim-log", "", "`file` to which the simulated modems (ports sim:NAME) append their calls")
	simPace := f.Duration("sim-pace", 800*time.Millisecond, "`duration` of a ring of the simulated modems, roughly")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	if *linesFile == "" {
		return usageError{errors.New("-lines FILE is needed")}
	}
	text, err := os.ReadFile(*linesFile)
	if err != nil {
		return usageError{err}
	}
	lines, err := parseLines(text)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", *linesFile, err)}
	}
	if *name == "" {
		*name = fmt.Sprintf("%.50s-%d", notInName.ReplaceAllString(host, "-"), os.Getpid())
	}
	if !nameRule.MatchString(*name) {
		return usageError{fmt.Errorf("-name %q: only A to Z, a to z, digits, '-' and '_' are accepted, at most 64", *name)}
	}
	cfg := workerConfig{name: *name, lines: lines, log: slog.New(slog.NewTextHandler(p.errOut, nil))}
	for _, d := range []struct {
		flag, path string
		to         *fs.FS
	}{{"-secrets", *secrets, &cfg.secrets}, {"-phonebooks", *books, &cfg.phonebooks}} {
		if d.path == "" {
			continue
		}
		if info, err := os.Stat(d.path); err != nil {
			return usageError{fmt.Errorf("%s: %w", d.flag, err)}
		} else if !info.IsDir() {
			return usageError{fmt.Errorf("%s %s is no directory", d.flag, d.path)}
		}
		*d.to = os.DirFS(d.path)
	}
	b := &bank{pace: *simPace}
	if *simLog != "" {
		log, err := os.OpenFile(*simLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		b.log = log
	}
	cfg.open = b.open
	q, done, err := p.queue(&c)
	for said := false; errors.Is(err, nats.ErrNoServers); q, done, err = p.queue(&c) {
		if !said { // a worker may be started before its server, as at boot
			cfg.log.Warn("the server is not there yet", "error", err)
			said = true
		}
		pause(p.ctx, time.Second)
		if p.ctx.Err() != nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	defer done()
	fmt.Fprintf(p.out, "worker %s: %d lines\n", *name, len(lines))
	return newWorker(q, cfg).run(p.ctx)
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

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
	results := make(chan *Result, 64)
	watching, cancel := context.WithCancel(p.ctx)
	defer cancel()
	cons, err := q.js.OrderedConsumer(watching, "RESULTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	reading, err := cons.Consume(func(m jetstream.Msg) {
		r := new(Result)
		if json.Unmarshal(m.Data(), r) != nil {
			return
		}
		select {
		case results <- r:
		case <-watching.Done():
		}
	})
	if err != nil {
		return err
	}
	defer reading.Stop()
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

// waiting returns how many jobs wait for a later time.
func (q *Queue) waiting(ctx context.Context) (int, error) {
	info, err := q.stream.Info(ctx, jetstream.WithSubjectFilter("LATER.>"))
	if err != nil {
		return 0, err
	}
	return len(info.State.Subjects), nil
}

// bar is a progress bar: one line that is written anew on a terminal, and a line
// every ten seconds elsewhere.
type bar struct {
	w        io.Writer
	terminal bool
	last     time.Time
}

func (b *bar) show(done, total, failed, later int, took time.Duration) {
	if !b.terminal && time.Since(b.last) < 10*time.Second && done < total {
		return
	}
	b.last = time.Now()
	text := progressText(done, total, failed, later, took)
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

// progressText is "312 of 500 done, 9 failed, 4 waiting for redial, about 6 min left".
func progressText(done, total, failed, later int, took time.Duration) string {
	text := fmt.Sprintf("%d of %d done, %d failed, %d waiting for redial", done, total, failed, later)
	if done == total {
		return text + fmt.Sprintf(", in %v", took.Round(100*time.Millisecond))
	}
	if done < 3 {
		return text
	}
	left := took / time.Duration(done) * time.Duration(total-done)
	if left < time.Minute {
		return text + fmt.Sprintf(", about %d s left", max(1, int(left.Seconds())))
	}
	return text + fmt.Sprintf(", about %d min left", int(left.Minutes()+0.5))
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
