package rfc2217_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
)

// elapsed returns the fake time since the bubble began to run start.
func elapsed(start time.Time) time.Duration { return time.Since(start) }

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
			want: errors.ErrUnsupported, text: "refuses COM-PORT",
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

func TestServersValueWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{comPort: func(cmd byte, value []byte) []byte {
			switch {
			case cmd == 1 && value[3] != 0: // 38400 becomes 38462, anything else stays 9600
				if value[2] == 0x96 {
					return ack(1, 0, 0, 0x96, 0x3e)
				}
				return ack(1, 0, 0, 0x25, 0x80)
			case cmd == 2:
				return ack(2, 8)
			}
			return echo(cmd, value)
		}}
		p := mustDialFake(t, f, rfc2217.Config{})
		tests := []struct {
			set  port.Mode
			text string
			want string
		}{
			{port.Mode{Baud: 115201}, "bit rate 115201: it keeps 9600", "9600,8N1,none"},
			{port.Mode{DataBits: 7, Parity: port.ParityEven}, "data bits 7: it keeps 8", "9600,8E1,none"},
			{port.Mode{Baud: 0x9601}, "", "38462,8E1,none"},
			{port.Mode{StopBits: port.StopTwo}, "", "38462,8E2,none"},
		}
		for _, tt := range tests {
			err := p.SetMode(tt.set)
			if (tt.text == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("SetMode(%v): %v; want %q", tt.set, err, tt.text)
			}
			if got, err := p.Mode(); err != nil || got.String() != tt.want {
				t.Errorf("Mode after SetMode(%v) = %v, %v; want %s", tt.set, got, err, tt.want)
			}
		}
	})
}

// TestModeOrder goes between modes whose fields exclude each other on the way.
func TestModeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := port.Mode{Baud: 9600, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowNone}
		stops := map[byte]port.StopBits{1: port.StopOne, 2: port.StopTwo, 3: port.StopOneHalf}
		numbers := map[port.StopBits]byte{port.StopOne: 1, port.StopTwo: 2, port.StopOneHalf: 3}
		try := func(next port.Mode) {
			if next.Validate() == nil {
				m = next
			}
		}
		f := &fake{comPort: func(cmd byte, value []byte) []byte {
			next := m
			switch cmd {
			case 2:
				if next.DataBits = int(value[0]); value[0] != 0 {
					try(next)
				}
				return ack(2, byte(m.DataBits))
			case 4:
				if next.StopBits = stops[value[0]]; value[0] != 0 {
					try(next)
				}
				return ack(4, numbers[m.StopBits])
			}
			return echo(cmd, value)
		}}
		p := mustDialFake(t, f, rfc2217.Config{})
		for _, text := range []string{"8N2", "5N1.5", "8N2", "5N1", "7N1", "5N1.5", "6N1"} {
			want, err := port.ParseMode(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.SetMode(want); err != nil {
				t.Errorf("SetMode(%s): %v", text, err)
			}
		}
	})
}

// TestLateAcknowledgement has the answer to one request come during the next.
func TestLateAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.comPort = func(cmd byte, value []byte) []byte {
			if cmd != 1 || value[3] == 0 || value[2] == 0x25 {
				return echo(cmd, value)
			}
			late := ack(cmd, value...)
			delay := 3 * time.Second
			if value[3] == 1 {
				delay = 6 * time.Second
			}
			time.AfterFunc(delay, func() { f.send(late...) })
			return nil
		}
		p := mustDialFake(t, f, rfc2217.Config{})
		if err := p.SetMode(port.Mode{Baud: 0x4b01}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("SetMode with an answer after 6s: %v; want a deadline", err)
		}
		if err := p.SetMode(port.Mode{Baud: 0x9602}); err != nil {
			t.Errorf("SetMode after a late answer: %v", err)
		}
		if m, err := p.Mode(); err != nil || m.Baud != 0x9602 {
			t.Errorf("Mode = %v, %v; want the second bit rate", m, err)
		}
	})
}

func TestSetModeRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustDialFake(t, &fake{}, rfc2217.Config{})
		if err := p.SetMode(port.Mode{Flow: port.FlowBoth}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("SetMode with both flow controls: %v; want errors.ErrUnsupported", err)
		}
		if err := p.SetMode(port.Mode{DataBits: 9}); err == nil || !strings.Contains(err.Error(), "9 data bits") {
			t.Errorf("SetMode with 9 data bits: %v", err)
		}
		if err := p.SetLines(port.CTS, 0); err == nil || !strings.Contains(err.Error(), "CTS cannot be set") {
			t.Errorf("SetLines of CTS: %v", err)
		}
	})
}

func TestFlowControlBetweenClientAndServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{})
		f.send(ack(8)...)
		synctest.Wait()
		p.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := p.Write([]byte("held")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write while suspended = %d, %v; want a deadline", n, err)
		}
		p.SetWriteDeadline(time.Time{})
		if err := p.SetMode(port.Mode{Baud: 1200}); err != nil {
			t.Errorf("SetMode while suspended: %v", err)
		}
		time.AfterFunc(time.Second, func() { f.send(ack(9)...) })
		if n, err := p.Write([]byte("free")); n != 4 || err != nil {
			t.Errorf("Write until resumed = %d, %v", n, err)
		}
		if err := errors.Join(p.Suspend(), p.Resume()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if f.text() != "free" || f.sent(8) != 1 || f.sent(9) != 1 {
			t.Errorf("the server got %q, %d suspends and %d resumes", f.text(), f.sent(8), f.sent(9))
		}
	})
}

func TestNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{})
		want := port.DTR | port.RTS | port.CTS | port.DSR
		if l, err := p.Lines(); err != nil || l != want {
			t.Fatalf("Lines = %v, %v; want %v", l, err, want)
		}
		tests := []struct {
			why   string
			state byte
			mask  port.Lines
			want  port.Lines
		}{
			{"DCD rises", 0xb8, port.DCD, want | port.DCD},
			{"a ring that is over", 0xb4, port.RI, want | port.DCD},
			{"DCD falls and the server forgets to say so", 0x30, port.DCD | port.RI, want},
			{"CTS falls", 0x21, port.Inputs, want &^ port.CTS},
		}
		for _, tt := range tests {
			time.AfterFunc(time.Second, func() { f.send(ack(7, tt.state)...) })
			if l, err := p.WaitLines(t.Context(), tt.mask); err != nil || l != tt.want {
				t.Errorf("%s: WaitLines = %v, %v; want %v", tt.why, l, err, tt.want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(time.Millisecond, func() { f.send(ack(7, 0x30|1)...) })
		if _, err := p.WaitLines(ctx, port.DCD); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitLines(DCD) when CTS changed: %v; want the context's error", err)
		}

		f.send(ack(6, 1<<1)...)
		f.send(ack(6, 1<<2|1<<3)...)
		f.send(ack(6, 1<<4|1<<6|1<<7)...)
		synctest.Wait()
		got, err := p.Stats()
		if want := (port.Stats{Overrun: 1, Parity: 1, Framing: 1, Breaks: 1}); err != nil || got != want {
			t.Errorf("Stats = %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestSetLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{})
		changed := make(chan port.Lines, 1)
		go func() {
			l, _ := p.WaitLines(context.Background(), port.DTR)
			changed <- l
		}()
		synctest.Wait()
		if err := p.SetLines(port.DTR|port.RTS, port.RTS); err != nil {
			t.Fatal(err)
		}
		if l := <-changed; l&port.Outputs != port.RTS {
			t.Errorf("WaitLines(DTR) = %v, want RTS alone of the outputs", l)
		}
		if f.sent(5, 9) != 1 || f.sent(5, 11) != 1 {
			t.Errorf("the server got %d times DTR off and %d times RTS on, want one each", f.sent(5, 9), f.sent(5, 11))
		}
	})
}

func TestBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{})
		start := time.Now()
		if err := p.SendBreak(context.Background(), 700*time.Millisecond); err != nil || elapsed(start) != 700*time.Millisecond {
			t.Errorf("SendBreak of 700ms: %v after %v", err, elapsed(start))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.SendBreak(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SendBreak with a context of 1s: %v", err)
		}
		synctest.Wait()
		if f.sent(5, 5) != 2 || f.sent(5, 6) != 2 {
			t.Errorf("the server got %d breaks and %d ends of them, want 2 each", f.sent(5, 5), f.sent(5, 6))
		}
	})
}

// TestDeadlinesAreLocal shows that deadlines and time-outs tell the server
// nothing.
func TestDeadlinesAreLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{})
		synctest.Wait()
		before := f.bytes()
		for _, d := range []time.Duration{time.Second, 2 * time.Second, time.Millisecond} {
			p.SetDeadline(time.Now().Add(d))
			start := time.Now()
			if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || elapsed(start) != d {
				t.Errorf("Read with a deadline of %v: %v after %v", d, err, elapsed(start))
			}
		}
		p.SetDeadline(time.Time{})
		synctest.Wait()
		if after := f.bytes(); after != before {
			t.Errorf("%d bytes were sent to the server meanwhile, want none", after-before)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{})
		if err := p.Drain(context.Background()); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		deaf := func(verb, opt byte) byte {
			if opt == telnet.TimingMark {
				return 0
			}
			return agree(verb, opt)
		}
		p := mustDialFake(t, &fake{option: deaf}, rfc2217.Config{})
		start := time.Now()
		if err := p.Drain(context.Background()); !errors.Is(err, errors.ErrUnsupported) || elapsed(start) != 5*time.Second {
			t.Errorf("Drain without an answer: %v after %v; want errors.ErrUnsupported after 5s", err, elapsed(start))
		}
	})
}

// TestPurge has bytes on both sides of the acknowledgement in one segment.
func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{comPort: func(cmd byte, value []byte) []byte {
			if cmd == 12 {
				return append(append([]byte("old\xff\xff"), ack(cmd, value...)...), "new"...)
			}
			return echo(cmd, value)
		}}
		p := mustDialFake(t, f, rfc2217.Config{})
		f.send([]byte("older")...)
		if err := p.Discard(port.Input); err != nil {
			t.Fatal(err)
		}
		expect(t, p, "new")
	})
}

func TestSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{comPort: func(cmd byte, value []byte) []byte {
			if cmd == 0 && len(value) == 0 {
				return ack(0, []byte("modem bank 7")...)
			}
			return echo(cmd, value)
		}}
		p := mustDialFake(t, f, rfc2217.Config{Signature: "tester"})
		if s, err := p.Signature(t.Context()); s != "modem bank 7" || err != nil {
			t.Errorf("Signature = %q, %v", s, err)
		}
		f.send(ack(0)...)
		synctest.Wait()
		if want := append([]byte{0}, "tester"...); f.sent(want...) != 1 {
			t.Errorf("the server asked for our signature and did not get it")
		}
	})
}

// TestFullQueue has a server that sends more than the client keeps: it is held
// off, and nothing is lost.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := mustDialFake(t, f, rfc2217.Config{Buffer: 1})
		text := strings.Repeat("0123456789abcdef", 1024)
		sent := make(chan int, 1)
		go func() {
			n, _ := f.send([]byte(text)...)
			sent <- n
		}()
		synctest.Wait()
		select {
		case n := <-sent:
			t.Errorf("a client that keeps 2048 bytes took %d", n)
		default:
		}
		if err := p.SetMode(port.Mode{Baud: 1200}); err == nil || !strings.Contains(err.Error(), "read from the port first") {
			t.Errorf("SetMode behind a full queue: %v; want an error that says what to do", err)
		}
		expect(t, p, text)
	})
}

// TestLost shows that the end of the connection keeps its cause and is no
// deadline, and what came before it is not lost.
func TestLost(t *testing.T) {
	one, two := tcpPair(t)
	f := &fake{conn: two, option: agree, comPort: echo, writing: make(chan struct{}, 1)}
	go f.serve()
	p, err := rfc2217.Dial(bounded(t), "reset", &rfc2217.Config{
		Dial: func(context.Context, string, string) (net.Conn, error) { return one, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f.send([]byte("last words")...)
	expect(t, p, "last ")
	two.(*net.TCPConn).SetLinger(0)
	two.Close()
	_, err = p.WaitLines(bounded(t), port.DCD)
	if !errors.Is(err, port.ErrCarrierLost) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("WaitLines: %v; want port.ErrCarrierLost and its cause", err)
	}
	expect(t, p, "words")
	_, err = p.Read(make([]byte, 1))
	var op *port.OpError
	if !errors.As(err, &op) || op.Op != "read" || !errors.Is(err, port.ErrCarrierLost) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read: %v; want a port.OpError with port.ErrCarrierLost and its cause", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) || op.Timeout() {
		t.Errorf("Read: %v looks like a deadline or an end of data", err)
	}
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
