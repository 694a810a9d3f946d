package rfc2217_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
)

func TestDialRefused(t *testing.T) {
	tests := []struct {
		name   string
		option func(verb, opt byte) byte
		cfg    rfc2217.Config
		want   error // nil: a port
		text   string
		within time.Duration
		plain  bool
	}{
		{name: "agrees", option: agree, within: 0},
		{name: "refuses", option: refuse, want: errors.ErrUnsupported, text: "refuses COM-PORT"},
		{name: "refuses and may", option: refuse, cfg: rfc2217.Config{Plain: rfc2217.AllowPlain}, plain: true},
		{name: "says nothing", option: mute, want: os.ErrDeadlineExceeded, text: "is it a Telnet server?", within: 5 * time.Second},
		{
			name: "says nothing and may", option: mute,
			cfg:   rfc2217.Config{Plain: rfc2217.AllowPlain, AckTimeout: 3 * time.Second},
			plain: true, within: 3 * time.Second,
		},
		{name: "is not asked", option: agree, cfg: rfc2217.Config{Plain: rfc2217.PlainOnly}, plain: true},
		{
			name: "answers only the timing mark",
			option: func(verb, opt byte) byte {
				if opt == telnet.TimingMark {
					return telnet.WILL
				}
				return 0
			},
			want: errors.ErrUnsupported, text: "refuses COM-PORT", within: time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				p, err := dialFake(context.Background(), t, &fake{option: tt.option}, tt.cfg)
				if took := elapsed(start); took != tt.within {
					t.Errorf("Dial took %v, want %v", took, tt.within)
				}
				if tt.want != nil {
					if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
						t.Fatalf("Dial: %v; want %v with %q", err, tt.want, tt.text)
					}
					return
				}
				if err != nil {
					t.Fatalf("Dial: %v", err)
				}
				if p.ComPort() == tt.plain {
					t.Errorf("ComPort = %v, want %v", p.ComPort(), !tt.plain)
				}
			})
		})
	}
}

func TestDialContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := dialFake(ctx, t, &fake{option: mute}, rfc2217.Config{})
		if !errors.Is(err, context.DeadlineExceeded) || elapsed(start) != time.Second {
			t.Errorf("Dial with a context of 1s: %v after %v", err, elapsed(start))
		}
	})
}

func TestPlainTelnet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{option: refuse}
		p := mustDialFake(t, f, rfc2217.Config{Plain: rfc2217.AllowPlain})
		if _, err := p.Write([]byte("a\r\n\xffb")); err != nil {
			t.Fatal(err)
		}
		go f.send([]byte("c\r\x00\r\n\xff\xffd")...)
		expect(t, p, "c\r\r\n\xffd")
		synctest.Wait()
		// Without BINARY a carriage return has a NUL (RFC 854).
		if got, want := f.text(), "a\r\x00\n\xffb"; got != want {
			t.Errorf("the server got %q, want %q", got, want)
		}
		calls := map[string]func() error{
			"Mode":      func() error { _, err := p.Mode(); return err },
			"SetMode":   func() error { return p.SetMode(port.Mode{Baud: 9600}) },
			"Lines":     func() error { _, err := p.Lines(); return err },
			"SetLines":  func() error { return p.SetLines(port.DTR, 0) },
			"WaitLines": func() error { _, err := p.WaitLines(context.Background(), port.CTS); return err },
			"SendBreak": func() error { return p.SendBreak(context.Background(), 0) },
			"Discard":   func() error { return p.Discard(port.Output) },
			"Suspend":   p.Suspend,
			"Resume":    p.Resume,
			"Signature": func() error { _, err := p.Signature(context.Background()); return err },
			"Stats":     func() error { _, err := p.Stats(); return err },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s of a plain port: %v; want errors.ErrUnsupported", name, err)
			}
		}
	})
}

// TestNoAcknowledgements has a server that agrees to COM-PORT and then answers
// nothing.
func TestNoAcknowledgements(t *testing.T) {
	tests := []struct {
		name string
		call func(p *rfc2217.Port) error
		text string
	}{
		{"SetMode", func(p *rfc2217.Port) error { return p.SetMode(port.Mode{Baud: 9600}) }, "SET-BAUDRATE"},
		{"SetLines", func(p *rfc2217.Port) error { return p.SetLines(port.DTR, 0) }, "SET-CONTROL"},
		{"SendBreak", func(p *rfc2217.Port) error { return p.SendBreak(context.Background(), 0) }, "SET-CONTROL"},
		{"Discard", func(p *rfc2217.Port) error { return p.Discard(port.Input) }, "PURGE-DATA"},
		{"Signature", func(p *rfc2217.Port) error { _, err := p.Signature(context.Background()); return err }, "SIGNATURE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := mustDialFake(t, &fake{comPort: silentPort}, rfc2217.Config{AckTimeout: 2 * time.Second})
				start := time.Now()
				err := tt.call(p)
				if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%v; want os.ErrDeadlineExceeded that names %s", err, tt.text)
				}
				if took := elapsed(start); took != 2*time.Second {
					t.Errorf("it took %v, want 2s", took)
				}
			})
		})
	}
}

func TestIgnoreAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := port.Mode{Baud: 1200, DataBits: 7, Parity: port.ParityMark, StopBits: port.StopTwo, Flow: port.FlowXONXOFF}
		p := mustDialFake(t, &fake{comPort: silentPort}, rfc2217.Config{IgnoreAcks: true, Mode: want})
		if got, err := p.Mode(); err != nil || got != want {
			t.Errorf("Mode = %v, %v; want %v as it was asked for", got, err, want)
		}
		if err := p.SetLines(port.DTR, 0); err != nil {
			t.Errorf("SetLines: %v", err)
		}
		if _, err := p.Lines(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Lines of a server that never told them: %v; want errors.ErrUnsupported", err)
		}
		if err := p.SendBreak(context.Background(), time.Second); err != nil {
			t.Errorf("SendBreak: %v", err)
		}
	})
}

func TestDialError(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	l.Close()
	_, err := rfc2217.Dial(bounded(t), addr, nil)
	var op *port.OpError
	if !errors.As(err, &op) || op.Op != "open" || op.Port != "rfc2217://"+addr {
		t.Errorf("Dial of nobody: %v; want a port.OpError that names the address", err)
	}
}
