package rfc2217_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// post is what a web page can send with fetch to any address, with the body that
// it likes: here one that answers in Telnet and dials.
var post = []byte("POST / HTTP/1.1\r\nHost: 127.0.0.1:2217\r\nContent-Type: text/plain\r\nContent-Length: 40\r\n\r\n" +
	"\xff\xfb\x2c\xff\xfd\x00\xff\xfb\x00\xff\xfc\x06\r\nATDT09001234567\r\n\xff\xfa\x2c\x05\x09\xff\xf0")

// TestStrangers has clients connect that do not prove themselves, in all ways
// that are known: nothing is done to the port, what the device has sent is still
// there, the client receives the reason, and a client that proves itself gets the port
// meanwhile.
func TestStrangers(t *testing.T) {
	tests := []struct {
		name string
		do   func(c net.Conn)
		told string // what the client receives, if it waits
		stay bool   // it keeps the connection open
	}{
		{"a port scan", func(c net.Conn) { c.Close() }, "", false},
		{"a silent connection", func(c net.Conn) {}, "No answer in Telnet", true},
		{"data without an answer", func(c net.Conn) { c.Write([]byte("ATDT09001234567\r")) }, "No answer in Telnet", true},
		{"breaks", func(c net.Conn) { c.Write(bytes.Repeat([]byte{telnet.IAC, telnet.BRK}, 200)) }, "No answer in Telnet", true},
		{"questions", func(c net.Conn) { c.Write(bytes.Repeat([]byte{telnet.IAC, telnet.AYT}, 20)) }, "No answer in Telnet", true},
		{"the POST of a web page", func(c net.Conn) { c.Write(post) }, "no web server", true},
		{"the same in pieces", func(c net.Conn) {
			for _, b := range post {
				c.Write([]byte{b})
			}
		}, "no web server", true},
		{"a GET", func(c net.Conn) { c.Write([]byte("GET /?q=1 HTTP/1.1\r\n\r\n")) }, "no web server", true},
		{"a method of a page's own", func(c net.Conn) {
			c.Write(append([]byte("m-search /"+strings.Repeat("a", 8<<10)), bytes.TrimPrefix(post, []byte("POST /"))...))
		}, "no web server", true},
		{"a method of one letter, in pieces", func(c net.Conn) {
			for b := range slices.Chunk(append([]byte("a"), post[4:]...), 3) {
				c.Write(b)
			}
		}, "no web server", true},
		{"a TLS client", func(c net.Conn) { tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() }, "", false},
		{"more data than is held", func(c net.Conn) { c.Write(bytes.Repeat([]byte("A"), 1<<20)) }, "Too much data", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				shared := &touched{Port: near}
				far.Write([]byte("for the owner"))
				s := &rfc2217.Server{Port: shared, KeepState: true}
				l := newPipeListener()
				go s.Serve(l)
				defer s.Close()

				c := newRawClient(t, l.connect())
				done := make(chan struct{})
				go func() {
					tt.do(c)
					close(done)
				}()
				synctest.Wait()
				if calls := shared.noted(); len(calls) > 0 {
					t.Errorf("the port saw %q", calls)
				}
				if lines, _ := far.Lines(); lines&(port.CTS|port.DSR) != port.CTS|port.DSR {
					t.Errorf("the far end has %v: the lines were moved", lines)
				}

				// The owner gets the port immediately, and what the device sent.
				start := time.Now()
				p := dialPipe(t, l, rfc2217.Config{})
				expect(t, p, "for the owner")
				if took := elapsed(start); took > 0 {
					t.Errorf("the owner waited %v", took)
				}
				p.Close()
				awaitLines(t, far, port.DSR|port.CTS, 0)
				shared.noted()

				if tt.stay {
					if told := c.end(t); !strings.Contains(told, tt.told) {
						t.Errorf("the client was told %q, want %q", told, tt.told)
					}
					if took := elapsed(start); took > 10*time.Second {
						t.Errorf("the client was refused after %v, want 10s at most", took)
					}
				}
				c.Close()
				<-done
				synctest.Wait()
				if calls := shared.noted(); len(calls) > 0 {
					t.Errorf("afterwards the port saw %q", calls)
				}
			})
		})
	}
}

// TestTLSStrangers has clients without the right certificate on a listener that
// demands one.
func TestTLSStrangers(t *testing.T) {
	own := tlstest.Local(t)
	ours, clients, others := own.Pair, own.Pool, tlstest.Local(t).Pair
	config := own.Server()
	tests := []struct {
		name string
		do   func(c net.Conn)
	}{
		{"a silent connection", func(c net.Conn) {}},
		{"a port scan", func(c net.Conn) { c.Close() }},
		{"a Telnet client", func(c net.Conn) { c.Write(agreement) }},
		{"a web page", func(c net.Conn) { c.Write(post) }},
		{"no certificate", func(c net.Conn) {
			s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			s.Write(agreement)
			io.Copy(io.Discard, s)
		}},
		{"a certificate of its own", func(c net.Conn) {
			s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{others}})
			s.Write(agreement)
			io.Copy(io.Discard, s)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near, far := virtual.Pair()
			shared := &touched{Port: near}
			far.Write([]byte("for the owner"))
			var out bytes.Buffer
			s := &rfc2217.Server{Port: shared, KeepState: true, Log: slog.New(slog.NewTextHandler(&out, nil))}
			l := listen(t)
			served := make(chan error, 1)
			go func() { served <- s.Serve(tls.NewListener(l, config)) }()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				tt.do(c)
				close(done)
			}()

			owner := &tls.Config{Certificates: []tls.Certificate{ours}, RootCAs: clients, ServerName: "127.0.0.1"}
			p := dial(t, l.Addr().String(), &rfc2217.Config{Dial: (&tls.Dialer{Config: owner}).DialContext})
			expect(t, p, "for the owner")
			p.Close()
			c.Close()
			<-done
			s.Close()
			<-served
			writes := 0
			for _, call := range shared.noted() {
				if strings.HasPrefix(call, "Write") {
					writes++
				}
			}
			if writes > 0 {
				t.Errorf("%d writes to the port, want none", writes)
			}
			if n := strings.Count(out.String(), "client connected"); n != 1 {
				t.Errorf("%d clients had the port, want the owner alone; log:\n%s", n, out.String())
			}
		})
	}
}

// TestStrangersAreBounded opens many connections that send nothing: the owner
// gets the port, and the oldest of the strangers are closed.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := bubble(t, &rfc2217.Server{})
		var strangers []*rawClient
		for range 100 {
			strangers = append(strangers, newRawClient(t, l.connect()))
			<-time.After(time.Millisecond)
		}
		start := time.Now()
		p := dialPipe(t, l, rfc2217.Config{})
		if took := elapsed(start); took > 0 {
			t.Errorf("the owner waited %v", took)
		}
		synctest.Wait()
		closed := 0
		for i, c := range strangers {
			c.mu.Lock()
			if c.err != nil {
				if closed++; i >= 100-31 {
					t.Errorf("stranger %d was closed before older ones", i)
				}
			}
			c.mu.Unlock()
		}
		if closed != 100-31 {
			t.Errorf("%d strangers were closed, want those beyond 31 and the owner", closed)
		}
		p.Close()
	})
}

// TestStrangersOfOneAddress floods a server from one address while a client at
// another takes its time.
func TestStrangersOfOneAddress(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	near, _ := virtual.Pair()
	s := &rfc2217.Server{Port: near}
	go s.Serve(l)
	defer s.Close()
	_, number, _ := net.SplitHostPort(l.Addr().String())
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := d.Dial("tcp", "127.0.0.1:"+number)
	if err != nil {
		t.Skipf("this system has one loopback address: %v", err)
	}
	slow := newRawClient(t, conn)
	slow.greeted(t)
	flood := make([]*rawClient, 80)
	for i := range flood {
		flood[i] = dialRaw(t, "127.0.0.1:"+number)
	}
	for _, c := range flood[:80-32] {
		c.end(t)
	}
	slow.send(t, agreement...)
	slow.command(t, 0)
	slow.await(t, "the slow client's signature", func(_ string, commands []string) bool { return len(commands) > 1 })
}

// TestStrangersOfOneNetwork has a host use many addresses of its IPv6 network: it
// keeps out neither a client of another network, nor another host of the link.
func TestStrangersOfOneNetwork(t *testing.T) {
	for _, tt := range []struct{ name, owner, flood string }{
		{"global", "[2001:db8:0:1::1]:1", "[2001:db8:0:2::%x]:1"},
		{"link-local", "[fe80::1%%eth0]:1", "[fe80::2%%eth0]:%d"},
		{"mapped IPv4", "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:%d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _ := bubble(t, &rfc2217.Server{})
				connect := func(addr string) *rawClient {
					near, far := net.Pipe()
					l.conns <- connFrom{far, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))}
					return newRawClient(t, near)
				}
				owner := connect(strings.ReplaceAll(tt.owner, "%%", "%"))
				owner.greeted(t)
				for i := range 80 {
					<-time.After(time.Millisecond)
					connect(fmt.Sprintf(tt.flood, i+1))
				}
				owner.send(t, agreement...)
				owner.command(t, 0)
				owner.await(t, "the owner's signature", func(_ string, commands []string) bool { return len(commands) > 1 })
			})
		})
	}
}

// connFrom is a connection from an address.
type connFrom struct {
	net.Conn
	addr net.Addr
}

func (c connFrom) RemoteAddr() net.Addr { return c.addr }

// TestAuthorize decides by what the listener returned.
func TestAuthorize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allow := false
		l, _ := bubble(t, &rfc2217.Server{Authorize: func(net.Conn) error {
			if allow {
				return nil
			}
			return errors.New("Not today.")
		}})
		_, err := rfc2217.Dial(t.Context(), "pipe", &rfc2217.Config{Dial: func(context.Context, string, string) (net.Conn, error) { return l.connect(), nil }})
		if !errors.Is(err, port.ErrCarrierLost) || !strings.Contains(err.Error(), `"Not today."`) {
			t.Errorf("Dial of a client that is not authorized: %v; want the server's sentence", err)
		}
		allow = true
		dialPipe(t, l, rfc2217.Config{})
	})
}

// TestRefusalIsQuoted has two clients of our own at one port: the second one is
// told what the server said.
func TestRefusalIsQuoted(t *testing.T) {
	t.Parallel()
	addr := serve(t, &rfc2217.Server{}, func() port.Port { p, _ := virtual.Pair(); return p }())
	dial(t, addr, nil)
	for _, plain := range []rfc2217.Plain{rfc2217.RequireComPort, rfc2217.AllowPlain, rfc2217.PlainOnly} {
		_, err := rfc2217.Dial(bounded(t), addr, &rfc2217.Config{Plain: plain})
		if !errors.Is(err, port.ErrCarrierLost) || !strings.Contains(err.Error(), `"The port is in use. Try again later."`) {
			t.Errorf("Dial of a port in use, plain %d: %v; want the server's sentence", plain, err)
		}
	}
}

// TestRefusalWithTLS has a client without TLS at a server with it.
func TestRefusalWithTLS(t *testing.T) {
	l := listen(t)
	near, _ := virtual.Pair()
	s := &rfc2217.Server{Port: near}
	go s.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{tlstest.Local(t).Pair}}))
	defer s.Close()
	_, err := rfc2217.Dial(bounded(t), l.Addr().String(), nil)
	if !errors.Is(err, port.ErrCarrierLost) || !strings.Contains(err.Error(), "This port speaks TLS only.") {
		t.Errorf("Dial without TLS: %v; want an error that names TLS", err)
	}
}

// TestIdleClientIsTold ends a plain client that idles with a sentence.
func TestIdleClientIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := bubble(t, &rfc2217.Server{IdleTimeout: time.Minute})
		c := newRawClient(t, l.connect())
		c.send(t, telnet.IAC, telnet.DONT, telnet.Echo)
		<-time.After(2 * time.Minute)
		if told := c.end(t); !strings.Contains(told, "idle limit") {
			t.Errorf("the client was told %q", told)
		}
	})
}

// TestRefusalsAreLoggedOnceASecond counts the log lines of a flood.
func TestRefusalsAreLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l, _ := bubble(t, &rfc2217.Server{Log: slog.New(slog.NewTextHandler(&out, nil))})
		for range 50 {
			for range 20 {
				l.connect().Close()
			}
			<-time.After(100 * time.Millisecond)
		}
		synctest.Wait()
		lines := strings.Count(out.String(), "turned away")
		if lines < 4 || lines > 6 {
			t.Errorf("1,000 refused clients in 5s gave %d log lines, want one a second:\n%s", lines, out.String())
		}
		if !strings.Contains(out.String(), "others=199") {
			t.Errorf("the log does not count those that it leaves out:\n%s", out.String())
		}
	})
}

// TestRaw serves a client that speaks no Telnet, and refuses a web page.
func TestRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{Raw: true})
		c := newRawClient(t, l.connect())
		text := "\xff\xfb\x2c raw \xff\r\n\x00"
		c.send(t, []byte(text)...)
		expect(t, far, text)
		far.Write([]byte(text))
		<-time.After(time.Hour)
		synctest.Wait()
		c.mu.Lock()
		if string(c.wire) != text || c.err != nil {
			t.Errorf("the client received %q, %v; want %q and no end", c.wire, c.err, text)
		}
		c.mu.Unlock()
		c.Close()
		<-time.After(2 * time.Second)

		web := newRawClient(t, l.connect())
		go web.Write(post)
		if told := web.end(t); !strings.Contains(told, "no web server") {
			t.Errorf("a web page was told %q", told)
		}
		far.SetReadDeadline(time.Now())
		if n, err := far.Read(make([]byte, 10)); n > 0 {
			t.Errorf("%d bytes of a web page reached the device, %v", n, err)
		}
	})
}
