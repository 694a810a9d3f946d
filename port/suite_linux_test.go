package port_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
)

// hungUp is a Serial on a pseudo-terminal: the kernel empties it when the far
// end closes.
type hungUp struct {
	*port.Serial
	porttest.LosesInput
}

// master is the master of a pseudo-terminal, whose settings are the peer's.
type master struct {
	*port.Serial
	porttest.IgnoresFlow
}

// TestSuite runs the conformance suite on a Serial at the one end and the
// master of a pseudo-terminal at the other, each as the port under test, and on
// what Stdio makes of other files.
func TestSuite(t *testing.T) {
	openShared := func(t *testing.T) (a, b port.Port) {
		p := newPTY(t)
		f := openTerminal(t, p.Name)
		a = hungUp{Serial: newStdio(t, f, f, nil)}
		f.Close()
		return a, p.Port
	}
	port.WithoutReopening(func() { // which is so for all tests of the process
		t.Run("not opened anew", func(t *testing.T) {
			t.Run("Stdio", func(t *testing.T) { runSuite(t, stdioPair) })
			t.Run("Stdio of a shared terminal", func(t *testing.T) { runSuite(t, openShared) })
		})
	})
	t.Run("Serial", func(t *testing.T) {
		runSuite(t, func(t *testing.T) (a, b port.Port) {
			far, s := newPair(t, nil)
			return hungUp{Serial: s}, far
		})
	})
	t.Run("pty", func(t *testing.T) {
		runSuite(t, func(t *testing.T) (a, b port.Port) {
			far, s := newPair(t, nil)
			return master{Serial: far.(*port.Serial)}, s
		})
	})
	t.Run("Stdio", func(t *testing.T) { runSuite(t, stdioPair) })
	t.Run("Stdio of a socket", func(t *testing.T) {
		runSuite(t, func(t *testing.T) (a, b port.Port) {
			near, far := newSocketPair(t)
			a, b = newStdio(t, near, near, nil), newStdio(t, far, far, nil)
			near.Close()
			far.Close()
			return a, b
		})
	})
}

func newSocketPair(t *testing.T) (near, far *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far = os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// stdioPair returns two ports made of two pipes.
func stdioPair(t *testing.T) (a, b port.Port) {
	t.Helper()
	fromB, toA := newPipe(t)
	fromA, toB := newPipe(t)
	a = newStdio(t, fromB, toB, nil)
	b = newStdio(t, fromA, toA, nil)
	for _, f := range []*os.File{fromB, toA, fromA, toB} {
		f.Close() // the ports have their own
	}
	return a, b
}

func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func newStdio(t *testing.T, in, out *os.File, cfg *port.StdioConfig) *port.Serial {
	t.Helper()
	s, err := port.Stdio(in, out, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
