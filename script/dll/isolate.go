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

// helloLimit bounds the start of a child. A program that does not
// call Main never sends a hello.
const helloLimit = time.Minute

// process is the parent's interface to a child process.
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

// keeper kills a child process that does not end in time.
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

// supervise runs a job in a child process that has been started. It returns when
// the process and all goroutines of the run have ended.
func (d *DLL) supervise(ctx context.Context, p process, j *job, call *ras.Call) (*result, error) {
	k := &keeper{process: p, grace: d.cfg.Grace}
	startup := time.AfterFunc(helloLimit, p.kill)
	defer startup.Stop()
	out := &messageWriter{w: p}
	s := &server{
		call: call, cfg: &d.cfg, w: out, trace: traceTo(ctx, d.cfg.Log),
		slots: make(chan struct{}, maxRequests), buffers: make(map[uint32]*served),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.relay = &relay{ctx: s.ctx, undo: s.cancelReceive, event: ras.NewEvent(), idle: make(chan struct{})}
	close(s.relay.idle)
	sent := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(sent)
		k.killAfter(k.grace)
		<-s.ctx.Done() // requests that follow the cancel find the run over
		out.write(message{kind: mCancel, code: endCode(ctx)})
	})
	res, err := k.run(s, j, startup)
	exit := p.wait()
	if !stop() {
		<-sent
	}
	k.mu.Lock()
	for _, t := range k.timers {
		t.Stop()
	}
	k.mu.Unlock()
	return res, d.explain(ctx, err, exit, k.hello)
}

// run sends the child its job and serves it until it ends.
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

	// Answer requests until the child sends its result or its pipe ends. The
	// process then has the grace time to end.
	res, err := s.read(k)
	k.killAfter(k.grace)
	s.relay.stop(s.cancel)
	s.wg.Wait()
	return res, err
}

// explain returns the error of a child that ended without a result.
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
