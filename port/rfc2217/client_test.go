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

// TestDeadlinesAreLocal shows that deadlines and timeouts tell the server
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
// off, and nothing is lost. A setting is acknowledged all the same.
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
		if err := p.SetMode(port.Mode{Baud: 1200}); err != nil {
			t.Errorf("SetMode behind a full queue: %v", err)
		}
		synctest.Wait()
		if f.sent(8) != 1 || f.sent(9) != 0 {
			t.Errorf("the server was asked %d times to suspend and %d times to resume, want 1 and 0", f.sent(8), f.sent(9))
		}
		expect(t, p, text)
		synctest.Wait()
		if f.sent(9) != 1 {
			t.Errorf("the server was not asked to resume")
		}
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
