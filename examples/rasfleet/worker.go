package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
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

// parseLines reads lines.json.
func parseLines(text []byte) ([]lineConfig, error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	var lines []lineConfig
	if err := d.Decode(&lines); err != nil {
		return nil, err
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
	return lines, errors.Join(all...)
}

// lockName is what the lease of a line is for: the port, of this host unless its
// name holds the host.
func (l *lineConfig) lockName(host string) string {
	if u, err := url.Parse(l.Port); err == nil && u.Host != "" {
		return l.Port
	}
	return host + " " + l.Port
}

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

// workerState is an entry of the bucket lines.
type workerState struct {
	Name  string      `json:"name"`
	Host  string      `json:"host"`
	Lease Duration    `json:"lease"`
	Lines []lineState `json:"lines"`
}

// pollEvery is the interval at which an idle worker polls for jobs that the server
// has moved from LATER, which is not notified.
const pollEvery = 250 * time.Millisecond

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

func classConsumer(class string, priority int) string {
	return fmt.Sprintf("class-%s-%d", class, priority)
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

// limited reports whether the calls of a line are counted.
func (l *lineConfig) limited() bool { return l.PerHour > 0 || l.PerDay > 0 }

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

// dispatch gives the jobs of a class, and those of its lines, to idle lines.
func (w *worker) dispatch(ctx context.Context, class string) {
	var idle []*slot
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	defer func() {
		for _, s := range idle {
			s.back <- struct{}{}
		}
		for {
			select {
			case s := <-w.free[class]: // of a call that has ended at the same moment
				s.back <- struct{}{}
			case <-w.kept:
				return
			}
		}
	}()
	consumers := make([]jetstream.Consumer, maxPriority+1)
	for ctx.Err() == nil {
		for range len(w.free[class]) {
			idle = append(idle, <-w.free[class])
		}
		kept := idle[:0]
		for _, s := range idle {
			if s.ctx.Err() != nil {
				s.back <- struct{}{}
			} else {
				kept = append(kept, s)
			}
		}
		idle = kept

		took := 0
		kept = idle[:0]
		for _, s := range idle {
			if m := w.takeDirect(ctx, s); m != nil {
				w.wg.Go(func() { w.work(s, m) })
				took++
			} else {
				kept = append(kept, s)
			}
		}
		idle = kept
		for p := maxPriority; p >= 0 && len(idle) > 0; p-- {
			if consumers[p] == nil {
				c, err := w.q.stream.Consumer(ctx, classConsumer(class, p))
				if err != nil {
					break
				}
				consumers[p] = c
			}
			batch, err := consumers[p].FetchNoWait(len(idle))
			if err != nil {
				break
			}
			for m := range batch.Messages() {
				s := idle[0]
				idle = idle[1:]
				w.wg.Go(func() { w.work(s, m) })
				took++
			}
		}
		if took > 0 && len(idle) > 0 {
			continue
		}
		select {
		case s := <-w.free[class]:
			idle = append(idle, s)
		case <-w.kick[class]:
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// takeDirect returns a job for a line by its name, or nil.
func (w *worker) takeDirect(ctx context.Context, s *slot) jetstream.Msg {
	w.mu.Lock()
	waiting := w.direct[s.Name]
	delete(w.direct, s.Name)
	w.mu.Unlock()
	if !waiting {
		return nil
	}
	c, err := w.q.stream.Consumer(ctx, "line-"+s.Name)
	if err != nil {
		return nil
	}
	batch, err := c.FetchNoWait(1)
	if err != nil {
		return nil
	}
	return <-batch.Messages()
}

// findDirect looks for jobs for lines by their names: those that are due after a
// wait are moved by the server, which wakes no worker.
func (w *worker) findDirect(ctx context.Context) {
	for ctx.Err() == nil {
		info, err := w.q.stream.Info(ctx, jetstream.WithSubjectFilter("JOBS.line.>"))
		if err == nil && len(info.State.Subjects) > 0 {
			w.mu.Lock()
			for subject := range info.State.Subjects {
				w.direct[strings.Split(subject, ".")[2]] = true
			}
			w.mu.Unlock()
			for _, k := range w.kick {
				kick(k)
			}
		}
		pause(ctx, time.Second)
	}
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakeUp is called for WAKE.class.CLASS and WAKE.line.LINE.
func (w *worker) wakeUp(subject string) {
	part := strings.Split(subject, ".")
	if len(part) != 3 {
		return
	}
	if part[1] == "line" {
		w.mu.Lock()
		w.direct[part[2]] = true
		w.mu.Unlock()
		for _, s := range w.slots {
			if s.Name == part[2] {
				kick(w.kick[s.Class])
			}
		}
	} else if k := w.kick[part[2]]; k != nil {
		kick(k)
	}
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
