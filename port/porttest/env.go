package porttest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
)

const (
	limit = 10 * time.Second       // for a step
	brief = 30 * time.Millisecond  // a wait that is meant to pass
	near  = 200 * time.Millisecond // a deadline that is moved before it passes
	long  = time.Hour              // a wait that is not meant to pass

	plenty = 1 << 18 // bytes that fit no buffer that is full already
)

// reporter is what the checks need of *testing.T. The tests of the suite have
// another one, to see that broken ports fail.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Skipf(format string, args ...any)
}

var _ reporter = (*testing.T)(nil)

// env is the surroundings of one check. The check runs in a goroutine of its
// own, so that one that hangs can be reported.
type env struct {
	t     reporter
	check Check
	a, b  port.Port

	beat chan struct{} // a step has begun
	done chan struct{} // the check has returned

	mu    sync.Mutex // guards what follows
	tasks []*task
	step  string // what the check is doing
	skip  string // why it stopped without a failure
	over  bool   // nothing is reported any more
}

func newEnv(t reporter, c Check, a, b port.Port) *env {
	return &env{
		t: t, check: c, a: a, b: b,
		beat: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
}

// run runs the check and closes the ports.
func (e *env) run() {
	e.t.Helper()
	go func() {
		defer close(e.done)
		e.check.run(e)
	}()
	e.watch()
	e.cleanUp()
	e.mu.Lock()
	skip := e.skip
	e.mu.Unlock()
	if skip != "" {
		e.t.Skipf("%s", skip)
	}
}

// watch waits for the check, and reports a step that takes too long.
func (e *env) watch() {
	e.t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-e.beat:
			timer.Reset(limit)
		case <-timer.C:
			e.mu.Lock()
			step := e.step
			e.mu.Unlock()
			e.hangs(step)
			return
		}
	}
}

// cleanUp closes the ports and waits for all that runs on them.
func (e *env) cleanUp() {
	e.t.Helper()
	gone := make(chan struct{})
	go func() { // ends with the last call; one that does not end is reported below
		defer close(gone)
		e.closing(e.a)
		e.closing(e.b)
		e.join()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
		e.hangs("Close of both ports after the check, and the end of all calls")
	}
}

// join waits for the check and its tasks.
func (e *env) join() {
	<-e.done
	e.mu.Lock()
	tasks := e.tasks
	e.mu.Unlock()
	for _, t := range tasks {
		<-t.done
	}
}

// hangs reports a step that does not return, and makes it the last report: what
// the check reports from now on, in a goroutine that is not waited for, is
// dropped.
func (e *env) hangs(step string) {
	e.t.Helper()
	buf := make([]byte, 32<<10)
	e.errorf("%s: not done after %v\n%s", step, limit, buf[:runtime.Stack(buf, true)])
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
}

// doing names the next step, which has the full limit.
func (e *env) doing(format string, args ...any) {
	e.mu.Lock()
	e.step = fmt.Sprintf(format, args...)
	e.mu.Unlock()
	select {
	case e.beat <- struct{}{}:
	default:
	}
}

// errorf reports a failure together with the promise that was broken.
func (e *env) errorf(format string, args ...any) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.t.Errorf("%s\n\tpromise: %s", fmt.Sprintf(format, args...), e.check.Explanation)
	}
}

// fatalf reports a failure and ends the check. Only the check's own goroutine
// may call it, as with skipf.
func (e *env) fatalf(format string, args ...any) {
	e.t.Helper()
	e.errorf(format, args...)
	runtime.Goexit()
}

// skipf ends the check because the ports lack something.
func (e *env) skipf(format string, args ...any) {
	e.mu.Lock()
	e.skip = fmt.Sprintf(format, args...)
	e.mu.Unlock()
	runtime.Goexit()
}

// must ends the check if what failed.
func (e *env) must(what string, err error) {
	e.t.Helper()
	if err != nil {
		e.fatalf("%s: %v; want no error", what, err)
	}
}

// both returns the two ports, for checks that are done on each.
func (e *env) both() [2]port.Port { return [2]port.Port{e.a, e.b} }

// A task is a call that runs beside the check.
type task struct {
	what string
	done chan struct{}
	n    int
	err  error
}

// start runs f as a task, which the closing of the ports must end.
func (e *env) start(what string, f func() (int, error)) *task {
	t := &task{what: what, done: make(chan struct{})}
	e.mu.Lock()
	e.tasks = append(e.tasks, t)
	e.mu.Unlock()
	go func() {
		defer close(t.done)
		defer func() {
			if v := recover(); v != nil {
				t.err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		t.n, t.err = f()
	}()
	return t
}

// wait returns the result of t.
func (e *env) wait(t *task) (int, error) {
	e.doing("%s", t.what)
	<-t.done
	return t.n, t.err
}

// running ends the check if t has returned already.
func (e *env) running(t *task) {
	e.t.Helper()
	select {
	case <-t.done:
		e.fatalf("%s returned %d, %v; want it to block", t.what, t.n, t.err)
	default:
	}
}
