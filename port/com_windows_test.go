package port_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
)

// The environment names a port whose peer sends back all that it gets, and
// one whose peer does nothing at all.
const (
	echoEnv   = "RASLINE_TEST_ECHO"
	silentEnv = "RASLINE_TEST_SILENT"
)

func openCOM(t *testing.T, env string, cfg *port.Config) *port.Serial {
	t.Helper()
	name := os.Getenv(env)
	if name == "" {
		t.Skipf("%s names no port", env)
	}
	s, err := port.Open(t.Context(), name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestWindowsEcho(t *testing.T) {
	s := openCOM(t, echoEnv, &port.Config{Mode: port.Mode{Baud: 115200}})
	for _, size := range []int{1, 2, 100, 3000} {
		want := bytes.Repeat([]byte{0x00, 0x0a, 0x11, 0xff}, size)[:size]
		s.SetDeadline(time.Now().Add(20 * time.Second))
		if n, err := s.Write(want); n != size || err != nil {
			t.Fatalf("wrote %d of %d bytes: %v", n, size, err)
		}
		got := make([]byte, size)
		if n, err := io.ReadFull(s, got); err != nil {
			t.Fatalf("read %d of %d bytes: %v", n, size, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back changed", size)
		}
	}
}

func TestWindowsDeadline(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	for range 2 {
		start := time.Now()
		s.SetReadDeadline(start.Add(50 * time.Millisecond))
		n, err := s.Read(make([]byte, 10))
		if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 5*time.Second {
			t.Errorf("read from silence: %d, %v after %v", n, err, time.Since(start))
		}
	}
}

func TestWindowsMode(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	if err := s.SetMode(port.Mode{Baud: 19200, StopBits: port.StopTwo}); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Mode(); err != nil || m.String() != "19200,8N2,none" {
		t.Errorf("mode %v, %v", m, err)
	}
	// A pseudo-terminal has 8 data bits: what it does not take is reported.
	err := s.SetMode(port.Mode{DataBits: 7, Parity: port.ParityEven})
	m, merr := s.Mode()
	if merr != nil || err == nil && m.String() != "19200,7E2,none" ||
		err != nil && (!errors.Is(err, errors.ErrUnsupported) || m.String() != "19200,8N2,none") {
		t.Errorf("7E: %v, and the mode is %v (%v)", err, m, merr)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestWindowsCloseFreesBlockedCalls(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	results := make(chan error, 2)
	go func() { _, err := s.Read(make([]byte, 10)); results <- err }()
	go func() { _, err := s.Write(make([]byte, 1<<20)); results <- err }()
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-results; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	openCOM(t, silentEnv, nil)
}

// TestWindowsReadReturnsWhatThereIs reads with room for more than arrives.
func TestWindowsReadReturnsWhatThereIs(t *testing.T) {
	s := openCOM(t, echoEnv, &port.Config{Mode: port.Mode{Baud: 115200}})
	for _, text := range []string{"a", "login: ", "third"} {
		s.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := s.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for buf := make([]byte, 100); len(got) < len(text); {
			n, err := s.Read(buf)
			if n == 0 || err != nil {
				t.Fatalf("read %q, then %d, %v; want %q", got, n, err, text)
			}
			got = append(got, buf[:n]...)
		}
		if string(got) != text {
			t.Errorf("read %q, want %q", got, text)
		}
	}
}

func TestWindowsFlowControl(t *testing.T) {
	s := openCOM(t, silentEnv, &port.Config{Mode: port.Mode{Baud: 115200, Flow: port.FlowRTSCTS}})
	for _, flow := range []port.Flow{port.FlowRTSCTS, port.FlowXONXOFF, port.FlowBoth, port.FlowNone} {
		if err := s.SetMode(port.Mode{Flow: flow}); err != nil {
			t.Errorf("%v: %v", flow, err)
		}
		if m, err := s.Mode(); err != nil || m.Flow != flow {
			t.Errorf("mode %v, %v; want %v", m, err, flow)
		}
	}
}

// TestWindowsAbilities calls what a pseudo-terminal behind a COM port can do at
// best, and cannot do: both must say so.
func TestWindowsAbilities(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	if in, _, err := s.Queued(); err != nil || in != 0 {
		t.Errorf("queued: %d, %v", in, err)
	}
	if err := s.Discard(port.Input | port.Output); err != nil {
		t.Errorf("discard: %v", err)
	}
	for name, err := range map[string]error{
		"lines":      second(s.Lines()),
		"set lines":  s.SetLines(port.DTR, port.DTR),
		"send break": s.SendBreak(t.Context(), time.Millisecond),
		"stats":      second(s.Stats()),
	} {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want nil or errors.ErrUnsupported", name, err)
		}
	}
	conn, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	called := false
	if err := conn.Control(func(h uintptr) { called = h != 0 }); err != nil || !called {
		t.Errorf("the handle: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestWindowsList(t *testing.T) {
	if _, err := port.List(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWindowsOpenTwice(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	if other, err := port.Open(t.Context(), s.Name(), nil); err == nil {
		other.Close()
		t.Skip("this system opens a port twice (wine does)")
	} else if !errors.Is(err, port.ErrBusy) {
		t.Errorf("open of an open port: %v, want %v", err, port.ErrBusy)
	}
}

// pairsEnv names pairs of ports that are joined, as "COM20:COM21,COM22:COM23",
// one for each check.
const pairsEnv = "RASLINE_TEST_PAIRS"

func TestWindowsSuite(t *testing.T) {
	if os.Getenv(pairsEnv) == "" {
		t.Skipf("%s names no ports", pairsEnv)
	}
	pairs := strings.Split(os.Getenv(pairsEnv), ",")
	for i, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			if c.Name == "FarCloseEndsRead" {
				t.Skip("wine does not end a read that is pending when the far end of a pseudo-terminal closes")
			}
			if i >= len(pairs) {
				t.Fatalf("%s names %d pairs, and there are %d checks", pairsEnv, len(pairs), len(porttest.Checks()))
			}
			c.Run(t, func(t *testing.T) (a, b port.Port) {
				near, far, _ := strings.Cut(pairs[i], ":")
				ends := [2]port.Port{}
				for k, name := range []string{near, far} {
					s, err := port.Open(t.Context(), name, &port.Config{Mode: port.Mode{Baud: 115200}})
					if err != nil {
						t.Fatal(err)
					}
					ends[k] = hungUpCOM{Serial: s}
				}
				return ends[0], ends[1]
			})
		})
	}
}

// hungUpCOM is a port on a pseudo-terminal, which the kernel empties when the far
// end closes.
type hungUpCOM struct {
	*port.Serial
	porttest.LosesInput
}

func TestWindowsFarEndCloses(t *testing.T) {
	s := openCOM(t, "RASLINE_TEST_CLOSING", nil)
	s.SetDeadline(time.Now().Add(20 * time.Second))
	s.Write([]byte("close"))
	_, err := s.Read(make([]byte, 100))
	for err == nil {
		_, err = s.Read(make([]byte, 100))
	}
	if !errors.Is(err, port.ErrCarrierLost) && !errors.Is(err, port.ErrRemoved) {
		t.Errorf("read after the far end closed: %v", err)
	}
}

func TestWindowsOpenRefuses(t *testing.T) {
	for _, name := range []string{"COM200", `\\.\COM200`} {
		if _, err := port.Open(t.Context(), name, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", name, err)
		}
	}
	_, err := port.Open(context.Background(), "COM200", &port.Config{LockDir: `C:\`})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "LockDir") {
		t.Errorf("a UUCP lock file: %v", err)
	}
}
