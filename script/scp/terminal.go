package scp

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// terminal is the user's screen and keyboard.
//
// The goroutine of Execute writes to the screen, and so does a timer when the
// line has been silent; out is held by both. The keyboard, once it is needed, is
// read by a goroutine that sends what is typed; mu keeps it from using the call
// after stop.
//
//	typed        open, not halted   halted, not open   halted and open             stopped
//	CR, LF       sent               the script goes on sent                        not read
//	Ctrl-]       sent               ignored            the script goes on          not read
//	other keys   sent               ignored            sent                        not read
//
// With neither open nor halted, keys are read and dropped.
type terminal struct {
	ctx  context.Context
	call *ras.Call

	out    sync.Mutex      // guards masked and idle
	masked *ras.MaskWriter // writes to the screen
	idle   *time.Timer     // flushes masked; nil before the first byte

	done chan struct{} // closed when the reader has ended; nil before it starts
	more chan struct{} // closed when the user wants to continue after a halt

	mu      sync.Mutex // guards what follows
	open    bool       // typing goes to the line
	halted  bool       // the user decides when the script continues
	stopped bool
	after   bool // a CR was typed last, so that a LF is part of it
}

const (
	// showAfter is how long the line must be silent before what may be the
	// beginning of a secret is shown, masked: a prompt that ends like one must
	// not wait for more.
	showAfter = 100 * time.Millisecond

	// goOn is the key with which a user who talks to the peer lets a halted
	// script continue.
	goOn = script.DefaultEscape
)

// show shows received bytes as they arrive, but for the beginning of a secret. A
// screen that fails does not end the script.
func (t *terminal) show(b []byte) {
	t.out.Lock()
	defer t.out.Unlock()
	t.masked.Write(b)
	if t.idle == nil {
		t.idle = time.AfterFunc(showAfter, t.flush)
	} else {
		t.idle.Reset(showAfter)
	}
}

// flush shows what was received up to now.
func (t *terminal) flush() {
	t.out.Lock()
	defer t.out.Unlock()
	t.masked.Flush()
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

// talking reports whether the user's typing goes to the line.
func (t *terminal) talking() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// listen starts the reader at first need.
func (t *terminal) listen() {
	if t.done == nil {
		t.done = make(chan struct{})
		go func() { // ends with the terminal, or at the first key after stop
			defer close(t.done)
			buf := make([]byte, 256)
			for {
				n, err := t.call.Terminal.Read(buf)
				if !t.typed(buf[:n]) || err != nil {
					return
				}
			}
		}()
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
	out := b[:0]
	for _, c := range b {
		if c == '\n' && !t.after {
			out = append(out, '\r')
		} else if c != '\n' {
			out = append(out, c)
		}
		t.after = c == '\r'
	}
	b = out
	switch {
	case t.halted && !t.open:
		if bytes.IndexByte(b, '\r') >= 0 {
			t.resume()
		}
	case t.halted:
		end := bytes.IndexByte(b, goOn)
		if end < 0 {
			t.send(b)
			break
		}
		t.send(b[:end])
		t.resume()
	case t.open:
		t.send(b)
	}
	return true
}

// resume lets a halted script continue.
func (t *terminal) resume() {
	close(t.more)
	t.halted = false
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

// ended reports whether the user's last key, before the terminal ended, was the
// one to continue with.
func (t *terminal) ended() error {
	select {
	case <-t.more:
		return nil
	default:
		return ErrHalted
	}
}

// talk shows what the line brings until the user continues.
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
	t.out.Lock()
	if t.idle != nil {
		t.idle.Stop()
	}
	t.masked.Flush()
	t.out.Unlock()
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
