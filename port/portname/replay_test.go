package portname

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

// recording writes a recording of ports on which "hello" is received and "yes"
// sent, and returns its path.
func recording(t *testing.T, ports ...port.Port) string {
	t.Helper()
	var buf bytes.Buffer
	w, err := capture.NewWriter(&buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		p = capture.Record(p, w)
		if _, err := io.ReadFull(p, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		p.Write([]byte("yes"))
		p.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "line.pcapng")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// greeting returns a port on which "hello" arrives.
func greeting(t *testing.T, name string, opts ...virtual.Option) port.Port {
	near, far := virtual.Pair(append(opts, virtual.Names(name, "far"))...)
	t.Cleanup(func() { far.Close() })
	far.Write([]byte("hello"))
	return near
}

func TestReplay(t *testing.T) {
	path := recording(t, greeting(t, "line", virtual.Mode(port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven})))
	p, err := Open(t.Context(), "replay:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := p.(port.ModeSetter).Mode(); err != nil || m.String() != "9600,7E1,none" {
		t.Errorf("mode %v, %v; want that of the recording", m, err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(p, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := p.Write([]byte("yes")); err != nil {
		t.Error(err)
	}
	_, err = p.Read(got)
	if !errors.Is(err, port.ErrCarrierLost) || errors.As(err, new(*capture.DivergenceError)) {
		t.Errorf("after the end: %v, want the carrier lost", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
}

func TestReplayDiverges(t *testing.T) {
	path := recording(t, greeting(t, "line"))
	p, err := Open(t.Context(), "replay:"+path, &Config{Port: &port.Config{Mode: port.Mode{Baud: 300}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.(port.Hider).Hide("swordfish")
	var d *capture.DivergenceError
	if n, err := p.Write([]byte("no swordfish")); n != 0 || !errors.As(err, &d) {
		t.Errorf("write: %d, %v, want a DivergenceError", n, err)
	}
	_, err = io.Copy(io.Discard, p)
	var op *port.OpError
	if !errors.As(err, &d) || !errors.As(err, &op) || op.Port != "replay:"+path || !errors.Is(err, port.ErrCarrierLost) {
		t.Fatalf("read: %v, want a DivergenceError in an OpError", err)
	}
	if d.Want != "yes" || d.Got != "no ***" {
		t.Errorf("%v: want %q and %q", err, "yes", "no ***")
	}
}

// TestReplayOfABarePort has a recording of a port without modem lines or a mode.
func TestReplayOfABarePort(t *testing.T) {
	near, far := net.Pipe()
	go func() {
		far.Write([]byte("hello"))
		io.ReadFull(far, make([]byte, 3))
	}()
	path := recording(t, port.FromStream(near, "bare"))
	p, err := Open(t.Context(), "replay:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if a := port.AbilitiesOf(p); a&(port.AbilityMode|port.AbilityLines) != 0 {
		t.Errorf("abilities %v, want no mode and no lines", a)
	}
	if _, err := p.(port.ModeSetter).Mode(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Mode: %v", err)
	}
	_, err = Open(t.Context(), "replay:"+path, &Config{Port: &port.Config{Mode: port.Mode{Baud: 300}}})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "300") {
		t.Errorf("with a mode: %v, want errors.ErrUnsupported", err)
	}
}

func TestReplayNames(t *testing.T) {
	several := recording(t, greeting(t, "one"), greeting(t, "two"))
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("not a recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		want string // part of the error; empty: none
		is   error
	}{
		{"replay:" + several + "#two", "", nil},
		{"replay:" + several, `name one of ["one" "two"]`, nil},
		{"replay:" + several + "#three", `no port "three": name one of ["one" "two"]`, nil},
		{"replay:", "replay:FILE", ErrBadName},
		{"replay:" + broken, "no pcapng file", nil},
		{"replay:" + filepath.Dir(broken), "no regular file", nil},
		{"replay:" + broken + ".not", "no such file", fs.ErrNotExist},
	}
	for _, tt := range tests {
		p, err := Open(t.Context(), tt.name, nil)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			p.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || !errors.As(err, new(*port.OpError)) {
			t.Errorf("%s: error %v, want an OpError with %q", tt.name, err, tt.want)
		}
	}
}

// TestReplayBeginsWithTheRecordedLines has the lines of the recording before the
// playback has begun: a carrier that was never there is not seen to fall.
func TestReplayBeginsWithTheRecordedLines(t *testing.T) {
	near, far := virtual.Pair(virtual.Names("line", "far"))
	defer far.Close()
	far.Drive(port.Inputs, port.DSR|port.CTS)
	far.Write([]byte("hello"))
	path := recording(t, near)
	for range 100 {
		p, err := Open(t.Context(), "replay:"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := p.(port.LineController).Lines(); err != nil || l.Has(port.DCD) {
			t.Fatalf("lines %v, %v; want no DCD", l, err)
		}
		p.Close()
	}
}

// TestReplayThatIsLeftEarly closes the port before all was sent that the recorded
// script has sent. What follows the state Connected, or is PPP, may be left out.
func TestReplayThatIsLeftEarly(t *testing.T) {
	for _, v := range []struct {
		name     string
		state    string // before what is sent
		sent     string
		diverges bool
	}{
		{"in the script", "RASCS_Interactive", "yes", true},
		{"after the script", "RASCS_Connected", "yes", false},
		{"PPP", "RASCS_Interactive", "~\xff}#", false},
	} {
		t.Run(v.name, func(t *testing.T) {
			var file bytes.Buffer
			w, err := capture.NewWriter(&file, nil)
			if err != nil {
				t.Fatal(err)
			}
			p := capture.Record(greeting(t, "line"), w)
			if _, err := io.ReadFull(p, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			slog.New(w.Handler()).Info("state", "state", v.state)
			p.Write([]byte(v.sent))
			p.Close()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "line.pcapng")
			if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if p, err = Open(t.Context(), "replay:"+path, nil); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(p, make([]byte, 5))
			if err := p.Close(); errors.As(err, new(*capture.DivergenceError)) != v.diverges {
				t.Errorf("Close: %v, want a divergence: %v", err, v.diverges)
			}
		})
	}
}

// TestReplayOfNothing refuses a recording without a port.
func TestReplayOfNothing(t *testing.T) {
	var file bytes.Buffer
	if _, err := capture.NewWriter(&file, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "empty.pcapng")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "replay:"+path, nil); err == nil || !strings.Contains(err.Error(), "the recording has no port") {
		t.Errorf("Open: %v", err)
	}
}
