package rfc2217

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/rasline/rasline/port"
)

// Plain selects what Dial does with a server without the COM-PORT option.
type Plain uint8

// The choices for plain Telnet servers.
const (
	// RequireComPort makes Dial fail if the server refuses COM-PORT, with an
	// error that matches errors.ErrUnsupported, or if it does not answer.
	RequireComPort Plain = iota

	// AllowPlain asks for COM-PORT and continues without it.
	AllowPlain

	// PlainOnly never asks for COM-PORT.
	PlainOnly
)

// Config holds what Dial does. The zero Config and a nil one work.
type Config struct {
	// Mode is set before Dial returns. Zero fields stay as the server has
	// them. Dial fails if the server does not take it, and on a plain Telnet
	// port.
	Mode port.Mode

	// Dial makes the connection, with network "tcp", or "unix" for an address
	// that begins with "unix:". Default: net.Dialer. For TLS give the
	// DialContext method of a tls.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Plain selects whether a server without COM-PORT is accepted. Default:
	// RequireComPort. On a plain Telnet port only data, deadlines and Drain
	// work; the rest gives errors.ErrUnsupported.
	Plain Plain

	// AckTimeout bounds the negotiation in Dial and the wait for each
	// acknowledgement afterwards. 0: 5 seconds; negative: none, the calls then
	// wait as long as the connection lasts.
	AckTimeout time.Duration

	// IgnoreAcks treats a setting that the server has not acknowledged within
	// AckTimeout as done, for servers that acknowledge nothing. Default: such
	// a setting is an error.
	IgnoreAcks bool

	// KeepAlive bounds how long a connection whose peer has vanished stays
	// open: by TCP keep-alive while it is silent and, on Linux, by checking
	// the acknowledgements while bytes are in flight. It is rounded up to
	// multiples of 6 seconds and may be exceeded by a quarter. 0: 30 seconds;
	// negative: none, the connection keeps the settings of Config.Dial.
	KeepAlive time.Duration

	// Buffer is the number of received bytes that are queued for Read, 2048 or
	// more; beyond them the server is held off. Memory is allocated as it is
	// needed. 0, or negative: 64 KiB.
	Buffer int

	// SocketBuffer is the size of the system's buffers for the connection, in
	// each direction, if it is TCP. Larger ones are faster on connections with
	// a long delay; purges, breaks and modem lines wait for what is in them.
	// 0: 64 KiB; negative: the system's default.
	SocketBuffer int

	// Signature is sent to a server that requests it. Default: "rasline".
	Signature string
}

const (
	defaultAckTimeout = 5 * time.Second
	defaultKeepAlive  = 30 * time.Second
	defaultBuffer     = 64 << 10
	defaultSocket     = 64 << 10
	defaultSignature  = "rasline"
	minBuffer         = 2 << 10
	forever           = 1 << 62 * time.Nanosecond // 146 years
	maxSignature      = 255

	// maxRead bounds one read from a connection. With larger ones, which empty
	// the system's buffer, the two ends work in turns instead of side by side.
	maxRead = 32 << 10
)

// complete returns a copy of c, which may be nil, with the defaults filled in.
func (c *Config) complete() Config {
	var out Config
	if c != nil {
		out = *c
	}
	out.AckTimeout = cmp.Or(out.AckTimeout, defaultAckTimeout)
	if out.AckTimeout < 0 {
		out.AckTimeout = forever
	}
	if out.Dial == nil {
		out.Dial = new(net.Dialer).DialContext
	}
	if out.Buffer <= 0 {
		out.Buffer = defaultBuffer
	}
	out.Buffer = max(out.Buffer, minBuffer)
	out.Signature = signature(out.Signature)
	return out
}

// signature returns s with its default, cut to what a sub-negotiation holds.
func signature(s string) string {
	if s == "" {
		return defaultSignature
	}
	return s[:min(len(s), maxSignature)]
}

// tune makes the system notice within limit that the peer has vanished, and
// bounds the bytes in flight, for which a purge, a break or a close has to wait.
// Connections that are not TCP are left alone.
//
// Urgent data is left in the stream: Telnet sends the data mark of a Synch
// (RFC 854) as such, and a system that takes it out of the stream leaves an IAC
// after that swallows the next byte.
func tune(c net.Conn, limit time.Duration, buffer int) {
	tcp := tcpOf(c)
	if tcp == nil {
		return
	}
	keepUrgentInline(tcp)
	if buffer == 0 {
		buffer = defaultSocket
	}
	if buffer > 0 {
		tcp.SetReadBuffer(buffer)
		tcp.SetWriteBuffer(buffer)
	}
	if limit < 0 {
		return
	}
	if limit == 0 {
		limit = defaultKeepAlive
	}
	sixth := (limit + 6*time.Second - 1) / (6 * time.Second) * time.Second
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 3 * sixth, Interval: sixth, Count: 3})
}

// tcpOf returns the TCP connection below c, or nil.
func tcpOf(c net.Conn) *net.TCPConn {
	if wrapped, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = wrapped.NetConn()
	}
	tcp, _ := c.(*net.TCPConn)
	return tcp
}
