package dll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
)

// helloLimit is how long a child may take to start. A program that does not
// call Main never sends a hello.
const helloLimit = time.Minute

// process is a child process as its parent sees it.
type process interface {
	io.Reader // the child's messages
	io.Writer // messages to the child

	// kill ends the process, if it still runs, and all that it started, which
	// ends the pipes.
	kill()

	// wait returns when the process has ended and frees everything.
	wait() exitStatus
}

// exitStatus is how a process ended.
type exitStatus struct {
	code      uint32
	exception uint32 // 0: none
}

// keeper bounds the life of a child process.
type keeper struct {
	process
	grace time.Duration
	hello bool // the child has sent its hello

	mu     sync.Mutex // guards timers
	timers []*time.Timer
}

// killAfter ends the process if it still runs after d.
func (k *keeper) killAfter(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timers = append(k.timers, time.AfterFunc(d, k.kill))
}

func (k *keeper) stopTimers() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.timers {
		t.Stop()
	}
	k.timers = nil
}

// supervise runs a job in a child process that has been started. It returns
// when the process has ended, and no goroutine of its own runs any more.
func (d *DLL) supervise(ctx context.Context, p process, j *job, call *ras.Call) (*result, error) {
	k := &keeper{process: p, grace: d.cfg.Grace}
	startup := time.AfterFunc(helloLimit, p.kill)
	defer startup.Stop()
	out := &messageWriter{w: p}
	s := newServer(ctx, call, &d.cfg, out)
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		k.killAfter(k.grace)
		<-s.ctx.Done() // what the child does when it hears of it finds the run over
		out.write(message{kind: mCancel, code: endCode(ctx)})
	})
	res, err := k.run(s, j, startup)
	exit := p.wait()
	if !stop() {
		<-told
	}
	k.stopTimers()
	return res, d.explain(ctx, err, exit, k.hello)
}

// run gives the child its job and serves it to its end.
func (k *keeper) run(s *server, j *job, startup *time.Timer) (*result, error) {
	m, err := readMessage(k)
	switch {
	case err != nil && !errors.Is(err, errProtocol):
		err = errEnded
	case err == nil && (m.kind != mHello || m.value != protocolVersion):
		err = fmt.Errorf("%w: it is of another version", errProtocol)
	}
	if err != nil {
		k.kill()
		return nil, err
	}
	k.hello = true
	startup.Stop()
	start := message{kind: mStart, data: encodeJob(j)}
	if s.trace != nil {
		start.value |= flagTrace
	}
	if s.cfg.Strict {
		start.value |= flagStrict
	}
	if err := s.w.write(start); err != nil {
		k.kill()
		return nil, errEnded
	}
	clear(start.data)
	// Answer requests until the child sends its result or its pipe ends, then
	// call ended and wait until no request is running.
	{
		res, err := s.read(k)
		// The child has sent its result or broken its pipe; it has time to end.
		k.killAfter(k.grace)
		s.relay.stop(s.cancel)
		s.wg.Wait()
		return res, err
	}
}

// explain turns the end of a child that sent no result into an error.
func (d *DLL) explain(ctx context.Context, err error, exit exitStatus, hello bool) error {
	switch {
	case err == nil || !errors.Is(err, errEnded) && !errors.Is(err, errProtocol):
		return err
	case ctx.Err() != nil:
		cause := context.Cause(ctx)
		return &ras.Error{Op: entryPoint, Code: ras.Cause(cause),
			Err: fmt.Errorf("%s did not return within %v of being cancelled and was ended: %w", d.path, d.cfg.Grace, cause)}
	case errors.Is(err, errProtocol):
		return &ras.Error{Op: entryPoint, Code: ras.ErrUnknown, Err: err}
	case !hello:
		return &ras.Error{Op: entryPoint, Code: ras.ErrUnknown,
			Err: fmt.Errorf("the child process ended with exit code %d before the DLL ran: does its main call dll.Main first?", exit.code)}
	}
	return &ras.Error{Op: entryPoint, Code: ras.ErrUnknown,
		Err: &CrashError{Path: d.path, ExitCode: exit.code, Exception: exit.exception}}
}
