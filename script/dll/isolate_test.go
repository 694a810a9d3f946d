package dll

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// wild is a child that sends arbitrary messages and then ends or keeps running.
type wild struct {
	says   []byte
	lives  bool // until it is killed
	status exitStatus
}

// start plays the child on two pipes.
func (w wild) start() process {
	fromChild, toParent := io.Pipe()
	fromParent, toChild := io.Pipe()
	p := &fakeProcess{Reader: fromChild, Writer: toChild, done: make(chan struct{}), exit: w.status}
	killed := make(chan struct{})
	p.end = func() {
		close(killed)
		toParent.Close()
		fromParent.Close()
	}
	go io.Copy(io.Discard, fromParent)
	go func() {
		defer close(p.done)
		toParent.Write(w.says)
		if w.lives {
			<-killed
		}
		toParent.Close()
		fromParent.Close()
	}()
	return p
}

var hello = (&message{kind: mHello, value: protocolVersion}).appendTo(nil)

func say(m message) []byte { return m.appendTo(bytes.Clone(hello)) }

func TestChildrenThatBreakDown(t *testing.T) {
	tests := []struct {
		name  string
		child wild
		want  error
		says  string
		takes time.Duration
	}{
		{"crashes", wild{says: hello, status: exitStatus{2, 0xC0000005}}, ras.ErrUnknown, "access violation", 0},
		{"exits", wild{says: hello, status: exitStatus{3, 0}}, ras.ErrUnknown, "exit code 3", 0},
		{"is another program", wild{status: exitStatus{2, 0}}, ras.ErrUnknown, "dll.Main", 0},
		{"is another program that runs on", wild{lives: true}, ras.ErrUnknown, "dll.Main", helloLimit},
		{"prints", wild{says: []byte("usage: program [flags]\nand more of that\n"), lives: true}, ras.ErrUnknown, "protocol", 0},
		{"is of another version", wild{says: (&message{kind: mHello, value: 99}).appendTo(nil), lives: true}, ras.ErrUnknown, "version", 0},
		{"says what only the parent says", wild{says: say(message{kind: mStart}), lives: true}, ras.ErrUnknown, "message 1", 2 * time.Second},
		{"breaks off", wild{says: say(message{kind: mDone})[:40]}, ras.ErrUnknown, "exit code 0", 0},
		{"gives half a result", wild{says: say(message{kind: mDone, data: []byte{1, 0}})}, ras.ErrUnknown, "a text", 0},
		{"cannot load the DLL", wild{says: say(message{kind: mFailed, code: ras.ErrModNotFound, data: appendTexts(nil, opLoad, "old.dll: no such thing")})}, ras.ErrModNotFound, "load DLL: error 126 ERROR_MOD_NOT_FOUND: old.dll: no such thing", 0},
		{"gives half a reason", wild{says: say(message{kind: mFailed, code: ras.ErrModNotFound, data: []byte("no")})}, ras.ErrUnknown, "a text", 0},
		{"does not end after its result", wild{says: say(message{kind: mDone, data: encodeResult(&result{})}), lives: true}, nil, "", 2 * time.Second},
		{"uses buffers that it does not have", wild{says: append(say(message{kind: mSend, buffer: 9}), say(message{kind: mDone, data: encodeResult(&result{})})[len(hello):]...)}, nil, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := runWild(t.Context(), tt.child, 0)
				if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("Run = %v, want %v and %q", err, tt.want, tt.says)
				}
				if took := time.Since(start); took != tt.takes {
					t.Errorf("it took %v, want %v", took, tt.takes)
				}
			})
		})
	}
}

func runWild(ctx context.Context, child wild, limit time.Duration) error {
	a, b := virtual.Pair()
	defer a.Close()
	defer b.Close()
	d := &DLL{path: "old.dll", cfg: Config{Log: slog.New(slog.DiscardHandler), Grace: defaultGrace, Timeout: limit}}
	d.start = func() (process, error) { return child.start(), nil }
	_, err := script.Run(ctx, a, d, nil)
	return err
}

func TestHangingChildIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := runWild(t.Context(), wild{says: hello, lives: true}, 5*time.Second)
		if !errors.Is(err, ras.ErrRequestTimeout) || !strings.Contains(err.Error(), "did not return within 2s") {
			t.Errorf("Run = %v, want a time-out that tells of the end", err)
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("it took %v, want the limit and the grace", took)
		}
	})
}

func TestCancelledChildIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := runWild(ctx, wild{says: hello, lives: true}, 0); !errors.Is(err, ras.ErrUserDisconnection) {
			t.Errorf("Run = %v, want %v", err, ras.ErrUserDisconnection)
		}
	})
}

func TestExceptionOf(t *testing.T) {
	for _, tt := range []struct {
		name     string
		code     uint32
		messages string
		want     uint32
	}{
		{"ended by Windows", 0xC00000FD, "", 0xC00000FD},
		{"ended by the Go runtime", 2, "Exception 0xc0000005 0x1 0x0 0x7fff\nPC=0x7fff\n", 0xC0000005},
		{"a DLL that prints first", 2, "login failed\nException 0xc0000094 0x0 0x0 0x1\n", 0xC0000094},
		{"a panic", 2, "panic: x\n", 0},
		{"an exit", 3, "", 0},
		{"nonsense", 2, "Exception 0xzz\n", 0},
		{"a breakpoint", 0x80000003, "", 0x80000003},
		{"an exception of C++", 0xE06D7363, "", 0xE06D7363},
		{"an exception of its own, by the Go runtime", 2, "Exception 0xe0424242 0x0 0x0 0x7fff\n", 0xE0424242},
		{"exit(-1)", 0xFFFFFFFF, "", 0},
	} {
		if got := exceptionOf(tt.code, []byte(tt.messages)); got != tt.want {
			t.Errorf("%s: exceptionOf = %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

// A child that dies while it has a request running must not leave the parent
// behind.
func TestChildDiesDuringASend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get := message{kind: mGet, id: 1, value: 1500}
		send := message{kind: mSend, buffer: 1, data: make([]byte, 1500)}
		says := say(get)
		for range 2 * maxRequests {
			says = send.appendTo(says) // the line takes none of it after a while
		}
		if err := runWild(t.Context(), wild{says: says, status: exitStatus{code: 7}}, 30*time.Second); err == nil {
			t.Error("Run = nil, want an error")
		}
	})
}

func FuzzServer(f *testing.F) {
	f.Add(say(message{kind: mGet, id: 1, value: 10}))
	f.Add(append(say(message{kind: mGet, id: 1}), (&message{kind: mReceive, id: 2, buffer: 1}).appendTo(nil)...))
	f.Fuzz(func(t *testing.T, says []byte) {
		synctest.Test(t, func(t *testing.T) {
			runWild(t.Context(), wild{says: says}, time.Minute)
		})
	})
}
