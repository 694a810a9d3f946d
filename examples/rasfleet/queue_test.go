package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
)

// testJob is a job that a fake call does.
func testJob(id string) *Job {
	return &Job{ID: id, Class: "modem", Script: &Script{Language: "chat", Text: "ogin: hello"}}
}

// knowLines makes a class and lines known without a worker that takes jobs.
func knowLines(t testing.TB, q *Queue) {
	t.Helper()
	if err := newWorker(q, workerConfig{name: "register", lines: simLines("a", 2)}).register(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestUnknownClassIsRefused(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	j := testJob("a")
	if _, err := q.submit(t.Context(), j); err == nil || !strings.Contains(err.Error(), "class modem") {
		t.Errorf("submit: %v", err)
	}
	if s, err := q.status(t.Context()); err != nil || s.Waiting != 0 {
		t.Errorf("status %+v, %v, want nothing queued", s, err)
	}
	if _, err := q.jobs.Get(t.Context(), "a"); err == nil {
		t.Error("the id of a refused job is in use")
	}
}

func TestSameIDIsOneJob(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	knowLines(t, q)
	for i := range 3 {
		if fresh, err := q.submit(t.Context(), testJob("a")); err != nil || fresh != (i == 0) {
			t.Fatalf("submit number %d: %v, %v", i+1, fresh, err)
		}
	}
	if s, err := q.status(t.Context()); err != nil || s.Waiting != 1 {
		t.Errorf("status %+v, %v, want one job", s, err)
	}
}

// A submitter that died after the id was stored is helped by the next one.
func TestInterruptedSubmit(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	knowLines(t, q)
	record, err := json.Marshal(submitted{Job: testJob("a"), Held: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.jobs.Create(t.Context(), "a", record); err != nil {
		t.Fatal(err)
	}
	mustSubmit(t, q, testJob("a"), testJob("a"))
	if s, err := q.status(t.Context()); err != nil || s.Waiting != 1 {
		t.Errorf("status %+v, %v, want one job", s, err)
	}
}

// Copies of a job in the queue, as interrupted submitters and workers leave them,
// are one call.
func TestCopiesAreOneCall(t *testing.T) {
	_, q := startTestQueue(t, 2*time.Second)
	knowLines(t, q)
	j := testJob("a")
	mustSubmit(t, q, j)
	for range 3 {
		if err := q.enqueue(t.Context(), j, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	var calls atomic.Int32
	release := make(chan struct{})
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 4), call: func(ctx context.Context, c *call) error {
		calls.Add(1)
		<-release
		return nil
	}})
	await(t, "one message is left", func() bool { s, err := q.status(t.Context()); return err == nil && s.Waiting == 1 })
	close(release)
	awaitResult(t, q, "a")
	await(t, "the queue is empty", func() bool { s, err := q.status(t.Context()); return err == nil && s.Waiting == 0 })
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls were made", n)
	}
}

func TestPoisonedJobIsSetAside(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	knowLines(t, q)
	history := make([]callAttempt, maxDeaths)
	for i := range history {
		history[i] = callAttempt{Line: "a-001", Worker: "dead", Started: time.Now(), Seq: 1 << 40}
	}
	if _, err := q.setHistory(t.Context(), "a", history, 0); err != nil {
		t.Fatal(err)
	}
	mustSubmit(t, q, testJob("a"))
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 1), call: func(context.Context, *call) error {
		t.Error("the job was run again")
		return nil
	}})
	r := awaitResult(t, q, "a")
	if r.Outcome != outcomeFailed || !strings.Contains(r.Error, "set aside") || len(r.History) != maxDeaths || r.Attempt != maxDeaths {
		t.Errorf("result %+v", r)
	}
}

func TestPriority(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	knowLines(t, q)
	for i, p := range []int{0, 9, 1, 5} {
		j := testJob(string(rune('a' + i)))
		j.Priority = p
		mustSubmit(t, q, j)
	}
	order := make(chan string, 4)
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 1), call: func(ctx context.Context, c *call) error {
		order <- c.job.ID
		return nil
	}})
	if got := <-order + <-order + <-order + <-order; got != "bdca" {
		t.Errorf("the jobs ran in the order %s, want b d c a", got)
	}
}

func TestNotBeforeAndLineByName(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	at := make(chan time.Time, 1)
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 3), call: func(ctx context.Context, c *call) error {
		at <- time.Now()
		return nil
	}})
	q.known(t, "line.a-002")
	j := testJob("a")
	j.Class, j.Line, j.NotBefore = "", "a-002", time.Now().Add(1234*time.Millisecond)
	mustSubmit(t, q, j)
	if got := <-at; got.Before(j.NotBefore) {
		t.Errorf("the call began %v too early", j.NotBefore.Sub(got))
	}
	if r := awaitResult(t, q, "a"); r.Line != "a-002" || r.Outcome != outcomeOK {
		t.Errorf("result %+v", r)
	}
}

func TestRedial(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	var mu sync.Mutex
	var at []time.Time
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 3), call: func(ctx context.Context, c *call) error {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		return errors.New("the line is noisy")
	}})
	j := testJob("a")
	j.Attempts, j.Pause = 3, map[string]Duration{"unknown": Duration(300 * time.Millisecond)}
	mustSubmit(t, q, j)
	r := awaitResult(t, q, "a")
	if r.Outcome != outcomeFailed || r.Attempt != 3 || len(r.History) != 2 || !strings.Contains(r.Error, "noisy") {
		t.Errorf("result %+v", r)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(at); i++ {
		if d := at[i].Sub(at[i-1]); d < 300*time.Millisecond {
			t.Errorf("attempt %d began %v after the one before", i+1, d)
		}
	}
}

// A worker whose clock is an hour behind makes the calls that are due all the same,
// and does not send the job to and fro.
func TestClockOfTheWorkerIsBehind(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	knowLines(t, q)
	j := testJob("a")
	j.NotBefore = time.Now().Add(time.Hour)
	first := callAttempt{Line: "a-001", Worker: "w", Started: time.Now(), Ended: time.Now(), Retry: j.NotBefore, Seq: 1 << 40}
	if _, err := q.setHistory(t.Context(), "a", []callAttempt{first}, 0); err != nil {
		t.Fatal(err)
	}
	if err := q.enqueue(t.Context(), j, time.Now().Add(100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 1), call: func(context.Context, *call) error { return nil }})
	if r := awaitResult(t, q, "a"); r.Outcome != outcomeOK || r.Attempt != 2 {
		t.Errorf("result %+v", r)
	}
}

func TestRefusedPasswordIsFinal(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 1), call: func(ctx context.Context, c *call) error {
		return &ras.Error{Op: "login", Code: ras.ErrAuthenticationFailure}
	}})
	mustSubmit(t, q, testJob("a"))
	if r := awaitResult(t, q, "a"); r.Attempt != 1 || r.Code != ras.ErrAuthenticationFailure {
		t.Errorf("result %+v", r)
	}
}

func TestCancel(t *testing.T) {
	_, q := startTestQueue(t, 2*time.Second)
	started := make(chan string, 2)
	startWorker(t, q, workerConfig{name: "w", lines: simLines("a", 2), call: func(ctx context.Context, c *call) error {
		started <- c.job.ID
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	waiting, running := testJob("waiting"), testJob("running")
	waiting.NotBefore = time.Now().Add(time.Hour)
	mustSubmit(t, q, waiting, running)
	<-started
	for _, id := range []string{"waiting", "running"} {
		if ended, err := q.cancel(t.Context(), id); err != nil || !ended {
			t.Errorf("cancel %s: %v, %v", id, ended, err)
		}
		if ended, err := q.cancel(t.Context(), id); err != nil || ended {
			t.Errorf("second cancel %s: %v, %v", id, ended, err)
		}
		if r := awaitResult(t, q, id); r.Outcome != outcomeCancelled {
			t.Errorf("result %+v", r)
		}
	}
	await(t, "the queue is empty", func() bool {
		s, err := q.status(t.Context())
		return err == nil && s.Waiting == 0 && s.Later == 0
	})
	if _, err := q.cancel(t.Context(), "never"); !errors.Is(err, errUnknownJob) {
		t.Errorf("cancel of an unknown job: %v", err)
	}
	await(t, "the line is free", func() bool {
		s, err := q.status(t.Context())
		return err == nil && len(s.Workers) == 1 && !slices.ContainsFunc(s.Workers[0].Lines, func(l lineState) bool { return l.State != stateFree })
	})
}

// exclusive counts how many calls are under way at a time.
type exclusive struct{ now, most, total atomic.Int32 }

func (e *exclusive) call(ctx context.Context, c *call) error {
	if n := e.now.Add(1); n > e.most.Load() {
		e.most.Store(n)
	}
	defer e.now.Add(-1)
	e.total.Add(1)
	pause(ctx, 5*time.Millisecond)
	return nil
}

func TestOneLineIsOneWorkers(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	e := new(exclusive)
	stop := startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 1), call: e.call})
	startWorker(t, q, workerConfig{name: "w2", lines: simLines("a", 1), call: e.call})
	for i := range 20 {
		mustSubmit(t, q, testJob(string(rune('a'+i))))
	}
	awaitResult(t, q, "a")
	stop() // the other worker takes the line over
	await(t, "20 results", func() bool { s, err := q.status(t.Context()); return err == nil && s.Results == 20 })
	if n := e.most.Load(); n != 1 {
		t.Errorf("%d calls were under way on one line", n)
	}
}

func TestOneNumberIsCalledOnceAtATime(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	e := new(exclusive)
	startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 3), call: e.call})
	startWorker(t, q, workerConfig{name: "w2", lines: simLines("b", 3), call: e.call})
	for i, number := range []string{"5550100", "555-0100", "555 0100", "(555) 0100", "5550100", "555.0100"} {
		j := testJob(string(rune('a' + i)))
		j.Number = number
		mustSubmit(t, q, j)
	}
	await(t, "6 results", func() bool { s, err := q.status(t.Context()); return err == nil && s.Results == 6 })
	if n, total := e.most.Load(), e.total.Load(); n != 1 || total != 6 {
		t.Errorf("%d calls of %d were under way to one number", n, total)
	}
}

// A worker whose lease another one holds hangs up, and the job is done again.
func TestLostLeaseHangsUp(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	ended := make(chan error, 8)
	var calls atomic.Int32
	lines := simLines("a", 1)
	startWorker(t, q, workerConfig{name: "w", lines: lines, call: func(ctx context.Context, c *call) error {
		if calls.Add(1) > 1 {
			return nil
		}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	}})
	mustSubmit(t, q, testJob("a"))
	await(t, "the call is under way", func() bool { return calls.Load() == 1 })
	host, _ := os.Hostname()
	if _, err := q.leases.Put(t.Context(), leaseKey("line", lines[0].lockName(host)), []byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errLeaseLost) {
		t.Errorf("the call ended with %v", err)
	}
	if r := awaitResult(t, q, "a"); r.Outcome != outcomeOK || r.Attempt != 2 || !r.History[0].Interrupted {
		t.Errorf("result %+v", r)
	}
}

// A worker that is started again does not begin to count anew.
func TestLimitOfALineOutlivesItsWorker(t *testing.T) {
	_, q := startTestQueue(t, 2*time.Second)
	var calls atomic.Int32
	cfg := workerConfig{name: "w1", lines: []lineConfig{{Name: "a-001", Port: "sim:a-001", Class: "modem", PerHour: 2}},
		call: func(context.Context, *call) error { calls.Add(1); return nil }}
	stop := startWorker(t, q, cfg)
	mustSubmit(t, q, testJob("a"), testJob("b"))
	awaitResult(t, q, "a")
	awaitResult(t, q, "b")
	stop()
	cfg.name = "w2"
	startWorker(t, q, cfg)
	mustSubmit(t, q, testJob("c"))
	await(t, "the line rests", func() bool {
		s, err := q.status(t.Context())
		return err == nil && len(s.Workers) == 1 && s.Workers[0].Name == "w2" && s.Workers[0].Lines[0].State == stateResting
	})
	if r, err := q.result(t.Context(), "c"); err != nil || r != nil || calls.Load() != 2 {
		t.Errorf("%d calls, result %+v, %v, want two calls in the hour", calls.Load(), r, err)
	}
}

func TestStoreIsLockedAndClosed(t *testing.T) {
	dir := t.TempDir()
	e, err := startServer(embeddedConfig{store: dir, listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.stop()
	if second, err := startServer(embeddedConfig{store: dir, listen: "127.0.0.1:0"}); err == nil {
		second.stop()
		t.Error("a second server has started on one store")
	}
	if info, err := os.Stat(e.creds); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credentials are %v, %v", info.Mode(), err)
	}
	if nc, err := connect(e.url(), ""); err == nil {
		nc.Close()
		t.Error("a client without credentials was let in")
	}
}
