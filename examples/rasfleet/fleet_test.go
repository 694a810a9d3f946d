package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("RASFLEET_MAIN") != "" { // the test binary is the program
		main()
	}
	os.Exit(m.Run())
}

// startTestQueue starts a server on a free port with a short lease.
func startTestQueue(t testing.TB, lease time.Duration) (*embedded, *Queue) {
	t.Helper()
	e, nc, err := startQueue(t.Context(), embeddedConfig{store: t.TempDir(), listen: "127.0.0.1:0"}, queueConfig{lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); e.stop() })
	q, err := openQueue(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	return e, q
}

// testSecrets are the credentials of the simulation.
var testSecrets = fstest.MapFS{"meters": {Data: []byte(simPassword + "\n")}}

// startWorker runs a worker in this process until the test or the returned function
// ends it.
func startWorker(t testing.TB, q *Queue, cfg workerConfig) (stop func()) {
	t.Helper()
	if cfg.open == nil {
		cfg.open = (&bank{}).open
	}
	if cfg.secrets == nil {
		cfg.secrets = testSecrets
	}
	cfg.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newWorker(q, cfg).run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("worker %s: %v", cfg.name, err)
		}
	}
	t.Cleanup(stop)
	q.known(t, "class."+cfg.lines[0].Class)
	return stop
}

// known waits until a class or a line is known to submit.
func (q *Queue) known(t testing.TB, key string) {
	t.Helper()
	await(t, key+" is known", func() bool { _, err := q.classes.Get(t.Context(), key); return err == nil })
}

// await waits until a condition is true.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}

// awaitResult waits for the result of a job.
func awaitResult(t testing.TB, q *Queue, id string) (r *Result) {
	t.Helper()
	await(t, "the result of "+id, func() bool {
		var err error
		if r, err = q.result(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return r != nil
	})
	return r
}

func mustSubmit(t testing.TB, q *Queue, jobs ...*Job) {
	t.Helper()
	for _, j := range jobs {
		if _, err := q.submit(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMeterIsRead(t *testing.T) {
	_, q := startTestQueue(t, 2*time.Second)
	startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 2)})
	j := simJob(1)
	mustSubmit(t, q, j)
	r := awaitResult(t, q, j.ID)
	if r.Outcome != outcomeOK || r.Code != 0 || r.Attempt != 1 || r.Worker != "w1" || r.Capture != "meter-00001-1" || r.Took == 0 {
		t.Errorf("result %+v", r)
	}
	if !strings.Contains(r.Output, "READING") || strings.Contains(r.Output, "CONNECT") {
		t.Errorf("output %q, want what the meter has sent and nothing of the modem", r.Output)
	}
}

func TestWithoutCredentials(t *testing.T) {
	_, q := startTestQueue(t, 2*time.Second)
	startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 1), secrets: fstest.MapFS{}})
	mustSubmit(t, q, simJob(1))
	if r := awaitResult(t, q, "meter-00001"); r.Outcome != outcomeFailed || r.Attempt != 0 || !strings.Contains(r.Error, "meters") {
		t.Errorf("result %+v", r)
	}
}
