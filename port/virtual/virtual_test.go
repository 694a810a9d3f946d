package virtual

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
)

func TestBasics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair()
		go a.Write([]byte("hello"))
		buf := make([]byte, 10)
		n, err := b.Read(buf)
		if err != nil || string(buf[:n]) != "hello" {
			t.Fatal(n, err)
		}
		b.SetReadDeadline(time.Now().Add(45 * time.Second))
		start := time.Now()
		if _, err := b.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 45*time.Second {
			t.Fatal(err, time.Since(start))
		}
		b.SetDeadline(time.Time{})
		go func() { time.Sleep(time.Second); b.Close() }()
		if _, err := b.Read(buf); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		if _, err := a.Read(buf); !errors.Is(err, port.ErrCarrierLost) {
			t.Fatal(err)
		}
	})
}

func TestSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(LineSpeed(9600), Delay(time.Second))
		go func() { a.Write(make([]byte, 9600)); a.Close() }()
		start := time.Now()
		got, err := io.ReadAll(b)
		if len(got) != 9600 || !errors.Is(err, port.ErrCarrierLost) {
			t.Error(len(got), err)
		}
		t.Log(time.Since(start))
	})
}
