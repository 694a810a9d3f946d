package scripttest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

func TestMain(m *testing.M) {
	peertest.Parallel(4)
	os.Exit(m.Run())
}

// terminal is the near end of a line under test, and what came on it.
type terminal struct {
	t    *testing.T
	port port.Port
	got  []byte
}

// onFakeTime runs f in a bubble with both ends of a virtual pair.
func onFakeTime(t *testing.T, f func(t *testing.T, near *terminal, far *virtual.Port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		defer a.Close()
		defer b.Close()
		f(t, &terminal{t: t, port: a}, b)
	})
}

func (n *terminal) send(s string) {
	n.t.Helper()
	if _, err := n.port.Write([]byte(s)); err != nil {
		n.t.Fatalf("write %q: %v", s, err)
	}
}

// await reads until want has come and drops everything through its end.
func (n *terminal) await(limit time.Duration, want string) {
	n.t.Helper()
	n.port.SetReadDeadline(time.Now().Add(limit))
	for {
		if i := bytes.Index(n.got, []byte(want)); i >= 0 {
			n.got = n.got[i+len(want):]
			return
		}
		if err := n.read(); err != nil {
			n.t.Fatalf("waiting for %q: %v; got %q", want, err, n.got)
		}
	}
}

func (n *terminal) read() error {
	var buf [256]byte
	k, err := n.port.Read(buf[:])
	n.got = append(n.got, buf[:k]...)
	return err
}

// hear reads for d and checks that exactly want has arrived since the last await.
func (n *terminal) hear(d time.Duration, want string) {
	n.t.Helper()
	n.port.SetReadDeadline(time.Now().Add(d))
	var err error
	for err == nil {
		err = n.read()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		n.t.Errorf("reading: %v", err)
	}
	if string(n.got) != want {
		n.t.Errorf("got  %q\nwant %q", n.got, want)
	}
	n.got = nil
}

// awaitEnd reads until the line goes.
func (n *terminal) awaitEnd(limit time.Duration) {
	n.t.Helper()
	n.port.SetReadDeadline(time.Now().Add(limit))
	var err error
	for err == nil {
		err = n.read()
	}
	if !errors.Is(err, port.ErrCarrierLost) && !errors.Is(err, io.EOF) {
		n.t.Errorf("end of line: %v, want the carrier lost", err)
	}
}
