package scp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// terminal is the user's screen and keyboard.
//
// The goroutine of Execute owns the screen. The keyboard, once it is needed, is
// read by a goroutine that sends what is typed; mu keeps it from using the call
// after stop.
type terminal struct {
	ctx  context.Context
	call *ras.Call

	pending []byte          // received and not shown yet
	masked  *ras.MaskWriter // writes to the screen
	live    bool            // show immediately

	done chan struct{} // closed when the reader has ended; nil before it starts
	more chan struct{} // closed when the user wants to go on after a halt

	mu      sync.Mutex
	open    bool // typing goes to the line
	halted  bool // typing is read by lines
	stopped bool
	after   bool   // a CR was typed last, so that a LF is part of it
	line    []byte // typed since the last line end while halted
}

// Limits of what is kept of the line and of the user's typing.
const (
	maxPending = 4096
	maxTyped   = 1024
)

func newTerminal(ctx context.Context, call *ras.Call) *terminal {
	return &terminal{ctx: ctx, call: call, masked: call.MaskStream(call.Terminal), more: make(chan struct{})}
}

// show takes received bytes. They appear by lines, so that a password that
// comes back in pieces is seen and masked as one; the rest of a line appears
// with flush.
func (t *terminal) show(b []byte) {
	t.pending = append(t.pending, b...)
	n := bytes.LastIndexAny(t.pending, "\r\n") + 1
	if t.live || len(t.pending) > maxPending {
		n = len(t.pending)
	}
	t.write(n)
}

// flush shows what was received up to now.
func (t *terminal) flush() {
	t.write(len(t.pending))
	t.masked.Flush()
}

// write shows the first n pending bytes. A screen that fails is not the
// script's trouble.
func (t *terminal) write(n int) {
	if n == 0 {
		return
	}
	t.masked.Write(t.pending[:n])
	t.pending = t.pending[:copy(t.pending, t.pending[n:])]
}

// keyboard is "set screen keyboard".
func (t *terminal) keyboard(on bool) {
	t.mu.Lock()
	t.open = on
	t.mu.Unlock()
	if on {
		t.listen()
	}
}

// listen starts the reader at first need.
func (t *terminal) listen() {
	if t.done == nil {
		t.done = make(chan struct{})
		go t.read()
	}
}

// read hands typed bytes on until the terminal ends or the script has.
func (t *terminal) read() {
	defer close(t.done)
	buf := make([]byte, 256)
	for {
		n, err := t.call.Terminal.Read(buf)
		if !t.typed(buf[:n]) || err != nil {
			return
		}
	}
}

// typed does with typed bytes what the script wants, and reports whether it
// still runs.
func (t *terminal) typed(b []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	b = t.enters(b)
	switch {
	case t.halted:
		t.lines(b)
	case t.open:
		t.send(b)
	}
	return true
}

// enters returns b with each line end, CR, LF or CR LF, as one CR.
func (t *terminal) enters(b []byte) []byte {
	out := b[:0]
	for _, c := range b {
		if c == '\n' && !t.after {
			out = append(out, '\r')
		} else if c != '\n' {
			out = append(out, c)
		}
		t.after = c == '\r'
	}
	return out
}

// lines reads the lines that a user types after a halt.
func (t *terminal) lines(b []byte) {
	for _, c := range b {
		if t.line = append(t.line, c); c != '\r' && len(t.line) < maxTyped {
			continue
		}
		word := strings.TrimSpace(string(t.line))
		if c == '\r' && (!t.open || strings.EqualFold(word, "continue")) {
			close(t.more)
			t.halted = false
			return
		}
		if t.open {
			t.send(t.line)
		}
		t.line = t.line[:0]
	}
}

// send sends what was typed. The line's failure shows at the script's own next
// command.
func (t *terminal) send(b []byte) {
	for len(b) > 0 {
		buf, err := t.call.GetBuffer(ras.MaxBuffer)
		if err != nil {
			return
		}
		n := copy(buf.Bytes(), b)
		err = t.call.SendBuffer(t.call.Port, buf, n)
		t.call.FreeBuffer(buf)
		if err != nil {
			return
		}
		b = b[n:]
	}
}

// halt tells the user that the script has stopped and waits for a line. With
// the keyboard on, the user talks to the far end meanwhile.
func (t *terminal) halt(d *script.Dialog, file string, line int) error {
	t.flush()
	t.mu.Lock()
	t.halted = true
	talk := t.open
	t.mu.Unlock()
	how := "Press Enter to continue."
	if talk {
		how = `What you type goes to the line. Type "continue" to go on.`
	}
	fmt.Fprintf(t.call.Terminal, "\r\n%s:%d: the script has stopped. %s\r\n", file, line, how)
	t.listen()
	if talk {
		return t.talk(d)
	}
	return t.await()
}

// await waits for the user and leaves the line alone.
func (t *terminal) await() error {
	select {
	case <-t.more:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	case <-t.done:
		return t.ended()
	}
}

// ended tells whether the user's last line, before the terminal ended, was the
// one to go on with.
func (t *terminal) ended() error {
	select {
	case <-t.more:
		return nil
	default:
		return ErrHalted
	}
}

// talk shows what the line brings until the user goes on.
func (t *terminal) talk(d *script.Dialog) error {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	watcher := make(chan struct{})
	go func() {
		defer close(watcher)
		defer cancel()
		select {
		case <-t.more:
		case <-t.done:
		case <-ctx.Done():
		}
	}()
	t.live = true
	_, err := d.WaitFor(ctx, 0)
	cancel()
	<-watcher
	switch {
	case t.ctx.Err() != nil:
		return context.Cause(t.ctx)
	case !errors.Is(err, context.Canceled):
		return err
	}
	return t.ended()
}

// stop ends the use of call and terminal.
func (t *terminal) stop() {
	t.flush()
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	if t.done == nil {
		return
	}
	if r, ok := t.call.Terminal.(interface{ SetReadDeadline(time.Time) error }); ok && r.SetReadDeadline(time.Unix(1, 0)) == nil {
		<-t.done
		r.SetReadDeadline(time.Time{})
	}
}
