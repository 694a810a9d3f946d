package ras_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// The tests named Decision and a number hold the points that the published
// documentation of the callbacks leaves open.

func TestDecision01RetrieveAfterTimeout(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		start := time.Now()
		b.wait(b.post(buf, 3*time.Second))
		if d := time.Since(start); d != 3*time.Second {
			b.Errorf("the event came after %v, want 3s", d)
		}
		err := b.retrieveFails(buf, ras.ErrRequestTimeout)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			b.Errorf("%v does not match os.ErrDeadlineExceeded", err)
		}
		b.farSends("alive")
		b.receive(buf, "alive")
	})
}

func TestDecision02TimeoutSignalsTheEvent(t *testing.T) {
	onBench(t, func(b *bench) {
		ev := b.post(b.buffer(0), time.Millisecond)
		if err := ev.Wait(b.Context()); err != nil {
			b.Errorf("Wait: %v", err)
		}
	})
}

func TestDecision03SecondReceiveIsRefused(t *testing.T) {
	onBench(t, func(b *bench) {
		buf, other := b.buffer(0), b.buffer(0)
		ev := b.post(buf, 0)
		b.code(b.s.ReceiveBuffer(b.h, other, 0, ras.NewEvent()), ras.ErrAsyncRequestPending)
		b.farSends("first")
		b.wait(ev)
		b.retrieve(buf, "first")
	})
}

func TestDecision04RetrieveBeforeTheSignal(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, 0)
		b.retrieveFails(buf, ras.ErrPending)
		b.farSends("later")
		b.wait(ev)
		b.retrieve(buf, "later")
	})
}

func TestDecision04PollingScriptGetsItsBytes(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		b.post(buf, 0)
		b.farSends("polled")
		for range 1000 {
			n, err := b.s.RetrieveBuffer(b.h, buf)
			if err == nil {
				if got := string(buf.Bytes()[:n]); got != "polled" {
					b.Errorf("got %q", got)
				}
				return
			}
			b.code(err, ras.ErrPending)
			<-time.After(time.Millisecond)
		}
		b.Error("a script that never looks at its event never got its bytes")
	})
}

func TestDecision05RetrieveWithoutReceive(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		b.retrieveFails(buf, ras.ErrInvalidParameter)
		b.farSends("x")
		b.receive(buf, "x")
		b.retrieveFails(buf, ras.ErrInvalidParameter)
		b.s.Fail(ras.ErrIdleTimeout)
		b.retrieveFails(buf, ras.ErrIdleTimeout)
	})
}

func TestDecision06OneByteCompletes(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(10)
		ev := b.post(buf, 0)
		b.farSends("x")
		b.wait(ev)
		b.retrieve(buf, "x")
		b.farSends("ab")
		b.farSends("cd")
		b.receive(buf, "abcd")
	})
}

func TestDecision07RestStaysFirst(t *testing.T) {
	onBench(t, func(b *bench) {
		large, small := b.buffer(8), b.buffer(3)
		b.farSends("12345678")
		b.wait(b.post(large, 0))
		b.retrieve(small, "123")
		start := time.Now()
		b.receive(small, "456")
		b.farSends("9")
		b.receive(small, "78")
		b.receive(small, "9")
		if time.Since(start) != 0 {
			b.Error("a receive with bytes in the queue did not complete at once")
		}
	})
}

func TestDecision08CapacityIsTheGrantedSize(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(2)
		b.farSends("xyz")
		b.receive(buf, "xy")
	})
}

func TestDecision09ReceiveWritesNothing(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(4)
		b.farSends("data")
		ev := b.post(buf, 0)
		b.wait(ev)
		if got := string(buf.Bytes()); got != "\x00\x00\x00\x00" {
			b.Errorf("ReceiveBuffer wrote %q into the buffer", got)
		}
		b.retrieve(buf, "data")
	})
}

func TestDecision10RetrieveMayUseAnotherBuffer(t *testing.T) {
	onBench(t, func(b *bench) {
		posted, other := b.buffer(4), b.buffer(4)
		b.farSends("data")
		b.wait(b.post(posted, 0))
		b.retrieve(other, "data")
		if got := string(posted.Bytes()); got != "\x00\x00\x00\x00" {
			b.Errorf("the posted buffer holds %q, want nothing", got)
		}
	})
}

func TestDecision11UnpostedInputStaysInThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(16))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		defer s.Close()
		far.SetWriteDeadline(time.Now().Add(time.Second))
		text := strings.Repeat("0123456789", 10)
		n, err := far.Write([]byte(text))
		if n >= 100 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("with nothing posted, Write = %d, %v; want a writer that is held", n, err)
		}
		if got := s.Stats().Received; got != 0 {
			t.Errorf("%d bytes were read with nothing posted", got)
		}
		b := &bench{t, s, s.Handle(), near, far}
		buf := b.buffer(0)
		b.wait(b.post(buf, 0))
		if got, err := s.RetrieveBuffer(b.h, buf); err != nil || !strings.HasPrefix(text, string(buf.Bytes()[:got])) {
			t.Errorf("RetrieveBuffer = %d, %v: %q", got, err, buf.Bytes()[:got])
		}
	})
}

func TestDecision11OverrunIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		told := false
		p := &fault{Port: near}
		p.read = func(b []byte) (int, error) {
			if !told {
				told = true
				n := copy(b, "rest")
				return n, &port.OpError{Op: "read", Err: port.ErrOverrun}
			}
			return near.Read(b)
		}
		s := ras.NewSession(p, nil)
		defer s.Close()
		b := &bench{t, s, s.Handle(), near, far}
		buf := b.buffer(0)
		b.wait(b.post(buf, 0))
		b.retrieveFails(buf, ras.ErrOverrun)
		b.receive(buf, "rest")
		b.farSends("more")
		b.receive(buf, "more")
	})
}

func TestDecision12And13NoLimit(t *testing.T) {
	for _, timeout := range []time.Duration{0, -1, math.MinInt64, math.MaxInt64} {
		onBench(t, func(b *bench) {
			buf := b.buffer(0)
			ev := b.post(buf, timeout)
			select {
			case <-ev.C():
				b.Errorf("timeout %d: the event came without data", timeout)
			case <-time.After(100 * 24 * time.Hour):
			}
			b.farSends("x")
			b.wait(ev)
			b.retrieve(buf, "x")
		})
	}
}

func TestDecision14PostingResetsTheEvent(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := ras.NewEvent()
		ev.Set()
		b.code(b.s.ReceiveBuffer(b.h, buf, time.Second, ev), ras.Success)
		start := time.Now()
		b.wait(ev)
		if time.Since(start) != time.Second {
			b.Error("a stale signal ended the wait")
		}
		b.retrieveFails(buf, ras.ErrRequestTimeout)
	})
}

func TestDecision14DataAlreadyThere(t *testing.T) {
	onBench(t, func(b *bench) {
		large, small := b.buffer(4), b.buffer(2)
		b.farSends("abcd")
		b.wait(b.post(large, 0))
		b.retrieve(small, "ab")
		ev := ras.NewEvent()
		b.code(b.s.ReceiveBuffer(b.h, small, time.Second, ev), ras.Success)
		select {
		case <-ev.C():
		default:
			b.Error("bytes were queued, and the event was not set when ReceiveBuffer returned")
		}
	})
}

func TestDecision15EventResetsWhenTaken(t *testing.T) {
	ev := ras.NewEvent()
	ev.Set()
	ev.Set()
	<-ev.C()
	select {
	case <-ev.C():
		t.Error("setting an event twice gave two signals")
	default:
	}
	ev.Set()
	ev.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ev.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait on an event that was reset = %v, want the context's end", err)
	}
	ev.Set()
	if err := ev.Wait(ctx); err != nil {
		t.Errorf("Wait on an event that is set = %v: the event wins", err)
	}
}

func TestDecision16NoEvent(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		b.code(b.s.ReceiveBuffer(b.h, buf, 0, nil), ras.ErrInvalidHandle)
		b.code(b.s.ReceiveBuffer(b.h, buf, 0, new(ras.Event)), ras.ErrInvalidHandle)
		b.retrieveFails(buf, ras.ErrInvalidParameter)
	})
}

func TestDecision17DataThenDisconnect(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, 0)
		b.farSends("bye")
		b.wait(ev)
		b.far.Close()
		b.retrieve(buf, "bye")
		b.wait(b.post(buf, 0))
		b.retrieveFails(buf, ras.ErrRemoteDisconnection)
	})
}

func TestDecision18DataAtTheLimitWins(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, time.Second)
		<-time.After(999 * time.Millisecond)
		b.farSends("in time")
		<-time.After(time.Second) // nobody looked in time, yet it came in time
		b.wait(ev)
		b.retrieve(buf, "in time")
	})
}

func TestDecision18AfterExpiryBytesStay(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, time.Second)
		b.wait(ev)
		b.farSends("late")
		b.retrieveFails(buf, ras.ErrRequestTimeout)
		b.receive(buf, "late")
	})
}

func TestDecision19ReceiveOnDeadPort(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		b.far.Close()
		b.wait(b.post(buf, 0))
		b.retrieveFails(buf, ras.ErrRemoteDisconnection)
		ev := ras.NewEvent()
		b.code(b.s.ReceiveBuffer(b.h, buf, 0, ev), ras.Success)
		select {
		case <-ev.C():
		default:
			b.Error("the event was not set at once")
		}
		b.retrieveFails(buf, ras.ErrRemoteDisconnection)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestUnreceiveComesFirst(t *testing.T) {
	onBench(t, func(b *bench) {
		large, small := b.buffer(6), b.buffer(2)
		b.farSends("abcdef")
		b.wait(b.post(large, 0))
		b.retrieve(small, "ab")
		b.s.ReturnBytes(b.h, []byte("yz"))
		b.receive(large, "yzcdef")
		ev := b.post(large, 0)
		b.s.ReturnBytes(b.h, []byte("back"))
		b.wait(ev)
		b.retrieve(large, "back")
		if got := b.s.Stats().Received; got != 6 {
			b.Errorf("%d bytes are counted as received, want those that came, 6", got)
		}
	})
}

func TestCancelReceiveFreesTheBuffer(t *testing.T) {
	for _, background := range []bool{false, true} {
		t.Run(fmt.Sprintf("background=%v", background), func(t *testing.T) {
			onBench(t, func(b *bench) {
				buf := b.buffer(0)
				ev := b.post(buf, 0)
				if background {
					ev.C()
					synctest.Wait()
				}
				b.s.CancelPosted(b.h)
				b.code(b.s.FreeBuffer(buf), ras.Success)
				again := b.buffer(0)
				b.farSends("x")
				b.receive(again, "x")
			})
		})
	}
}
