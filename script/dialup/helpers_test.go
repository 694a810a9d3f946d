package dialup_test

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

func TestMain(m *testing.M) {
	peertest.Parallel(16)
	os.Exit(m.Run())
}

const number = "5550100"

// exchange is a modem on a virtual line, and hosts that it reaches.
type exchange struct {
	modem *scripttest.Modem
	line  *virtual.Port // the end that is dialled from

	mu    sync.Mutex
	hosts []*scripttest.Login
	opens int
}

// newExchange makes an exchange. hosts is what answers, and results are what other
// numbers get.
func newExchange(t testing.TB, cfg *scripttest.ModemConfig, host *scripttest.LoginConfig) *exchange {
	t.Helper()
	x := new(exchange)
	x.install(cfg, host)
	t.Cleanup(x.close)
	return x
}

func (x *exchange) install(cfg *scripttest.ModemConfig, host *scripttest.LoginConfig) {
	var c scripttest.ModemConfig
	if cfg != nil {
		c = *cfg
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, number string) scripttest.Answer {
			near, far := virtual.Pair()
			h := scripttest.NewLogin(far, host)
			x.mu.Lock()
			defer x.mu.Unlock()
			x.hosts = append(x.hosts, h)
			return scripttest.Answer{Far: near}
		}
	}
	var dce *virtual.Port
	x.line, dce = virtual.Pair(virtual.Names("line", "modem"))
	x.modem = scripttest.NewModem(dce, &c)
}

func (x *exchange) close() {
	x.modem.Close()
	x.line.Close()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, h := range x.hosts {
		h.Close()
	}
}

// open is Config.Open for the exchange. The line stays open for the next dial.
func (x *exchange) open(context.Context, string, *portname.Config) (port.Port, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.opens++
	x.line.SetLines(port.DTR|port.RTS, port.DTR|port.RTS)
	return reopened{x.line, x.line}, nil
}

// reopened is a port whose Close leaves the line for the next dial, with DTR off.
type reopened struct {
	*virtual.Port
	line *virtual.Port
}

func (r reopened) Close() error {
	r.line.SetDeadline(past)
	r.line.SetLines(port.DTR, 0)
	r.line.SetDeadline(zero)
	return nil
}

// entry is an entry that reaches the host.
func entry() *dialup.Entry {
	return &dialup.Entry{
		Name:   "test",
		Port:   "line",
		Dialer: &modem.Dialer{},
		Script: script.Login(nil),
		Params: ras.DialParams{PhoneNumber: number, UserName: "guest", Password: "secret"},
	}
}

// states records what a dial reports.
type states struct {
	mu   sync.Mutex
	list []dialup.State
}

func (s *states) add(st dialup.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, st)
}

func (s *states) names() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.list {
		name := st.Conn.String()
		if st.Err != nil {
			name += " failed"
		}
		out = append(out, name)
	}
	return out
}

func (s *states) last() dialup.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list[len(s.list)-1]
}

func readAll(r io.Reader, n int) (string, error) {
	b := make([]byte, n)
	k, err := io.ReadFull(r, b)
	return string(b[:k]), err
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want an error that matches %v", what, err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openOf returns a Config.Open for one port.
func openOf(p port.Port) func(context.Context, string, *portname.Config) (port.Port, error) {
	return func(context.Context, string, *portname.Config) (port.Port, error) { return p, nil }
}
