package porttest_test

import (
	"net"
	"os"
	"testing"
	"testing/synctest"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/virtual"
)

func openVirtual(opts ...virtual.Option) func(*testing.T) (a, b port.Port) {
	return func(*testing.T) (a, b port.Port) {
		va, vb := virtual.Pair(opts...)
		return va, vb
	}
}

func openPipe(*testing.T) (a, b port.Port) {
	ca, cb := net.Pipe()
	return ca, cb
}

// openTCP connects two sockets over loopback, with buffers small enough to be
// filled quickly.
func openTCP(t *testing.T) (a, b port.Port) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no loopback network: %v", err)
	}
	defer l.Close()
	ca, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cb, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{ca, cb} {
		c.(*net.TCPConn).SetReadBuffer(64 << 10)
		c.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return ca, cb
}

func TestMain(m *testing.M) {
	peertest.Parallel(16)
	os.Exit(m.Run())
}

// TestPipe runs the suite as other packages do.
func TestPipe(t *testing.T) {
	t.Parallel()
	porttest.TestPort(t, openPipe)
}

// TestOnRealTime runs the suite on ports that need no device, its checks in
// parallel, since most of their time is pauses.
func TestOnRealTime(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (a, b port.Port){
		"virtual": openVirtual(),
		"tcp":     openTCP,
	} {
		for _, c := range porttest.Checks() {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				c.Run(t, open)
			})
		}
	}
}

// TestOnFakeTime runs the suite in bubbles, where all its waits cost nothing.
// net.Pipe is not here: its writers wait for each other at a mutex, and that
// stops the bubble's clock.
func TestOnFakeTime(t *testing.T) {
	tests := []struct {
		name string
		open func(*testing.T) (a, b port.Port)
	}{
		{"virtual", openVirtual()},
		{"small buffers", openVirtual(virtual.BufferSize(13))},
		{"fast line", openVirtual(virtual.LineSpeed(0))},
		{"slow and far line", openVirtual(virtual.LineSpeed(1_000_000), virtual.Delay(3e6))},
		{"no lines", openVirtual(virtual.NoLines(), virtual.BreakAsNUL())},
		{"strict modes", openVirtual(virtual.StrictModes())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range porttest.Checks() {
				t.Run(c.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { c.Run(t, tt.open) })
				})
			}
		})
	}
}
