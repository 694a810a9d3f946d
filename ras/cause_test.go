package ras_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// TestCauses holds the code for every way in which a port can end, through the
// callbacks: what Retrieve and Send return, and that the first cause sticks.
func TestCauses(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want ras.Code
	}{
		{"CarrierLost", port.ErrCarrierLost, ras.ErrRemoteDisconnection},
		{"EndOfFile", io.EOF, ras.ErrRemoteDisconnection},
		{"BrokenPipe", syscall.EPIPE, ras.ErrRemoteDisconnection},
		{"LinkFailure", syscall.ECONNRESET, ras.ErrLinkFailure},
		{"LinkFailureBehindCarrierLost", errors.Join(port.ErrCarrierLost, syscall.ETIMEDOUT), ras.ErrLinkFailure},
		{"DeviceRemoved", port.ErrRemoved, ras.ErrHardwareFailure},
		{"DeviceGone", syscall.ENXIO, ras.ErrHardwareFailure},
		{"DeviceFailing", syscall.EIO, ras.ErrPortOrDevice},
		{"ClosedHere", net.ErrClosed, ras.ErrPortDisconnected},
		{"UserCancels", context.Canceled, ras.ErrUserDisconnection},
		{"HostDeadline", context.DeadlineExceeded, ras.ErrRequestTimeout},
		{"NeverOpened", ras.ErrPortNotOpen, ras.ErrPortNotOpen},
		{"AlreadyHangingUp", ras.ErrAlreadyDisconnecting, ras.ErrAlreadyDisconnecting},
		{"IdleLimit", ras.ErrIdleTimeout, ras.ErrIdleTimeout},
		{"Suspended", ras.ErrSystemSuspended, ras.ErrSystemSuspended},
		{"CauseUnknown", nil, ras.ErrDisconnection},
		{"Unmapped", errors.New("odd"), ras.ErrUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				buf := b.buffer(0)
				ev := b.post(buf, 0)
				cause := tt.err
				if cause != nil {
					cause = &port.OpError{Op: "read", Port: "line", Err: tt.err}
				}
				b.s.Fail(cause)
				b.s.Fail(ras.ErrProtocolNotConfigured) // not the first
				b.wait(ev)
				err := b.retrieveFails(buf, tt.want)
				if cause != nil && !errors.Is(err, tt.err) {
					b.Errorf("%v does not match its cause %v", err, tt.err)
				}
				b.code(b.s.SendBuffer(b.h, buf, 1), tt.want)
				b.code(b.s.SetCommSettings(b.h, ras.SettingsOf(port.Mode{})), tt.want)
			})
		})
	}
}

func TestCauseOfAReadError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		p := &fault{Port: near, read: func(b []byte) (int, error) {
			return copy(b, "last words"), &port.OpError{Op: "read", Err: port.ErrRemoved}
		}}
		s := ras.NewSession(p, nil)
		defer s.Close()
		b := &bench{t, s, s.Handle(), near, far}
		buf := b.buffer(0)
		b.receive(buf, "last words")
		b.wait(b.post(buf, 0))
		b.retrieveFails(buf, ras.ErrHardwareFailure)
	})
}

func TestCauseNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		s := ras.NewSession(&fault{Port: near, read: func([]byte) (int, error) { return 0, nil }}, nil)
		defer s.Close()
		b := &bench{t, s, s.Handle(), near, far}
		buf := b.buffer(0)
		b.wait(b.post(buf, 0))
		if err := b.retrieveFails(buf, ras.ErrUnknown); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("got %v, want io.ErrNoProgress", err)
		}
	})
}

// TestSendTimeout holds that a line held off by flow control ends a send, that
// the failure does not stick, and that a context frees it earlier.
func TestSendTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, &ras.Config{SendTimeout: 20 * time.Second})
		defer s.Close()
		b := &bench{t, s, s.Handle(), near, far}
		buf := b.buffer(100)
		start := time.Now()
		err := s.SendBuffer(b.h, buf, 100)
		b.code(err, ras.ErrRequestTimeout)
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("the send ended after %v, want 20s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		err = s.SendBufferContext(ctx, b.h, buf, 100)
		if d := time.Since(start); d != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the send ended after %v with %v, want the context's end after 1s", d, err)
		}
		far.Discard(port.Input)
		b.code(s.SendBuffer(b.h, buf, 1), ras.Success)
	})
}

func TestFailFreesABlockedSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, &ras.Config{SendTimeout: -1})
		defer s.Close()
		buf := must(s.GetBuffer(100))
		results := make(chan error, 2)
		for range 2 { // one blocks in the port, the other waits for its turn
			go func() { results <- s.SendBuffer(s.Handle(), buf, 100) }()
		}
		synctest.Wait()
		s.Fail(context.Canceled)
		for range 2 {
			checkCode(t, <-results, ras.ErrUserDisconnection)
		}
	})
}

func TestNilPortIsNotOpen(t *testing.T) {
	s := ras.NewSession(nil, nil)
	buf := must(s.GetBuffer(10))
	checkCode(t, s.SendBuffer(s.Handle(), buf, 1), ras.ErrPortNotOpen)
	ev := ras.NewEvent()
	checkCode(t, s.ReceiveBuffer(s.Handle(), buf, 0, ev), ras.Success)
	<-ev.C()
	_, err := s.RetrieveBuffer(s.Handle(), buf)
	checkCode(t, err, ras.ErrPortNotOpen)
	checkCode(t, s.Close(), ras.Success)
}

func TestCodeOf(t *testing.T) {
	tests := []struct {
		err  error
		want ras.Code
	}{
		{nil, ras.Success},
		{ras.ErrNoCarrier, ras.ErrNoCarrier},
		{fmt.Errorf("dial: %w", &ras.Error{Op: "x", Code: ras.ErrLineBusy, Err: io.EOF}), ras.ErrLineBusy},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), ras.ErrRequestTimeout},
		{&port.OpError{Op: "open", Err: port.ErrBusy}, ras.ErrPortNotAvailable},
		{errors.New("odd"), ras.ErrUnknown},
	}
	for _, tt := range tests {
		if got := ras.CodeOf(tt.err); got != tt.want {
			t.Errorf("CodeOf(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}
