package rfc2217_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// TestQuirkyServers has servers that deviate from RFC 2217 in ways that have
// been seen: settings and modem lines work all the same.
func TestQuirkyServers(t *testing.T) {
	clientCodes := func(cmd byte, value []byte) []byte {
		b := echo(cmd, value)
		if len(b) > 3 {
			b[3] -= 100
		}
		return b
	}
	baud := func(value ...byte) func(cmd byte, v []byte) []byte {
		return func(cmd byte, v []byte) []byte {
			if cmd == 1 {
				return ack(1, value...)
			}
			return echo(cmd, v)
		}
	}
	late := func(answerMark bool) func(f *fake) {
		return func(f *fake) {
			f.option = func(verb, opt byte) byte {
				switch {
				case opt == telnet.ComPort:
					time.AfterFunc(200*time.Millisecond, func() { f.send(telnet.IAC, telnet.DO, telnet.ComPort) })
					return 0
				case opt == telnet.TimingMark && !answerMark:
					return 0
				}
				return agree(verb, opt)
			}
		}
	}
	tests := []struct {
		name   string
		server func(f *fake)
		within time.Duration
	}{
		{"acknowledges with the client's codes", func(f *fake) { f.comPort = clientCodes }, 0},
		{"acknowledges bit rates with more than four bytes", func(f *fake) { f.comPort = baud(0, 0, 0x25, 0x80, 0, 0) }, 0},
		{"acknowledges bit rates with two bytes", func(f *fake) { f.comPort = baud(0x25, 0x80) }, 0},
		{"acknowledges bit rates with a code", func(f *fake) { f.comPort = baud(8) }, 0},
		{"acknowledges without values", func(f *fake) {
			f.comPort = func(cmd byte, v []byte) []byte {
				if b := echo(cmd, v); cmd >= 1 && cmd <= 4 && bytes.Count(v, []byte{0}) < len(v) {
					return ack(cmd)
				} else {
					return b
				}
			}
		}, 0},
		{"answers WILL with WILL", func(f *fake) {
			f.option = func(verb, opt byte) byte {
				if opt == telnet.ComPort && verb == telnet.WILL {
					return telnet.WILL
				}
				return agree(verb, opt)
			}
		}, 0},
		{"answers for COM-PORT after the timing mark", late(true), 200 * time.Millisecond},
		{"answers for COM-PORT late and no timing mark", late(false), 200 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := new(fake)
				tt.server(f)
				start := time.Now()
				p := mustDialFake(t, f, rfc2217.Config{})
				if took := elapsed(start); took != tt.within {
					t.Errorf("Dial took %v, want %v", took, tt.within)
				}
				start = time.Now()
				if err := p.SetMode(port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven}); err != nil {
					t.Errorf("SetMode: %v", err)
				}
				if m, err := p.Mode(); err != nil || m.Baud != 9600 {
					t.Errorf("Mode = %v, %v; want 9600", m, err)
				}
				if l, err := p.Lines(); err != nil || l != port.Outputs|port.CTS|port.DSR {
					t.Errorf("Lines = %v, %v", l, err)
				}
				if err := p.SetLines(port.DTR, 0); err != nil {
					t.Errorf("SetLines: %v", err)
				}
				if took := elapsed(start); took > 0 {
					t.Errorf("that took %v", took)
				}
			})
		})
	}
}

// TestUndoubledIAC has a server that does not double a 0xFF in a notification.
// The data that follows is not swallowed, and other values are read as before.
func TestUndoubledIAC(t *testing.T) {
	for _, value := range []string{"\xff", "\xff\xff"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			p := mustDialFake(t, f, rfc2217.Config{})
			go f.send([]byte("before\xff\xfa\x2c\x6b" + value + "\xff\xf0after")...)
			expect(t, p, "beforeafter")
			if l, err := p.Lines(); err != nil || l != port.Outputs|port.Inputs {
				t.Errorf("Lines = %v, %v; want all", l, err)
			}
		})
	}
}

// TestNoDoubledIAC examines what the client sends unasked: a 0xFF that must be
// doubled in a value is something that sredird cannot read.
func TestNoDoubledIAC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		mustDialFake(t, f, rfc2217.Config{})
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.subs {
			if bytes.Contains(s, []byte{0xff}) {
				t.Errorf("Dial sends the command % x", s)
			}
		}
	})
}

// TestEarlySuspend suspends the data before the negotiation has ended.
func TestEarlySuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{})
		c := newRawClient(t, l.connect())
		c.send(t, telnet.IAC, telnet.WILL, telnet.ComPort)
		c.command(t, 8)
		c.send(t, agreement...)
		synctest.Wait()
		go far.Write([]byte("DATA"))
		<-time.After(time.Minute)
		if data, _ := c.received(); strings.Contains(data, "DATA") {
			t.Error("data was sent to a client that had suspended it")
		}
		c.command(t, 9)
		synctest.Wait()
		if data, _ := c.received(); data != "DATA" {
			t.Errorf("after the resume %q was received", data)
		}

		// A resume does not end the wait for the negotiation.
		c.Close()
		awaitLines(t, far, port.DSR, 0)
		c = newRawClient(t, l.connect())
		c.send(t, telnet.IAC, telnet.WILL, telnet.ComPort)
		c.command(t, 9)
		synctest.Wait()
		go far.Write([]byte("DATA"))
		synctest.Wait()
		if data, _ := c.received(); strings.Contains(data, "DATA") {
			t.Error("data was sent before the client had answered for BINARY")
		}
	})
}

// agreed returns a client of a server that shares p, after the negotiation.
func agreed(t *testing.T, l *pipeListener) *rawClient {
	t.Helper()
	c := newRawClient(t, l.connect())
	c.send(t, agreement...)
	synctest.Wait()
	c.received()
	return c
}

// TestServerAnswers sends the server commands and compares all that it answers.
func TestServerAnswers(t *testing.T) {
	tests := []struct {
		name string
		cmd  []byte
		want string
	}{
		{"no mask asks for silence", []byte{11, 0}, "6f 00"},
		{"a mask is followed by the levels of all lines", []byte{11, 0x80}, "6f 80|6b b0"},
		{"the mask of errors that are reported", []byte{10, 0xff}, "6e 1e"},
		{"errors, asked without a value", []byte{6}, "6a 00"},
		{"errors, asked with a value", []byte{6, 0}, "6a 00"},
		{"modem lines, asked without a value", []byte{7}, "6b b0"},
		{"modem lines, asked with a value", []byte{7, 0}, "6b b0"},
		{"a control that is not defined", []byte{5, 20}, ""},
		{"the last control", []byte{5, 255}, ""},
		{"a purge of nothing", []byte{12, 0}, ""},
		{"a purge that is not defined", []byte{12, 4}, ""},
		{"a purge of all", []byte{12, 3}, "70 03"},
		{"a bit rate", []byte{1, 0, 0, 0x25, 0x80}, "65 00 00 25 80"},
		{"a bit rate as a code", []byte{1, 8}, "65 08"},
		{"the bit rate as a code", []byte{1, 0}, "65 08"},
		{"a code without a bit rate", []byte{1, 200}, ""},
		{"a signature", []byte{0}, "64 72 61 73 6c 69 6e 65"},
		{"a signature that is given", []byte{0, 'x'}, ""},
		{"a command that is not defined", []byte{13, 1}, ""},
		{"the code of an acknowledgement", []byte{101, 0, 0, 1, 1}, ""},
	}
	synctest.Test(t, func(t *testing.T) {
		l, _ := bubble(t, &rfc2217.Server{}, virtual.Mode(port.Mode{Baud: 9600}))
		c := agreed(t, l)
		for _, tt := range tests {
			c.command(t, tt.cmd...)
			synctest.Wait()
			if _, got := c.received(); strings.Join(got, "|") != tt.want {
				t.Errorf("%s: % x is answered with %q, want %q", tt.name, tt.cmd, got, tt.want)
			}
		}
	})
}

// TestModemMask changes lines of which the client has asked to be notified, and
// others.
func TestModemMask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{})
		c := agreed(t, l)
		steps := []struct {
			mask        byte
			lines, want port.Lines
			notified    string
		}{
			{0x80, port.RTS, 0, ""},
			{0x80, port.DTR, 0, "6b 0a"},
			{0, port.Outputs, port.Outputs, ""},
			{0x10, port.RTS, 0, "6b a1"},
		}
		for _, s := range steps {
			c.command(t, 11, s.mask)
			synctest.Wait()
			c.received()
			far.SetLines(s.lines, s.want)
			<-time.After(time.Second)
			synctest.Wait()
			if _, got := c.received(); strings.Join(got, "|") != s.notified {
				t.Errorf("mask %#x, %v become %v: notified %q, want %q", s.mask, s.lines, s.want, got, s.notified)
			}
		}
	})
}

// TestPortWithoutLinesAnswers has clients that insist on a modem state: they get
// that of a null-modem cable. Our own does not, and knows that there is none.
func TestPortWithoutLinesAnswers(t *testing.T) {
	one, two := tcpPair(t)
	addr := serve(t, &rfc2217.Server{}, one)
	c := dialRaw(t, addr)
	c.send(t, agreement...)
	c.command(t, 0) // C-Kermit's first command; it waits for a notification
	c.awaitCommand(t, "6b b0")
	c.Close()
	c = dialRaw(t, addr)
	c.send(t, agreement...)
	c.command(t, 7, 0)
	c.command(t, 7) // what pyserial asks
	c.awaitCommand(t, "6b b0")
	c.command(t, 0)
	c.awaitCommand(t, "64 72 61 73 6c 69 6e 65")
	if _, commands := c.received(); slices.Index(commands, "6b b0") != 0 || slices.Contains(commands[1:], "6b b0") {
		t.Errorf("the server sent %q, want one modem state for the second request alone", commands)
	}
	c.Close()
	p := dial(t, addr, nil)
	pass(t, p, two, "x")
	if _, err := p.Lines(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Lines of a port without lines: %v; want errors.ErrUnsupported", err)
	}
}

// TestAreYouThere asks with AYT: a user sees the answer, a program does not get
// it as data.
func TestAreYouThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := bubble(t, &rfc2217.Server{Signature: "bank 7"})
		c := newRawClient(t, l.connect())
		c.send(t, telnet.IAC, telnet.DONT, telnet.Echo, telnet.IAC, telnet.AYT)
		synctest.Wait()
		if data, _ := c.received(); !strings.Contains(data, "[yes, bank 7]") {
			t.Errorf("AYT is answered with %q", data)
		}
		c.Close()
		<-time.After(time.Minute)
		c = agreed(t, l)
		c.send(t, telnet.IAC, telnet.AYT)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if want := []byte{telnet.IAC, telnet.NOP}; !bytes.Equal(c.wire, want) {
			t.Errorf("AYT of a COM-PORT client is answered with %q, want a NOP", c.wire)
		}
	})
}

// TestBreakKeepsItsPlace sends a break after data that takes a while: the break
// follows the data, and is acknowledged when it begins.
func TestBreakKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{}, virtual.LineSpeed(0), virtual.Mode(port.Mode{Baud: 1200}), virtual.BufferSize(64), virtual.BreakAsNUL())
		p := dialPipe(t, l, rfc2217.Config{})
		text := strings.Repeat("x", 240)
		if _, err := p.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got := make([]byte, len(text)+1)
		read := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(far, got)
			read <- err
		}()
		if err := p.SendBreak(context.Background(), 100*time.Millisecond); err != nil || elapsed(start) < 2*time.Second {
			t.Errorf("SendBreak after 2s of data: %v after %v", err, elapsed(start))
		}
		if err := <-read; err != nil || string(got) != text+"\x00" {
			t.Errorf("the far end read %q, %v; want the break after the data", got, err)
		}
	})
}
