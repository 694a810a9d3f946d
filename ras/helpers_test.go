package ras_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// bench is a session on one end of a virtual pair, with the far end at hand.
type bench struct {
	*testing.T
	s    *ras.Session
	h    ras.Handle
	near *virtual.Port
	far  *virtual.Port
}

// onBench runs f on fake time.
func onBench(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		s := ras.NewSession(near, nil)
		defer near.Close()
		defer far.Close()
		defer s.Close()
		f(&bench{t, s, s.Handle(), near, far})
	})
}

func (b *bench) buffer(size int) ras.Buffer {
	b.Helper()
	buf, err := b.s.GetBuffer(size)
	if err != nil {
		b.Fatalf("GetBuffer(%d): %v", size, err)
	}
	return buf
}

func (b *bench) post(buf ras.Buffer, timeout time.Duration) *ras.Event {
	b.Helper()
	ev := ras.NewEvent()
	if err := b.s.ReceiveBuffer(b.h, buf, timeout, ev); err != nil {
		b.Fatalf("ReceiveBuffer: %v", err)
	}
	return ev
}

// wait takes the event's token within an hour.
func (b *bench) wait(ev *ras.Event) {
	b.Helper()
	select {
	case <-ev.C():
	case <-time.After(time.Hour):
		b.Fatal("the event was not set within an hour")
	}
}

func (b *bench) retrieve(buf ras.Buffer, want string) {
	b.Helper()
	n, err := b.s.RetrieveBuffer(b.h, buf)
	if err != nil {
		b.Fatalf("RetrieveBuffer: %v, want %q", err, want)
	}
	if got := string(buf.Bytes()[:n]); got != want {
		b.Fatalf("RetrieveBuffer gave %q, want %q", got, want)
	}
}

// receive posts, waits and retrieves.
func (b *bench) receive(buf ras.Buffer, want string) {
	b.Helper()
	b.wait(b.post(buf, 0))
	b.retrieve(buf, want)
}

func (b *bench) retrieveFails(buf ras.Buffer, want ras.Code) error {
	b.Helper()
	n, err := b.s.RetrieveBuffer(b.h, buf)
	b.code(err, want)
	if n != 0 {
		b.Errorf("RetrieveBuffer gave %d bytes with %v, want 0", n, err)
	}
	return err
}

func (b *bench) farSends(text string) {
	b.Helper()
	if _, err := b.far.Write([]byte(text)); err != nil {
		b.Fatalf("the far end's Write: %v", err)
	}
}

// code checks that err has exactly the given code.
func (b *bench) code(err error, want ras.Code) {
	b.Helper()
	checkCode(b.T, err, want)
}

func checkCode(t *testing.T, err error, want ras.Code) {
	t.Helper()
	if want == ras.Success {
		if err != nil {
			t.Fatalf("got %v, want success", err)
		}
		return
	}
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if got := ras.CodeOf(err); got != want {
		t.Fatalf("CodeOf(%v) = %v, want %v", err, got, want)
	}
}

// fault is a port whose calls fail or block as told.
type fault struct {
	port.Port
	read  func(b []byte) (int, error)
	write func(b []byte) (int, error)
}

func (f *fault) Read(b []byte) (int, error) {
	if f.read == nil {
		return f.Port.Read(b)
	}
	return f.read(b)
}

func (f *fault) Write(b []byte) (int, error) {
	if f.write == nil {
		return f.Port.Write(b)
	}
	return f.write(b)
}
