package rfc2217

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
)

// control carries out commands as they arrive, until the session ends.
func (x *session) control() {
	defer x.line.breakOff()
	for {
		select {
		case u := <-x.urgent:
			switch {
			case u.ran != nil:
				close(u.ran)
			case len(u.cmd) == 0:
				// Carry out the BRK of a plain Telnet client. During a break it has
				// no effect.
				l := &x.line
				select {
				case <-l.broken:
					l.breakOff()
				default:
				}
				if l.breaking == nil {
					l.beginBreak(u.at, 0, func(bool) {})
				}
			case u.cmd[0] == cmdPurge:
				x.purge(u.cmd[1], u.at)
			default:
				x.line.command(u.cmd[0], u.cmd[1:], u.at)
			}
		case <-x.ctx.Done():
			return
		}
	}
}

// write does what is in the queue, until the queue is closed and empty or the
// session is over.
func (x *session) write() {
	defer x.queue.writerEnded()
	for {
		e, ok := x.queue.next()
		if !ok || x.ctx.Err() != nil {
			return
		}
		err := error(nil)
		switch {
		case len(e.data) > 0:
			x.setStepDeadline()
			n := 0
			n, err = x.port.Write(e.data)
			x.queue.done(n)
			x.touch()
		case x.runOrdered(e.command, &err):
			x.queue.commandDone()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.end(portError("write", err))
		}
	}
}

// runOrdered carries out a command that is ordered with the data. It reports
// false if a purge or the end has interrupted it, after which it is repeated.
func (x *session) runOrdered(c ordered, err *error) bool {
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	x.mu.Lock()
	if x.writePaused {
		x.mu.Unlock()
		return false
	}
	x.endCommand = cancel
	if x.stepped && !x.over {
		x.stepped = false
		x.port.SetWriteDeadline(time.Time{})
	}
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.endCommand = nil
		x.mu.Unlock()
	}()
	if len(c.cmd) > 0 {
		select {
		case <-c.after:
		case <-ctx.Done():
			return false
		}
		return x.line.setMode(ctx, c.cmd[0], c.cmd[1:])
	}
	// A timing mark is answered when all before it has left the port.
	if d, ok := x.port.(port.Drainer); ok {
		switch derr := d.Drain(ctx); {
		case ctx.Err() != nil:
			return false
		case derr != nil && !errors.Is(derr, errors.ErrUnsupported):
			*err = derr
			return true
		}
	}
	x.tc.Send(telnet.IAC, telnet.WILL, telnet.TimingMark)
	return true
}

// directTimeout bounds a write of the reader, which reads no commands meanwhile.
// The deadline is moved when half of it is left.
const directTimeout = 20 * time.Millisecond

// writeDirect writes data to the port, if the writer has nothing to do, and
// returns how much the port has accepted. The rest is queued.
func (x *session) writeDirect(data []byte) (n int) {
	if !x.queue.startDirect() {
		return 0
	}
	defer func() { x.queue.endDirect(n) }()
	x.mu.Lock()
	if x.over || x.writePaused || x.steps > 0 {
		x.mu.Unlock()
		return 0
	}
	if now := time.Now(); !x.stepped || x.stepEnd.Sub(now) < directTimeout/2 {
		x.stepped, x.stepEnd = true, now.Add(directTimeout)
		x.port.SetWriteDeadline(x.stepEnd)
	}
	x.mu.Unlock()
	n, err := x.port.Write(data)
	x.touch()
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		x.end(portError("write", err))
	}
	return n
}

// clearStepDeadline removes the write deadline that shows progress, for calls of
// the port that obey it too.
func (x *session) clearStepDeadline() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stepped && !x.over && !x.writePaused && x.steps == 0 {
		x.stepped = false
		x.port.SetWriteDeadline(time.Time{})
	}
}

// startSteps makes write show its progress every progressInterval.
func (x *session) startSteps() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.steps++
	if x.steps == 1 && !x.over && !x.writePaused && x.endCommand == nil {
		x.stepped, x.stepEnd = true, past
		x.port.SetWriteDeadline(past) // ends the write at work
	}
}

func (x *session) endSteps() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.steps--
}

// setStepDeadline sets the port's write deadline before a write, if it needs
// one.
func (x *session) setStepDeadline() {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.over || x.writePaused:
	case x.steps > 0:
		x.stepped, x.stepEnd = true, time.Now().Add(progressInterval)
		x.port.SetWriteDeadline(x.stepEnd)
	case x.stepped:
		x.stepped = false
		x.port.SetWriteDeadline(time.Time{})
	}
}

// pauseWrite interrupts write and waits until it is parked, up to the call of
// resume.
func (x *session) pauseWrite() (resume func()) {
	x.queue.setPaused(true)
	x.mu.Lock()
	x.writePaused = true
	if !x.over {
		x.port.SetWriteDeadline(past)
	}
	if x.endCommand != nil {
		x.endCommand()
	}
	x.mu.Unlock()
	x.queue.awaitParked(x.ctx)
	return func() {
		x.mu.Lock()
		x.writePaused, x.stepped = false, false
		if !x.over {
			x.port.SetWriteDeadline(time.Time{})
		}
		x.mu.Unlock()
		x.queue.setPaused(false)
	}
}

// pauseSend interrupts send and waits until it is parked, up to the call of resume.
// What it has read and not sent is dropped.
func (x *session) pauseSend() (resume func()) {
	x.tc.DiscardWrites(true)
	x.mu.Lock()
	x.readPaused = true
	if !x.over {
		x.port.SetReadDeadline(past)
	}
	for !x.readParked && !x.over {
		changed := x.readChanged.Changed()
		x.mu.Unlock()
		<-changed
		x.mu.Lock()
	}
	x.mu.Unlock()
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.readPaused = false
		if !x.over {
			x.port.SetReadDeadline(time.Time{})
			x.tc.DiscardWrites(false)
		}
		x.readChanged.Notify()
	}
}

// purge empties the queues in the directions of v, in the port and here, and
// acknowledges that (RFC 2217, section 3). What the client had sent before the
// command is dropped, and nothing that the port had received before is sent
// after the acknowledgement.
func (x *session) purge(v byte, at place) {
	d := port.Direction(v)
	if d == 0 || d > port.Input|port.Output {
		return
	}
	if d&port.Output != 0 {
		defer x.pauseWrite()()
		x.queue.discard(at)
	}
	if d&port.Input != 0 {
		defer x.pauseSend()()
	}
	err := error(nil)
	if p, ok := x.port.(port.Drainer); ok {
		err = p.Discard(d)
	}
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		x.line.notify(cmdPurge, v)
	}
}

// send copies from the port to the client.
func (x *session) send() {
	buf := make([]byte, bufferMin)
	for x.awaitReading() {
		n, err := x.port.Read(buf)
		if n > 0 {
			x.watchdog.start()
			switch _, werr := x.tc.Write(buf[:n]); {
			case werr == telnet.ErrDiscarded:
			case werr != nil:
				x.end(werr)
				return
			}
			x.touch()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.end(portError("read", err))
			return
		}
		if n == len(buf) && n < bufferMax {
			buf = make([]byte, bufferMax)
		}
	}
}

// awaitReading parks send while it is paused, and reports false once the
// session is over.
func (x *session) awaitReading() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.readPaused && !x.over {
		x.readParked = true
		x.readChanged.Notify()
		changed := x.readChanged.Changed()
		x.mu.Unlock()
		<-changed
		x.mu.Lock()
	}
	x.readParked = false
	return !x.over
}

// portFailure is the end of the shared port.
type portFailure struct {
	op  string
	err error
}

// Error names the operation that failed, and the cause.
func (e *portFailure) Error() string {
	if errors.Is(e.err, net.ErrClosed) {
		return "the shared port was closed"
	}
	return fmt.Sprintf("%s the shared port: %v", e.op, e.err)
}

// Unwrap returns the cause.
func (e *portFailure) Unwrap() error { return e.err }

func portError(op string, err error) error { return &portFailure{op, err} }
