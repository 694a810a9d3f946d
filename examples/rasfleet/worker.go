package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
)

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
	lines, err := readLines(*linesFile)
	if err != nil {
		return usageError{err}
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
	q, done, err := p.awaitQueue(&c, cfg.log)
	if q == nil {
		return err
	}
	defer done()
	fmt.Fprintf(p.out, "worker %s: %d lines\n", *name, len(lines))
	return newWorker(q, cfg).run(p.ctx)
}

// awaitQueue is queue for a worker that may be started before its server, as at
// boot. It returns nil when the program is stopped meanwhile.
func (p *program) awaitQueue(c *client, log *slog.Logger) (q *Queue, done func(), err error) {
	for warned := false; ; warned = true {
		q, done, err = p.queue(c)
		if !errors.Is(err, nats.ErrNoServers) {
			return q, done, err
		}
		if !warned {
			log.Warn("the server is not there yet", "error", err)
		}
		if pause(p.ctx, time.Second); p.ctx.Err() != nil {
			return nil, nil, nil
		}
	}
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// workerConfig is how a worker runs.
type workerConfig struct {
	name       string
	lines      []lineConfig
	secrets    fs.FS // one file for each name of credentials; nil: none
	phonebooks fs.FS // nil: none
	log        *slog.Logger

	// open opens the ports. Default: portname.Open.
	open func(ctx context.Context, name string, cfg *portname.Config) (port.Port, error)

	// call replaces the call itself, to measure the queue. Default: dial.
	call func(ctx context.Context, c *call) error

	// rest is that of dialup.PoolConfig.
	rest time.Duration
}

// worker fetches jobs for its lines and makes the calls.
//
// A line is in one place at a time: with keepLine until its lease is held, in free
// and then in a dispatcher's list while it is idle, and with run during a call.
type worker struct {
	workerConfig
	q       *Queue
	leases  *leases
	host    string
	slots   []*slot
	free    map[string]chan *slot // by class; as many as there are lines
	kick    map[string]chan struct{}
	changed chan struct{} // capacity 1: the board is to be written
	kept    chan struct{} // closed when every keepLine has ended

	mu      sync.Mutex       // guards what follows
	running map[string]*call // by id
	direct  map[string]bool  // lines for which jobs by the line's name may wait
	wg      sync.WaitGroup   // calls
}

// workerState is an entry of the bucket lines.
type workerState struct {
	Name  string      `json:"name"`
	Host  string      `json:"host"`
	Lease Duration    `json:"lease"`
	Lines []lineState `json:"lines"`
}

// newWorker returns a worker; run makes it work.
func newWorker(q *Queue, cfg workerConfig) *worker {
	w := &worker{workerConfig: cfg, q: q, changed: make(chan struct{}, 1), kept: make(chan struct{}), running: make(map[string]*call), direct: make(map[string]bool),
		free: make(map[string]chan *slot), kick: make(map[string]chan struct{})}
	w.host, _ = os.Hostname()
	// The name alone may be that of a process which has died.
	w.leases = &leases{q: q, worker: w.name + " " + rand.Text(), held: make(map[string]*lease)}
	if w.open == nil {
		w.open = portname.Open
	}
	if w.call == nil {
		w.call = w.dial
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	for _, l := range w.lines {
		line := dialup.Line{Name: l.Name, Port: l.Port, Class: l.Class}
		if l.Modem == nil || *l.Modem {
			line.Dialer = &modem.Dialer{Init: l.Init}
		}
		s := &slot{lineConfig: l, pool: dialup.NewPool(&dialup.PoolConfig{Rest: w.rest}, line), back: make(chan struct{}, 1)}
		s.board = lineState{Name: l.Name, Class: l.Class, State: stateHeld, Since: time.Now().UTC()}
		w.slots = append(w.slots, s)
		if w.free[l.Class] == nil {
			w.free[l.Class] = make(chan *slot, len(w.lines))
			w.kick[l.Class] = make(chan struct{}, 1)
		}
	}
	return w
}

// run works until ctx ends; calls that are under way are then hung up, and their
// jobs given back.
func (w *worker) run(ctx context.Context) error {
	// A cluster that elects a leader does not answer for a while.
	for end := time.Now().Add(time.Minute); ; pause(ctx, 500*time.Millisecond) {
		err := w.register(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		if time.Now().After(end) {
			return err
		}
		w.log.Warn("the lines are not registered yet", "error", err)
	}
	for subject, handle := range map[string]func(last string){
		"CANCEL.*": w.cancelCall,
		"WATCH.*":  w.watchCall,
		"WAKE.>":   w.wakeUp,
	} {
		sub, err := w.q.nc.Subscribe(subject, func(m *nats.Msg) { handle(m.Subject) })
		if err != nil {
			return err
		}
		defer sub.Unsubscribe()
	}
	// Calls are hung up while the leases are kept, so the tasks end in this order:
	// those of the lines, which get their lines back from the calls; those that
	// start calls; the calls; the leases.
	var keepers, tasks, leasing sync.WaitGroup
	untilEnd, stopLeasing := context.WithCancel(context.WithoutCancel(ctx))
	leasing.Go(func() { w.leases.renewAll(untilEnd) })
	leasing.Go(func() { w.report(untilEnd) })
	for _, s := range w.slots {
		keepers.Go(func() { w.keepLine(ctx, s) })
	}
	for class := range w.free {
		tasks.Go(func() { w.dispatch(ctx, class) })
	}
	tasks.Go(func() { w.findDirect(ctx) })
	<-ctx.Done()
	keepers.Wait()
	close(w.kept)
	tasks.Wait()
	w.wg.Wait()
	stopLeasing()
	leasing.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for _, s := range w.slots {
		w.leases.release(ending, leaseKey("line", s.lockName(w.host)))
	}
	w.q.lines.Delete(ending, w.name)
	return nil
}

// register makes the consumers of the worker's classes and lines, and makes them
// known to submit.
func (w *worker) register(ctx context.Context) error {
	consumer := func(name, filter string) error {
		_, err := w.q.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: name, FilterSubject: filter,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: w.q.lease, MaxDeliver: -1, MaxAckPending: -1})
		return err
	}
	for class := range w.free {
		for p := range maxPriority + 1 {
			if err := consumer(classConsumer(class, p), fmt.Sprintf("JOBS.class.%s.%d.*", class, p)); err != nil {
				return err
			}
		}
		if _, err := w.q.classes.Put(ctx, "class."+class, nil); err != nil {
			return err
		}
	}
	for _, s := range w.slots {
		if err := consumer("line-"+s.Name, "JOBS.line."+s.Name+".*"); err != nil {
			return err
		}
		if _, err := w.q.classes.Put(ctx, "line."+s.Name, nil); err != nil {
			return err
		}
	}
	return nil
}

func lastPart(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// errCancelled ends the call of a job that was cancelled.
var errCancelled = errors.New("the job was cancelled")

func (w *worker) cancelCall(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.running[lastPart(subject)]; c != nil {
		c.cancel(errCancelled)
	}
}

// watchCall makes a call send its conversation to the board for ten seconds.
func (w *worker) watchCall(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.running[lastPart(subject)]; c != nil {
		c.watched.Store(time.Now().Add(10 * time.Second).UnixNano())
	}
}

// report writes the states of the lines for the board when they have changed, and
// to show that it runs.
func (w *worker) report(ctx context.Context) {
	alive := time.NewTicker(max(w.q.lease/6, 100*time.Millisecond))
	defer alive.Stop()
	for ctx.Err() == nil {
		state := workerState{Name: w.name, Host: w.host, Lease: Duration(w.q.lease)}
		w.mu.Lock()
		for _, s := range w.slots {
			state.Lines = append(state.Lines, s.board)
		}
		w.mu.Unlock()
		if body, err := json.Marshal(state); err == nil {
			w.q.lines.Put(ctx, w.name, body)
		}
		pause(ctx, 300*time.Millisecond)
		select {
		case <-w.changed:
		case <-alive.C:
		case <-ctx.Done():
		}
	}
}
