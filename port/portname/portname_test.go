package portname

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

func TestNamesThatCannotBeUnderstood(t *testing.T) {
	tests := []struct {
		name string
		want error
		text string // part of the error
	}{
		{"", ErrBadName, "empty"},
		{"udp://h:1", ErrBadName, "tcp://HOST:PORT"},
		{"tcp://h", ErrBadName, "tcp://host:port"},
		{"tcp://:23", ErrBadName, "tcp://host:port"},
		{"tcp://h:1/path", ErrBadName, "tcp://host:port"},
		{"tcp://h:1?speed=1", ErrBadName, "option speed"},
		{"rfc2217://user@h:1", ErrBadName, "rfc2217://host:port"},
		{"rfc2217://h:1?speed=1", ErrBadName, "option speed"},
		{"rfc2217://h:1?ack=soon", ErrBadName, "option ack"},
		{"telnet://h", ErrBadName, "telnet://host:port"},
		{"unix:", ErrBadName, "unix:/path"},
		{"usb:0403", ErrBadName, "usb:VID:PID"},
		{"usb:403:6001", ErrBadName, "four hexadecimal digits"},
		{"usb:0403:6001:", ErrBadName, "serial number is empty"},
		{"usb:0403:6001?interface=x", ErrBadName, "interface=N"},
		{"usb:fffe:fffe", fs.ErrNotExist, "no such USB device"},
		{"/dev/ttyNOPE", fs.ErrNotExist, "this machine has"},
		{"example.com:2217", fs.ErrNotExist, "rfc2217://example.com:2217"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.name, nil)
			var op *port.OpError
			if !errors.As(err, &op) || op.Op != "open" || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want an OpError of open that matches %v and says %q", err, tt.want, tt.text)
			}
		})
	}
}

func FuzzParseUSB(f *testing.F) {
	for _, s := range []string{"usb:0403:6001", "usb:0403:6001:A5:0", "usb:0403:6001?interface=2", "usb:::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseUSB(s)
		if err == nil && (len(u.vid) != 4 || len(u.pid) != 4) {
			t.Errorf("%q gives %+v", s, u)
		}
		if err != nil && !errors.Is(err, ErrBadName) {
			t.Errorf("%q: %v", s, err)
		}
	})
}

func TestFindUSB(t *testing.T) {
	stick := func(name, serial string, iface int) port.Info {
		return port.Info{Name: name, USB: true, VID: "12d1", PID: "1c05", SerialNumber: serial, InterfaceNumber: iface}
	}
	ports := []port.Info{
		{Name: "/dev/ttyS0"},
		{Name: "/dev/ttyUSB0", USB: true, VID: "0403", PID: "6001", SerialNumber: "A5:0"},
		stick("/dev/ttyUSB1", "x", 0), stick("/dev/ttyUSB2", "x", 1), stick("/dev/ttyUSB3", "y", 0),
	}
	tests := []struct{ name, device, text string }{
		{"usb:0403:6001", "/dev/ttyUSB0", ""},
		{"usb:0403:6001:A5:0", "/dev/ttyUSB0", ""},
		{"usb:0403:6001:other", "", "/dev/ttyUSB0 (usb:0403:6001:A5:0)"},
		{"usb:12D1:1C05", "", "several"},
		{"usb:12d1:1c05", "", "/dev/ttyUSB3"},
		{"usb:12d1:1c05:x", "", "/dev/ttyUSB2 (usb:12d1:1c05:x?interface=1)"},
		{"usb:12d1:1c05:x?interface=1", "/dev/ttyUSB2", ""},
		{"usb:12d1:1c05:y", "/dev/ttyUSB3", ""},
		{"usb:dead:beef", "", "no such USB device"},
	}
	for _, tt := range tests {
		u, err := parseUSB(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		device, err := u.find(ports)
		if device != tt.device || (err == nil) != (tt.text == "") || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %q, %v; want %q and an error that says %q", tt.name, device, err, tt.device, tt.text)
		}
	}
	if _, err := new(usbName).find(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without any device: %v", err)
	}
}

func TestRegister(t *testing.T) {
	scheme := "mine"
	for slices.Contains(Schemes(), scheme) { // under -count
		scheme += "+tls"
	}
	mode := port.Mode{Baud: 1200}
	Register(scheme, func(_ context.Context, name string, cfg *Config) (port.Port, error) {
		if name != scheme+":there?x" || cfg.Port == nil || cfg.Remote.Mode != mode {
			t.Errorf("opened %q with %+v", name, cfg)
		}
		a, _ := virtual.Pair()
		return a, nil
	})
	p, err := Open(t.Context(), scheme+":there?x", &Config{Port: &port.Config{Mode: mode}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.(*virtual.Port); !ok {
		t.Errorf("got a %T", p)
	}
	for _, scheme := range []string{"tcp", scheme, "C", "", "UPPER", "with space"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was registered", scheme)
				}
			}()
			Register(scheme, openTCP)
		}()
	}
}

// listen serves one connection after the other.
func listen(t *testing.T, network, addr string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go serve(conn)
		}
	}()
	return l.Addr().String()
}

func echo(c net.Conn) { io.Copy(c, c) }

func TestRaw(t *testing.T) {
	names := map[string]string{
		"tcp":  "tcp://" + listen(t, "tcp", "127.0.0.1:0", echo),
		"unix": "unix:" + listen(t, "unix", filepath.Join(t.TempDir(), "s"), echo),
	}
	for network, name := range names {
		t.Run(network, func(t *testing.T) {
			p, err := Open(t.Context(), name, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if got := p.(port.Named).Name(); got != name {
				t.Errorf("its name is %q, want %q", got, name)
			}
			p.SetDeadline(time.Now().Add(10 * time.Second))
			p.Write([]byte("hello"))
			buf := make([]byte, 5)
			if _, err := io.ReadFull(p, buf); err != nil || string(buf) != "hello" {
				t.Errorf("read %q, %v", buf, err)
			}
			p.SetReadDeadline(time.Now())
			if _, err := p.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read after its deadline: %v", err)
			}
			_, err = Open(t.Context(), name, &Config{Port: &port.Config{Mode: port.Mode{Baud: 9600}}})
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "rfc2217") {
				t.Errorf("with a mode: %v", err)
			}
		})
	}
}

// TestTelnetPeerIsRecognised splits what the peer sends in every way.
func TestTelnetPeerIsRecognised(t *testing.T) {
	tests := []struct {
		sends  string
		option string
		want   string // what is read; empty: ErrTelnet
	}{
		{"\xff\xfd\x18login: ", "", ""},
		{"\xff\xfb\x01", "", ""},
		{"\xff\xfd\x18login: ", "?telnet=data", "\xff\xfd\x18login: "},
		{"\xff\xffdata", "", "\xff\xffdata"},
		{"login: \xff\xfd\x18", "", "login: \xff\xfd\x18"},
		{"x", "", "x"},
		{"\xff", "", "\xff"},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 2, 100} {
			near, far := net.Pipe()
			cfg := &Config{Remote: &rfc2217.Config{Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}}
			p, err := Open(t.Context(), "tcp://h:1"+tt.option, cfg)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for i := range tt.sends {
					far.Write([]byte(tt.sends[i : i+1]))
				}
				far.Close()
			}()
			var got []byte
			buf := make([]byte, size)
			for err == nil {
				var n int
				n, err = p.Read(buf)
				got = append(got, buf[:n]...)
			}
			switch {
			case tt.want != "":
				if string(got) != tt.want || !errors.Is(err, port.ErrCarrierLost) {
					t.Errorf("%q: read %q, %v; want %q", tt.sends, got, err, tt.want)
				}
			case !errors.Is(err, ErrTelnet) || !strings.Contains(err.Error(), "telnet://h:1"):
				t.Errorf("%q: read %q, %v; want %v", tt.sends, got, err, ErrTelnet)
			}
			p.Close()
		}
	}
}

// TestOptions reads the options of an rfc2217 port.
func TestOptions(t *testing.T) {
	var got rfc2217.Config
	err := remoteOptions(&got, map[string][]string{"ack": {"2s"}, "keepalive": {"-1s"}, "ignoreacks": {""}, "plain": {"true"}})
	want := rfc2217.Config{AckTimeout: 2 * time.Second, KeepAlive: -time.Second, IgnoreAcks: true, Plain: rfc2217.AllowPlain}
	if err != nil || got.AckTimeout != want.AckTimeout || got.KeepAlive != want.KeepAlive || !got.IgnoreAcks || got.Plain != want.Plain {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// TestRFC2217 opens a port of a server of ours.
func TestRFC2217(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, far := virtual.Pair()
	defer far.Close()
	server := &rfc2217.Server{Port: a}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	p, err := Open(t.Context(), "rfc2217://"+l.Addr().String()+"?ack=10s", &Config{Port: &port.Config{Mode: port.Mode{Baud: 2400}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if m, err := p.(port.ModeSetter).Mode(); err != nil || m.Baud != 2400 {
		t.Errorf("mode %v, %v; want 2400", m, err)
	}
	p.Close()
	server.Close()
	<-served
}

func TestTimeout(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	_, err := Open(t.Context(), "tcp://h:1", &Config{Timeout: 10 * time.Millisecond, Remote: &rfc2217.Config{Dial: hang}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
}

// TestNoServer holds that every kind of network name gives advice where no
// server listens.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for _, name := range []string{"tcp://" + addr, "telnet://" + addr, "rfc2217://" + addr, "rfc2217+tls://" + addr, "unix:" + t.TempDir() + "/none"} {
		_, err := Open(t.Context(), name, nil)
		if err == nil || strings.Count(err.Error(), "check the address") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
