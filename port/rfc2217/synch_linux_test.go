package rfc2217_test

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// synch sends a Telnet Synch (RFC 854): the data mark as urgent data, with the
// IAC before it in the same segment or in one of its own.
func synch(t *testing.T, c net.Conn, together bool) {
	t.Helper()
	urgent := []byte{telnet.IAC, telnet.DM}
	if !together {
		if _, err := c.Write(urgent[:1]); err != nil {
			t.Fatal(err)
		}
		urgent = urgent[1:]
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), urgent, unix.MSG_OOB, nil) })
	if err != nil {
		t.Fatal(err)
	}
}

// TestSynch sends a Synch between data, to the server and to the client: no byte
// of the data is lost or damaged.
func TestSynch(t *testing.T) {
	for _, together := range []bool{true, false} {
		shared, far := virtual.Pair()
		c := dialRaw(t, serve(t, &rfc2217.Server{}, shared))
		c.send(t, agreement...)
		c.send(t, []byte("one ")...)
		expect(t, far, "one ")
		synch(t, c.Conn, together)
		c.send(t, []byte("two \xff\xff three")...)
		expect(t, far, "two \xff three")

		one, two := tcpPair(t)
		f := &fake{conn: two, option: agree, comPort: echo, writing: make(chan struct{}, 1)}
		go f.serve()
		p := dial(t, "x", &rfc2217.Config{Dial: dialer(one)})
		synch(t, two, together)
		f.send([]byte("login: ")...)
		expect(t, p, "login: ")
	}
}

// dialer returns a Config.Dial that gives c.
func dialer(c net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return c, nil }
}
