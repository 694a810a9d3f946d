package rfc2217_test

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// rawClient is a client that sends exactly what a test wants, and keeps what it
// receives.
type rawClient struct {
	net.Conn

	mu   sync.Mutex
	wire []byte        // what was received
	more chan struct{} // closed when there is more, or the end
	err  error         // why receiving ended
}

// newRawClient starts to receive on c.
func newRawClient(t testing.TB, c net.Conn) *rawClient {
	r := &rawClient{Conn: c, more: make(chan struct{})}
	t.Cleanup(func() { c.Close() })
	go r.receive()
	return r
}

// receive keeps what arrives, until the end.
func (r *rawClient) receive() {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Conn.Read(buf)
		r.mu.Lock()
		r.wire = append(r.wire, buf[:n]...)
		r.err = err
		close(r.more)
		r.more = make(chan struct{})
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// dialRaw connects a rawClient to a TCP address.
func dialRaw(t testing.TB, addr string) *rawClient {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newRawClient(t, c)
}

// agreement answers the server's greeting: yes to everything.
var agreement = []byte{
	telnet.IAC, telnet.WILL, telnet.ComPort, telnet.IAC, telnet.DO, telnet.Binary, telnet.IAC, telnet.WILL, telnet.Binary,
	telnet.IAC, telnet.DO, telnet.SGA, telnet.IAC, telnet.WILL, telnet.SGA, telnet.IAC, telnet.DO, telnet.Echo,
	telnet.IAC, telnet.WONT, telnet.TimingMark,
}

// send sends bytes.
func (r *rawClient) send(t testing.TB, b ...byte) {
	t.Helper()
	if _, err := r.Write(b); err != nil {
		t.Fatalf("the client's write: %v", err)
	}
}

// command sends a COM-PORT command.
func (r *rawClient) command(t testing.TB, b ...byte) {
	t.Helper()
	r.send(t, telnet.AppendSub(nil, telnet.ComPort, b...)...)
}

// received returns the data and the COM-PORT commands received so far, and
// forgets them.
func (r *rawClient) received() (data string, commands []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var d telnet.Decoder
	for raw := r.wire; len(raw) > 0; {
		got, rest, ev := d.Next(raw)
		data += string(got)
		if ev.Kind == telnet.Sub {
			commands = append(commands, fmt.Sprintf("% x", ev.Data))
		}
		raw = rest
	}
	r.wire = nil
	return data, commands
}

// greeted waits for the first byte from the server.
func (r *rawClient) greeted(t testing.TB) {
	t.Helper()
	late := time.After(limit)
	for {
		r.mu.Lock()
		n, more := len(r.wire), r.more
		r.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatal("no greeting")
		}
	}
}

// await waits until ok reports true of what was received, data and commands.
func (r *rawClient) await(t testing.TB, what string, ok func(data string, commands []string) bool) {
	t.Helper()
	late := time.After(limit)
	for {
		r.mu.Lock()
		wire := append([]byte(nil), r.wire...)
		err, more := r.err, r.more
		r.mu.Unlock()
		data, commands := (&rawClient{wire: wire}).received()
		if ok(data, commands) {
			return
		}
		if err != nil {
			t.Fatalf("%s: the connection ended with %v after %q, %q", what, err, data, commands)
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%s: received only %q, %q", what, data, commands)
		}
	}
}

// awaitCommand waits for a COM-PORT command in hexadecimal.
func (r *rawClient) awaitCommand(t testing.TB, want string) {
	t.Helper()
	r.await(t, "the command "+want, func(_ string, commands []string) bool { return slices.Contains(commands, want) })
}

// end waits for the end of the connection and returns the data received.
func (r *rawClient) end(t testing.TB) string {
	t.Helper()
	late := time.After(limit)
	for {
		r.mu.Lock()
		err, more := r.err, r.more
		r.mu.Unlock()
		if err != nil {
			data, _ := r.received()
			return data
		}
		select {
		case <-more:
		case <-late:
			data, _ := r.received()
			t.Fatalf("the connection does not end; received %q", data)
		}
	}
}

// touched is a shared port that notes what is done to it, apart from reads that
// find nothing.
type touched struct {
	*virtual.Port

	mu    sync.Mutex
	calls []string
}

func (p *touched) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

// noted returns the calls and forgets them.
func (p *touched) noted() (calls []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls, p.calls = p.calls, nil
	return calls
}

func (p *touched) Read(b []byte) (int, error) {
	p.note("Read")
	return p.Port.Read(b)
}

func (p *touched) Write(b []byte) (int, error) {
	p.note("Write(%q)", b)
	return p.Port.Write(b)
}

func (p *touched) SetLines(mask, values port.Lines) error {
	p.note("SetLines(%v, %v)", mask, values)
	return p.Port.SetLines(mask, values)
}

func (p *touched) SetMode(m port.Mode) error {
	p.note("SetMode(%v)", m)
	return p.Port.SetMode(m)
}

func (p *touched) Discard(d port.Direction) error {
	p.note("Discard(%d)", d)
	return p.Port.Discard(d)
}
