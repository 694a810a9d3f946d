package rfc2217_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port/rfc2217"
)

// fake is a server that does what a test specifies, over a net.Pipe, so that
// it works under testing/synctest. It does not try to be a port.
type fake struct {
	conn net.Conn

	// option answers WILL, WONT, DO and DONT; 0 is no answer.
	option func(verb, opt byte) byte
	// comPort answers a COM-PORT command with the bytes to send; nil is none.
	comPort func(cmd byte, value []byte) []byte

	writing chan struct{} // held by the one write at work

	mu   sync.Mutex
	data []byte   // data that came
	subs [][]byte // COM-PORT commands that came
	raw  int      // all bytes that came
}

// dialFake connects a client to f, whose zero fields agree to everything and
// acknowledge everything as it is asked for.
func dialFake(ctx context.Context, t *testing.T, f *fake, cfg rfc2217.Config) (*rfc2217.Port, error) {
	t.Helper()
	if f.option == nil {
		f.option = agree
	}
	if f.comPort == nil {
		f.comPort = echo
	}
	f.writing = make(chan struct{}, 1)
	var near net.Conn
	near, f.conn = net.Pipe()
	t.Cleanup(func() { f.conn.Close() })
	go f.serve()
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
	p, err := rfc2217.Dial(ctx, "fake", &cfg)
	if err == nil {
		t.Cleanup(func() { p.Close() })
	}
	return p, err
}

// mustDialFake is dialFake where that is not the test.
func mustDialFake(t *testing.T, f *fake, cfg rfc2217.Config) *rfc2217.Port {
	t.Helper()
	p, err := dialFake(context.Background(), t, f, cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	return p
}

func (f *fake) serve() {
	var d telnet.Decoder
	buf := make([]byte, 1024)
	for {
		n, err := f.conn.Read(buf)
		f.mu.Lock()
		f.raw += n
		f.mu.Unlock()
		var reply []byte
		for raw := buf[:n]; len(raw) > 0; {
			data, rest, ev := d.Next(raw)
			raw = rest
			reply = append(reply, f.take(data, ev)...)
		}
		if err != nil {
			return
		}
		f.send(reply...)
	}
}

// take keeps what came and returns the answer.
func (f *fake) take(data []byte, ev telnet.Event) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = append(f.data, data...)
	switch ev.Kind {
	case telnet.Negotiate:
		if verb := f.option(ev.Verb, ev.Option); verb != 0 {
			return []byte{telnet.IAC, verb, ev.Option}
		}
	case telnet.Sub:
		f.subs = append(f.subs, bytes.Clone(ev.Data))
		return f.comPort(ev.Data[0], ev.Data[1:])
	}
	return nil
}

// agree accepts every option but timing marks, which it answers as a server
// that does not know them does.
func agree(verb, opt byte) byte {
	switch {
	case verb == telnet.DO && opt == telnet.TimingMark:
		return telnet.WONT
	case verb == telnet.DO:
		return telnet.WILL
	case verb == telnet.WILL:
		return telnet.DO
	}
	return 0
}

// refuse refuses every option.
func refuse(verb, opt byte) byte {
	switch verb {
	case telnet.DO:
		return telnet.WONT
	case telnet.WILL:
		return telnet.DONT
	}
	return 0
}

// mute answers no option.
func mute(byte, byte) byte { return 0 }

// ack is the server's acknowledgement of cmd with a value.
func ack(cmd byte, value ...byte) []byte {
	return telnet.AppendSub(nil, telnet.ComPort, append([]byte{cmd + 100}, value...)...)
}

// echo acknowledges everything with the value asked for, and questions with
// 9600,8N1,none, both outputs on, and CTS and DSR.
func echo(cmd byte, value []byte) []byte {
	initial := map[byte][]byte{1: {0, 0, 0x25, 0x80}, 2: {8}, 3: {1}, 4: {1}, 7: {0x30}}
	controls := map[byte]byte{0: 1, 4: 6, 7: 8, 10: 11, 13: 14}
	switch v, ok := initial[cmd]; {
	case ok && (cmd == 7 || bytes.Count(value, []byte{0}) == len(value)):
		return ack(cmd, v...)
	case cmd == 5 && controls[value[0]] != 0:
		return ack(cmd, controls[value[0]])
	case cmd == 0 || cmd == 8 || cmd == 9:
		return nil
	}
	return ack(cmd, value...)
}

// silentPort agrees to COM-PORT and acknowledges nothing.
func silentPort(byte, []byte) []byte { return nil }

// send sends bytes. The lock of a net.Pipe would stop the time of a bubble.
func (f *fake) send(b ...byte) (int, error) {
	f.writing <- struct{}{}
	defer func() { <-f.writing }()
	return f.conn.Write(b)
}

// sent returns how often the command came with the value.
func (f *fake) sent(cmd ...byte) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.subs {
		if bytes.Equal(s, cmd) {
			n++
		}
	}
	return n
}

func (f *fake) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.data)
}

func (f *fake) bytes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.raw
}
