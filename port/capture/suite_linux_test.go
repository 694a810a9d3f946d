package capture_test

import (
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// hungUp is a recorded port that the kernel empties when the peer closes.
type hungUp struct {
	port.Forward
	porttest.LosesInput
}

// master is the recorded master of a pseudo-terminal, whose settings are the
// peer's.
type master struct {
	port.Forward
	porttest.IgnoresFlow
}

func record(t testing.TB, p port.Port, cfg *capture.Config) port.Port {
	t.Helper()
	w, err := capture.NewWriter(io.Discard, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return capture.Record(p, w)
}

func openPTY(t testing.TB) (far port.Port, near *port.Serial) {
	t.Helper()
	p, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s, err := port.Open(t.Context(), p.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return p.Port, s
}

// TestSuite runs the conformance suite on a recorded port of every kind.
func TestSuite(t *testing.T) {
	kinds := map[string]func(t *testing.T) (a, b port.Port){
		"Serial": func(t *testing.T) (a, b port.Port) {
			far, s := openPTY(t)
			return hungUp{Forward: port.Forward{Port: record(t, s, nil)}}, far
		},
		"pty": func(t *testing.T) (a, b port.Port) {
			far, s := openPTY(t)
			return master{Forward: port.Forward{Port: record(t, far, nil)}}, s
		},
		"Stdio": func(t *testing.T) (a, b port.Port) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			open := func(fd int) port.Port {
				f := os.NewFile(uintptr(fd), "socket")
				defer f.Close()
				s, err := port.Stdio(f, f, nil)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			return record(t, open(pair[0]), nil), open(pair[1])
		},
		"stream": func(t *testing.T) (a, b port.Port) {
			near, far := net.Pipe()
			return record(t, port.FromStream(near, "near"), nil), port.FromStream(far, "far")
		},
		"rfc2217": func(t *testing.T) (a, b port.Port) {
			shared, far := virtual.Pair()
			server := new(rfc2217.Server)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go server.ServePort(l, shared)
			t.Cleanup(func() { server.Close() })
			p, err := rfc2217.Dial(t.Context(), l.Addr().String(), &rfc2217.Config{AckTimeout: 3 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return record(t, p, nil), far
		},
	}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is the suite's pauses
			for _, c := range porttest.Checks() {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					c.Run(t, open)
				})
			}
		})
	}
}

// TestSuiteOnFakeTime is TestSuite for virtual ports, with the modem lines
// watched and not.
func TestSuiteOnFakeTime(t *testing.T) {
	for name, cfg := range map[string]*capture.Config{"idle": nil, "watched": {Watch: true}} {
		for _, c := range porttest.Checks() {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c.Run(t, func(t *testing.T) (a, b port.Port) {
						near, far := virtual.Pair()
						return record(t, near, cfg), record(t, far, cfg)
					})
				})
			})
		}
	}
}

// TestDetach gives the descriptor of a recorded port away: the recording has what
// passed until then, a note and its end.
func TestDetach(t *testing.T) {
	far, s := openPTY(t)
	var file memory
	w, err := capture.NewWriter(&file, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := capture.Record(s, w)
	if conn, err := p.(syscall.Conn).SyscallConn(); err != nil || conn.Control(func(uintptr) {}) != nil {
		t.Errorf("SyscallConn: %v", err)
	}
	if got, want := port.AbilitiesOf(p), port.AbilitiesOf(s); got != want {
		t.Errorf("abilities %v, want %v", got, want)
	}
	p.Write([]byte("before"))
	f, err := p.(port.Detacher).Detach()
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("after"))
	f.Close()
	if _, err := io.ReadFull(far, make([]byte, len("beforeafter"))); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := short(readAll(t, file.Bytes()))
	want := "0 sent \"before\"\n0 note (the descriptor was given to another program: what follows is not recorded)\n0 end\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant at its end\n%s", got, want)
	}
}
