package rfc2217

import (
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// corpus holds what peers send: data, settings, notifications, and the wrong,
// the cut off and the endless.
var corpus = []string{
	"data\xff\xffdata",
	"\xff\xfb\x2c\xff\xfd\x2c\xff\xfb\x00\xff\xfd\x00\xff\xfb\x06\xff\xfd\x06",
	"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0\xff\xfa\x2c\x66\x08\xff\xf0",
	"\xff\xfa\x2c\x01\x00\x00\x25\x80\xff\xf0\xff\xfa\x2c\x02\x07\xff\xf0\xff\xfa\x2c\x03\x03\xff\xf0\xff\xfa\x2c\x04\x02\xff\xf0",
	"\xff\xfa\x2c\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0",
	"a\xff\xfa\x2c\x70\x03\xff\xf0b\xff\xfa\x2c\x0c\x03\xff\xf0c",
	"\xff\xfa\x2c\x05\x05\xff\xf0\xff\xfa\x2c\x05\x06\xff\xf0\xff\xfa\x2c\x05\x08\xff\xf0",
	"\xff\xfa\x2c\x6b\xf3\xff\xf0\xff\xfa\x2c\x6a\x1e\xff\xf0\xff\xfa\x2c\x6c\xff\xf0\xff\xfa\x2c\x6d\xff\xf0",
	"\xff\xfa\x2c\x07\xff\xf0\xff\xfa\x2c\x0a\x1e\xff\xf0\xff\xfa\x2c\x0b\x00\xff\xf0\xff\xfa\x2c\x00\xff\xf0",
	"\xff\xfa\x2c\xff\xf0\xff\xfa\x2c\x01\xff\xf0\xff\xfa\x2c\x05\xff\xf0\xff\xfa\x2c\x0c\xff\xf0",
	"\xff\xfa\x2c\x05",
	"\xff\xf6\xff\xf3\xff\xf2\xff",
	"\xff\xfa\xff\xfa\xff\xfa",
}

// feed writes p to c in pieces that seed decides, and closes it.
func feed(c net.Conn, p []byte, seed uint64) {
	for len(p) > 0 {
		seed = seed*6364136223846793005 + 1442695040888963407
		n := min(len(p), int(seed>>59)+1)
		if _, err := c.Write(p[:n]); err != nil {
			break
		}
		p = p[n:]
	}
	c.Close()
}

// FuzzClient has a server that sends anything. The client delivers the data that
// a decoder finds in it, however it is cut, and ends with the connection.
func FuzzClient(f *testing.F) {
	for i, s := range corpus {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		near, far := net.Pipe()
		p := newPort("fuzz", near, (*Config)(nil).complete())
		p.tc.Options(func(o *telnet.Options) { o.Allow(telnet.Us, telnet.ComPort, telnet.Binary) })
		go io.Copy(io.Discard, far)
		go p.receive()
		go feed(far, in, seed)
		got, err := io.ReadAll(p)
		if !errors.Is(err, port.ErrCarrierLost) {
			t.Errorf("Read at the end of the connection: %v", err)
		}
		// Whether a NUL after a carriage return is padding, the peer decides.
		if want := padding.ReplaceAll(dataOf(in), []byte("\r")); !bytes.Equal(padding.ReplaceAll(got, []byte("\r")), want) {
			t.Errorf("%q gave %q, want %q", in, got, want)
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

var padding = regexp.MustCompile(`\r\x00+`)

func dataOf(in []byte) (data []byte) {
	d := telnet.Decoder{Complete: complete}
	for raw := bytes.Clone(in); len(raw) > 0; {
		got, rest, _ := d.Next(raw)
		data = append(data, got...)
		raw = rest
	}
	return data
}

// FuzzServer has a client that sends anything: the session ends with the
// connection, and the port is whole for the next one.
func FuzzServer(f *testing.F) {
	for i, s := range corpus {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		shared, far := virtual.Pair(virtual.BufferSize(1 << 16))
		near, conn := net.Pipe()
		s := &Server{Poll: time.Millisecond, HandshakeTimeout: time.Second}
		defer s.Close()
		sp, err := s.addListener(noListener{}, shared)
		if err != nil {
			t.Fatal(err)
		}
		x := newSession(s, conn, sp, conn.LocalAddr())
		x.quiet = 0
		go io.Copy(io.Discard, near)
		go feed(near, in, seed)
		s.serve(x)
		if m, err := shared.Mode(); err != nil || m.Validate() != nil {
			t.Errorf("the port has the mode %v, %v", m, err)
		}
		if err := shared.Discard(port.Input | port.Output); err != nil {
			t.Errorf("Discard: %v", err)
		}
		far.Discard(port.Input)
		if _, err := shared.Write([]byte("whole")); err != nil {
			t.Errorf("Write after the session: %v", err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "whole" {
			t.Errorf("the far end read %q, %v", got, err)
		}
	})
}

// noListener is a listener that nothing is accepted from.
type noListener struct{ net.Listener }

func (noListener) Close() error { return nil }

// TestWireValues takes every value there and back.
func TestWireValues(t *testing.T) {
	for v := range 256 {
		levels, changed := linesOf(byte(v))
		if got := modemState(levels, changed); got != byte(v) {
			t.Errorf("modem state %#02x came back as %#02x", v, got)
		}
	}
	for s := port.StopBits(0); s <= port.StopTwo; s++ {
		if got := stopBits(stopSize(s)); got != s {
			t.Errorf("stop bits %v came back as %v", s, got)
		}
	}
	for _, f := range []port.Flow{port.FlowNone, port.FlowRTSCTS, port.FlowXONXOFF} {
		if got := flowOf(flowControl(f)); got != f {
			t.Errorf("flow control %v came back as %v", f, got)
		}
	}
	for _, rate := range []uint32{0, 1, 0xff, 0xff00, 0xffffffff, 0x00ff00ff, 115200} {
		var d telnet.Decoder
		_, _, ev := d.Next(appendBaud(nil, cmdBaud, rate))
		if got, ok := parseBaud(ev.Data[1:]); !ok || got != rate {
			t.Errorf("bit rate %d came back as %d, %v", rate, got, ok)
		}
	}
	for i := item(0); i < itemCount; i++ {
		for v := range uint32(20) {
			got, ok := itemOf(items[i].cmd+fromServer, byte(v))
			if want, is := controlItem(byte(v)); items[i].cmd == cmdControl && (got != want || ok != is) {
				t.Errorf("SET-CONTROL %d is about item %d, want %d", v, got, want)
			}
			if items[i].cmd != cmdControl && (got != i || !ok) {
				t.Errorf("%v %d is about item %d, want %d", request{i, v}, v, got, i)
			}
		}
	}
}
