package ras_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

func TestDecision20And21And22GrantedSizes(t *testing.T) {
	tests := []struct{ ask, want int }{
		{1501, 1500}, {1 << 30, 1500}, // 20: too much
		{0, 1500}, {-1, 1500}, // 21: nothing
		{1, 1}, {80, 80}, {1500, 1500}, // 22: exactly what was asked for
	}
	onBench(t, func(b *bench) {
		for _, tt := range tests {
			buf := b.buffer(tt.ask)
			if got := len(buf.Bytes()); got != tt.want {
				b.Errorf("GetBuffer(%d) has %d bytes, want %d", tt.ask, got, tt.want)
			}
			if got := cap(buf.Bytes()); got != tt.want {
				b.Errorf("GetBuffer(%d) can be grown to %d bytes: an append would overrun", tt.ask, got)
			}
		}
	})
}

func TestDecision22BuffersAreZeroed(t *testing.T) {
	onBench(t, func(b *bench) {
		for range 100 {
			buf := b.buffer(40)
			for i, c := range buf.Bytes() {
				if c != 0 {
					b.Fatalf("byte %d of a new buffer is %#x", i, c)
				}
				buf.Bytes()[i] = 0xAA
			}
			b.code(b.s.FreeBuffer(buf), ras.Success)
		}
	})
}

func TestDecision24LimitPerSession(t *testing.T) {
	onBench(t, func(b *bench) {
		var all []ras.Buffer
		for range 32 {
			all = append(all, b.buffer(1))
		}
		_, err := b.s.GetBuffer(1)
		b.code(err, ras.ErrOutOfBuffers)
		b.code(b.s.FreeBuffer(all[7]), ras.Success)
		b.buffer(1)
	})
}

func TestDecision25FreeOfPendingBuffer(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, 0)
		b.code(b.s.FreeBuffer(buf), ras.ErrAsyncRequestPending)
		b.farSends("still valid")
		b.wait(ev)
		b.retrieve(buf, "still valid")
		b.code(b.s.FreeBuffer(buf), ras.Success)
	})
}

// foreignBuffer is a Buffer of somebody else's.
type foreignBuffer struct{ memory [8]byte }

func (f *foreignBuffer) Bytes() []byte { return f.memory[:] }

func TestDecision26InvalidBuffers(t *testing.T) {
	onBench(t, func(b *bench) {
		freed := b.buffer(8)
		b.code(b.s.FreeBuffer(freed), ras.Success)
		for range 8 { // the address must not come back soon
			buf := b.buffer(8)
			if buf == freed {
				b.Fatal("GetBuffer granted a buffer again that was freed just before")
			}
			b.code(b.s.FreeBuffer(buf), ras.Success)
		}
		for name, buf := range map[string]ras.Buffer{"freed": freed, "foreign": new(foreignBuffer), "nil": nil} {
			b.Log(name)
			b.code(b.s.FreeBuffer(buf), ras.ErrBufferInvalid)
			b.code(b.s.SendBuffer(b.h, buf, 1), ras.ErrBufferInvalid)
			b.code(b.s.ReceiveBuffer(b.h, buf, 0, ras.NewEvent()), ras.ErrBufferInvalid)
			b.retrieveFails(buf, ras.ErrBufferInvalid)
		}
	})
}

func TestDecision27SendMoreThanTheBuffer(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(4)
		b.code(b.s.SendBuffer(b.h, buf, 5), ras.ErrBufferTooSmall)
		b.far.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := b.far.Read(make([]byte, 8)); n != 0 {
			b.Errorf("a refused send sent %d bytes (%v)", n, err)
		}
	})
}

func TestDecision28SendNothing(t *testing.T) {
	onBench(t, func(b *bench) {
		b.code(b.s.SendBuffer(b.h, b.buffer(4), 0), ras.Success)
		b.code(b.s.SendBuffer(b.h+1, b.buffer(4), 0), ras.ErrInvalidPortHandle)
		b.code(b.s.SendBuffer(b.h, nil, 0), ras.ErrBufferInvalid)
	})
}

func TestDecision29SendIsSynchronous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		defer s.Close()
		buf := must(s.GetBuffer(100))
		for i := range buf.Bytes() {
			buf.Bytes()[i] = byte(i)
		}
		sent := make(chan error, 1)
		go func() { sent <- s.SendBuffer(s.Handle(), buf, 100) }()
		synctest.Wait()
		select {
		case err := <-sent:
			t.Fatalf("SendBuffer returned %v before the port had room", err)
		default:
		}
		checkCode(t, s.FreeBuffer(buf), ras.ErrAsyncRequestPending)
		for i := range 100 {
			var c [1]byte
			if _, err := far.Read(c[:]); err != nil || c[0] != byte(i) {
				t.Fatalf("byte %d is %d, %v", i, c[0], err)
			}
		}
		checkCode(t, <-sent, ras.Success)
		checkCode(t, s.FreeBuffer(buf), ras.Success)
	})
}

func TestDecision30SendWhileReceiving(t *testing.T) {
	onBench(t, func(b *bench) {
		in := b.buffer(0)
		ev := b.post(in, 0)
		done := make(chan error)
		for i := range 8 {
			out := b.buffer(100)
			for j := range out.Bytes() {
				out.Bytes()[j] = byte('a' + i)
			}
			go func() { done <- b.s.SendBuffer(b.h, out, 100) }()
		}
		got := make([]byte, 800)
		for n := 0; n < len(got); {
			k, err := b.far.Read(got[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += k
		}
		for range 8 {
			b.code(<-done, ras.Success)
		}
		for i := 0; i < len(got); i += 100 {
			for _, c := range got[i : i+100] {
				if c != got[i] {
					b.Fatalf("sends got mixed: %q", got[i:i+100])
				}
			}
		}
		b.farSends("x")
		b.wait(ev)
		b.retrieve(in, "x")
	})
}

func TestDecision31DisconnectWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		s := ras.NewSession(near, nil)
		defer s.Close()
		b := &bench{t, s, s.Handle(), near, far}
		in, out := b.buffer(0), b.buffer(100)
		ev := b.post(in, 0)
		sent := make(chan error, 1)
		go func() { sent <- s.SendBuffer(b.h, out, 100) }()
		synctest.Wait()
		far.Close()
		b.code(<-sent, ras.ErrRemoteDisconnection)
		b.wait(ev)
		b.retrieveFails(in, ras.ErrRemoteDisconnection)
	})
}

func TestDecision32SendOfPendingBuffer(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		b.post(buf, 0)
		b.code(b.s.SendBuffer(b.h, buf, 1), ras.ErrAsyncRequestPending)
	})
}

func TestDecision33HandleAndLifetime(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		for _, h := range []ras.Handle{0, b.h + 1, b.h + 4} {
			b.code(b.s.SendBuffer(h, buf, 1), ras.ErrInvalidPortHandle)
			b.code(b.s.ReceiveBuffer(h, buf, 0, ras.NewEvent()), ras.ErrInvalidPortHandle)
			_, err := b.s.RetrieveBuffer(h, buf)
			b.code(err, ras.ErrInvalidPortHandle)
			b.code(b.s.SetCommSettings(h, ras.CommSettings{ByteSize: 8}), ras.ErrInvalidPortHandle)
		}
		b.code(b.s.Close(), ras.Success)
		b.code(b.s.SendBuffer(b.h, buf, 1), ras.ErrInvalidPortHandle)
		b.code(b.s.FreeBuffer(buf), ras.ErrInvalidPortHandle)
		_, err := b.s.GetBuffer(1)
		b.code(err, ras.ErrOutOfBuffers)
	})
}

func TestDecision34OrderOfChecks(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(4)
		b.post(buf, 0)
		b.code(b.s.SendBuffer(b.h+1, nil, 99), ras.ErrInvalidPortHandle)
		b.code(b.s.SendBuffer(b.h, nil, 99), ras.ErrBufferInvalid)
		b.code(b.s.SendBuffer(b.h, buf, 99), ras.ErrBufferTooSmall)
		b.code(b.s.SendBuffer(b.h, buf, 4), ras.ErrAsyncRequestPending)
		b.s.Fail(ras.ErrIdleTimeout)
		b.code(b.s.SendBuffer(b.h, buf, 4), ras.ErrIdleTimeout)
		b.code(b.s.SendBuffer(b.h, buf, 99), ras.ErrBufferTooSmall)
	})
}

func TestDecision35CloseWithPendingReceive(t *testing.T) {
	for _, background := range []bool{false, true} {
		onBench(t, func(b *bench) {
			ev := b.post(b.buffer(0), 0)
			if background {
				ev.C()
				synctest.Wait()
			}
			b.code(b.s.Close(), ras.Success)
			if !b.s.Stats().Cancelled {
				b.Error("Stats do not tell of the receive")
			}
			select {
			case <-ev.C():
				b.Error("Close set the event")
			default:
			}
			b.farSends("for PPP")
			got := make([]byte, 20)
			n, err := b.near.Read(got)
			if err != nil || string(got[:n]) != "for PPP" {
				b.Errorf("after Close, the port's Read = %q, %v", got[:n], err)
			}
		})
	}
}

func TestDecision36LeakedBuffers(t *testing.T) {
	onBench(t, func(b *bench) {
		b.buffer(1)
		b.buffer(2)
		b.code(b.s.Close(), ras.Success)
		if got := b.s.Stats().Leaked; got != 2 {
			b.Errorf("Leaked = %d, want 2", got)
		}
	})
}

func TestDecision37UnretrievedBytes(t *testing.T) {
	onBench(t, func(b *bench) {
		large, small := b.buffer(0), b.buffer(2)
		b.farSends("ab~LCP frame")
		b.wait(b.post(large, 0))
		b.retrieve(small, "ab")
		b.farSends("next")
		b.code(b.s.Close(), ras.Success)
		if got := string(b.s.Unread()); got != "~LCP frame" {
			b.Errorf("Unread = %q", got)
		}
	})
}

func TestDecision45SessionsAreApart(t *testing.T) {
	onBench(t, func(b *bench) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		other := ras.NewSession(near, nil)
		defer other.Close()
		if other.Handle() == b.h {
			b.Error("two sessions have one handle")
		}
		its := must(other.GetBuffer(4))
		b.code(b.s.SendBuffer(b.h, its, 1), ras.ErrBufferInvalid)
		b.code(b.s.FreeBuffer(its), ras.ErrBufferInvalid)
		b.code(b.s.SendBuffer(other.Handle(), b.buffer(4), 1), ras.ErrInvalidPortHandle)
	})
}

// sliceBuffer is a Buffer of a type that cannot be compared.
type sliceBuffer []byte

func (s sliceBuffer) Bytes() []byte { return s }

// slices is an API with such buffers.
type slices struct {
	ras.API
	below map[*byte]ras.Buffer
}

func (s slices) of(b ras.Buffer) ras.Buffer { return s.below[&b.Bytes()[0]] }

func (s slices) GetBuffer(size int) (ras.Buffer, error) {
	b, err := s.API.GetBuffer(size)
	if err != nil {
		return nil, err
	}
	s.below[&b.Bytes()[0]] = b
	return sliceBuffer(b.Bytes()), nil
}

func (s slices) FreeBuffer(b ras.Buffer) error { return s.API.FreeBuffer(s.of(b)) }

func (s slices) SendBuffer(h ras.Handle, b ras.Buffer, n int) error {
	return s.API.SendBuffer(h, s.of(b), n)
}

func (s slices) ReceiveBuffer(h ras.Handle, b ras.Buffer, t time.Duration, ev *ras.Event) error {
	return s.API.ReceiveBuffer(h, s.of(b), t, ev)
}

func (s slices) RetrieveBuffer(h ras.Handle, b ras.Buffer) (int, error) {
	return s.API.RetrieveBuffer(h, s.of(b))
}

// TestBuffersThatCannotBeCompared leaves receives and sends with an API whose
// buffers are slices: those left are freed when the API has finished with them, and
// no other.
func TestBuffersThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		call := &ras.Call{API: slices{s, make(map[*byte]ras.Buffer)}, Port: s.Handle()}
		cancelled := func(f func(ctx context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			checkCode(t, f(ctx), ras.ErrRequestTimeout)
		}
		cancelled(func(ctx context.Context) error {
			_, err := call.Receive(ctx, make([]byte, 10), 0)
			return err
		})
		cancelled(func(ctx context.Context) error { return call.Send(ctx, make([]byte, 100)) })
		sent := make([]byte, 100)
		if _, err := io.ReadFull(far, sent); err != nil { // which ends the send that was left
			t.Error(err)
		}
		if err := call.Send(t.Context(), []byte("text")); err != nil {
			t.Error(err)
		}
		far.Write([]byte("data"))
		into := make([]byte, 10)
		if n, err := call.Receive(t.Context(), into, time.Minute); err != nil || string(into[:n]) != "data" {
			t.Errorf("got %q, %v", into[:n], err)
		}
		if _, err := call.End(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil || s.Stats().Leaked != 0 {
			t.Errorf("Close = %v, %d buffers leaked", err, s.Stats().Leaked)
		}
	})
}
