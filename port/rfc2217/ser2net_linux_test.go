package rfc2217_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/rfc2217"
)

// ser2net is a running ser2net that shares one end of a pseudo-terminal pair.
type ser2net struct {
	addr   string
	device *os.File  // the terminal that it shares, held so that it never hangs up
	far    *pty.Pair // far.Port is the other end
	cmd    *exec.Cmd
	config string
}

// startSer2net starts ser2net on a port of the loopback that was free a moment
// ago, and again on another one if somebody was faster.
func startSer2net(t *testing.T, accepter string) *ser2net {
	t.Helper()
	peertest.Program(t, "ser2net")
	far, err := pty.Open(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	device, err := os.OpenFile(far.Name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	s := &ser2net{device: device, far: far, config: filepath.Join(t.TempDir(), "ser2net.yaml")}
	for range 10 {
		l := listen(t)
		s.addr = l.Addr().String()
		l.Close()
		if s.start(t, accepter) {
			t.Cleanup(func() { s.stop() })
			return s
		}
	}
	t.Fatal("ser2net does not come up")
	return nil
}

// start runs ser2net and reports whether it answers.
func (s *ser2net) start(t *testing.T, accepter string) bool {
	t.Helper()
	_, number, _ := net.SplitHostPort(s.addr)
	yaml := fmt.Sprintf("%%YAML 1.1\n---\nconnection: &shared\n  accepter: %s,tcp,localhost,%s\n  connector: serialdev,%s,115200n81,local\n",
		accepter, number, s.device.Name())
	if err := os.WriteFile(s.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command("ser2net", "-n", "-d", "-c", s.config, "-P", s.config+".pid")
	var out bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx := bounded(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			// Only a ser2net that has the device greets.
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err = io.ReadFull(c, make([]byte, 3))
			c.Close()
		}
		if err == nil {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Logf("ser2net says: %s", out.String())
			s.stop()
			return false
		}
	}
}

func (s *ser2net) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// dial connects, and tries again while ser2net is still busy with the last
// connection.
func (s *ser2net) dial(t *testing.T, cfg *rfc2217.Config) *rfc2217.Port {
	t.Helper()
	ctx := bounded(t)
	for {
		p, err := rfc2217.Dial(ctx, s.addr, cfg)
		if err == nil {
			t.Cleanup(func() { p.Close() })
			return p
		}
		if ctx.Err() != nil || !errors.Is(err, port.ErrCarrierLost) {
			t.Fatalf("Dial: %v", err)
		}
	}
}

func TestSer2netData(t *testing.T) {
	s := startSer2net(t, "telnet(rfc2217)")
	p := s.dial(t, nil)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	text := strings.Repeat(string(all), 20)
	pass(t, p, s.far.Port, text)
	pass(t, s.far.Port, p, text)
}

func TestSer2netSettings(t *testing.T) {
	s := startSer2net(t, "telnet(rfc2217)")
	p := s.dial(t, nil)
	got, err := p.Mode()
	want := port.Mode{Baud: 115200, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowNone}
	if err != nil || got != want {
		t.Fatalf("Mode = %v, %v; want %v", got, err, want)
	}
	// A pseudo-terminal keeps 8 data bits and no parity, so these stay out.
	tests := []struct {
		mode string
		stty string
	}{
		{"9600", "speed 9600 baud"},
		{"57600", "speed 57600 baud"},
		{"8N2", " cstopb"},
		{"8N1", "-cstopb"},
		{"rtscts", " crtscts"},
		{"xonxoff", " ixon"},
		{"1200,8N1,none", "speed 1200 baud"},
	}
	for _, tt := range tests {
		m, err := port.ParseMode(tt.mode)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.SetMode(m); err != nil {
			t.Errorf("SetMode(%s): %v", tt.mode, err)
		}
		if now, err := p.Mode(); err != nil || m.Merge(now) != now {
			t.Errorf("Mode after SetMode(%s) = %v, %v", tt.mode, now, err)
		}
		stty := exec.Command("stty", "-a")
		stty.Stdin = s.device
		out, err := stty.CombinedOutput()
		if err != nil || !strings.Contains(string(out), tt.stty) {
			t.Errorf("stty on ser2net's device after SetMode(%s), %v:\n%s\nwant %q", tt.mode, err, out, tt.stty)
		}
	}
}

// TestSer2netControl has what a pseudo-terminal can do: ser2net 4.3 answers the
// end of a break with the number of its beginning, which is an answer.
func TestSer2netControl(t *testing.T) {
	s := startSer2net(t, "telnet(rfc2217)")
	p := s.dial(t, nil)
	ctx := bounded(t)
	if err := p.SendBreak(ctx, time.Millisecond); err != nil {
		t.Errorf("SendBreak: %v", err)
	}
	if err := p.Drain(ctx); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := p.Discard(port.Input | port.Output); err != nil {
		t.Errorf("Discard: %v", err)
	}
	if sig, err := p.Signature(ctx); sig != "ser2net" || err != nil {
		t.Errorf("Signature = %q, %v; want %q", sig, err, "ser2net")
	}
	if l, err := p.Lines(); err != nil || l&port.Inputs != 0 {
		t.Errorf("Lines = %v, %v; want no inputs", l, err)
	}
}

// TestSer2netPlain has a ser2net that speaks Telnet without RFC 2217.
func TestSer2netPlain(t *testing.T) {
	s := startSer2net(t, "telnet")
	if p, err := rfc2217.Dial(bounded(t), s.addr, nil); !errors.Is(err, errors.ErrUnsupported) {
		if err == nil {
			p.Close()
		}
		if !errors.Is(err, port.ErrCarrierLost) {
			t.Fatalf("Dial of a server without COM-PORT: %v; want errors.ErrUnsupported", err)
		}
	}
	for _, plain := range []rfc2217.Plain{rfc2217.AllowPlain, rfc2217.PlainOnly} {
		p := s.dial(t, &rfc2217.Config{Plain: plain})
		pass(t, p, s.far.Port, "over\r\n\xff\x00")
		pass(t, s.far.Port, p, "and\r\x00 back\xff\xff")
		if err := p.SetMode(port.Mode{Baud: 9600}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("SetMode of a plain port: %v; want errors.ErrUnsupported", err)
		}
		p.Close()
	}
}

// TestSer2netRestarted loses the server in the middle of a read, gets its reason
// immediately, and reaches the next one.
func TestSer2netRestarted(t *testing.T) {
	s := startSer2net(t, "telnet(rfc2217)")
	p := s.dial(t, nil)
	read := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 1))
		read <- err
	}()
	wait := make(chan error, 1)
	go func() {
		_, err := p.WaitLines(context.Background(), port.Inputs)
		wait <- err
	}()
	s.stop()
	for name, ch := range map[string]chan error{"Read": read, "WaitLines": wait} {
		select {
		case err := <-ch:
			if !errors.Is(err, port.ErrCarrierLost) {
				t.Errorf("%s when ser2net was killed: %v; want port.ErrCarrierLost", name, err)
			}
		case <-time.After(limit):
			t.Fatalf("%s still waits after ser2net was killed", name)
		}
	}
	if _, err := p.Write([]byte("late")); err != nil && !errors.Is(err, port.ErrCarrierLost) {
		t.Errorf("Write when ser2net was gone: %v; want port.ErrCarrierLost", err)
	}
	if err := p.SetMode(port.Mode{Baud: 9600}); !errors.Is(err, port.ErrCarrierLost) {
		t.Errorf("SetMode when ser2net was gone: %v; want port.ErrCarrierLost", err)
	}
	if !s.start(t, "telnet(rfc2217)") {
		t.Skip("somebody took the address in between: nothing to dial again")
	}
	again := s.dial(t, nil)
	pass(t, again, s.far.Port, "back")
}
