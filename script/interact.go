package script

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"time"

	"github.com/rasline/rasline/ras"
)

// DefaultEscape is the key that ends Interact unless another is set: Ctrl-].
const DefaultEscape = 0x1d

// InteractConfig holds the settings of Interact. The zero InteractConfig and a
// nil one work.
type InteractConfig struct {
	// Escape is the key that ends the session. It is not sent. Default, and
	// for 0: DefaultEscape. Negative: no key ends it.
	Escape int

	// Until ends the session when the peer has sent one of these, which is
	// shown and consumed. Default: nothing the peer sends ends it.
	Until []Pattern

	// Timeout bounds the session. Default, and for 0 or less: no limit.
	Timeout time.Duration
}

// Interact lets the user talk to the peer: what the peer sends is written to the
// terminal as it arrives, and what is read from the terminal is sent, byte for
// byte, until the escape key, the end of the terminal's input, a text of Until,
// or the end of ctx. The terminal should be in raw mode. Watches are served. It
// returns nil for the escape key, the end of the terminal's input and Until.
//
// What the peer sends reaches the terminal as it is, terminal sequences
// included. What was typed and not sent when Interact returns is sent first by
// the next one. A Read of the terminal is under way when Interact returns. If the
// terminal has a SetReadDeadline, as a net.Conn and a port have, it is ended;
// otherwise it continues, and what it reads is the first input of the next
// Interact of the Dialog on that terminal. A panic of the terminal's Read is an
// error of Interact.
func (d *Dialog) Interact(ctx context.Context, terminal io.ReadWriter, cfg *InteractConfig) error {
	var c InteractConfig
	if cfg != nil {
		c = *cfg
	}
	if c.Escape == 0 {
		c.Escape = DefaultEscape
	}
	// Values that cannot be compared are not the same terminal.
	if d.keys == nil || !reflect.ValueOf(terminal).Comparable() || !reflect.ValueOf(d.keys.from).Comparable() || d.keys.from != io.Reader(terminal) {
		d.keys = &keyboard{from: terminal, input: make(chan []byte, 1)}
	}
	talking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	sent := make(chan error, 1)
	// The goroutine ends when talking does, or when the user has ended the session;
	// Interact waits for it.
	go func() {
		err := errGoexit
		defer func() {
			sent <- err
			stop(errors.Join(errTyped, err))
		}()
		err = protected("interact", d.call, func() error { return d.typed(talking, sending, c.Escape) })
	}()
	m, err := d.ReadUntil(talking, terminal, c.Timeout, c.Until...)
	if err == nil {
		_, err = terminal.Write(m.Text)
	}
	stop(nil)
	defer time.AfterFunc(interruptLimit, stopSending).Stop()
	typed := <-sent // the keyboard is ours from here on
	d.keys.interrupt()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &Error{Op: "interact", Err: ras.ContextError(ctx)}
	case errors.Is(err, errTyped):
		return typed
	}
	return err
}

var (
	errTyped  = errors.New("the user has ended the session")
	errGoexit = errors.New("the terminal or a callback has ended its goroutine")
)

// typed sends what the user types, until the escape key, the end of the input or
// the end of ctx. What was read before ctx ended is sent under a context of its
// own, since a send that is cancelled may have sent a part. It uses the call
// alone, since the Dialog is waiting meanwhile.
func (d *Dialog) typed(ctx, sending context.Context, escape int) error {
	for {
		b, err := d.keys.read(ctx)
		if ctx.Err() != nil {
			d.keys.rest = b
			return nil
		}
		end := -1
		if escape >= 0 {
			end = bytes.IndexByte(b, byte(escape))
		}
		if end >= 0 {
			d.keys.rest = bytes.Clone(b[end+1:])
			b = b[:end]
		}
		if len(b) > 0 {
			if err := d.call.Send(sending, b); err != nil {
				return &Error{Op: "send", Err: err}
			}
		}
		switch {
		case end >= 0 || errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &Error{Op: "read the terminal", Err: err}
		}
	}
}

// keyboard reads a terminal on a goroutine of its own, since a Read of one can
// often not be ended. The goroutine ends with that Read. The fields belong to the
// caller of read and interrupt, of which one runs at a time.
type keyboard struct {
	from    io.Reader
	input   chan []byte // what one Read returned; nil after an error
	reading bool        // a Read is under way or its result is in input
	rest    []byte      // typed and not sent: after the escape key, or at the end of a session
	err     error       // of the last Read, set before input is sent
	panic   any         // of the last Read, as err
}

// read returns what is typed next.
func (k *keyboard) read(ctx context.Context) ([]byte, error) {
	if len(k.rest) > 0 {
		b := k.rest
		k.rest = nil
		return b, nil
	}
	if !k.reading {
		k.reading = true
		if t, ok := k.from.(interface{ SetReadDeadline(time.Time) error }); ok {
			t.SetReadDeadline(time.Time{})
		}
		go func() {
			b := make([]byte, 512)
			n := 0
			k.err = errGoexit
			defer func() {
				k.panic = recover()
				k.input <- b[:max(0, min(n, len(b)))]
			}()
			n, k.err = k.from.Read(b)
		}()
	}
	select {
	case b := <-k.input:
		k.reading = false
		if k.panic != nil {
			panic(k.panic) // where it can be recovered
		}
		return b, k.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// interruptLimit bounds a Read whose deadline has passed, and a send that has begun
// when a session ends.
const interruptLimit = time.Second

// interrupt ends a Read that is under way, if the terminal can do that. No
// other call of the keyboard may run.
func (k *keyboard) interrupt() {
	t, ok := k.from.(interface{ SetReadDeadline(time.Time) error })
	if !ok || !k.reading || t.SetReadDeadline(time.Unix(1, 0)) != nil {
		return
	}
	defer t.SetReadDeadline(time.Time{})
	limit := time.NewTimer(interruptLimit)
	defer limit.Stop()
	select {
	case b := <-k.input:
		k.rest = append(k.rest, b...)
		k.reading = false
	case <-limit.C: // the terminal ignores deadlines; the Read continues
	}
}
