package rfc2217

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
)

// Dial connects to the server at addr, "host:port" or "unix:/path", agrees on BINARY (RFC 856),
// SUPPRESS-GO-AHEAD (RFC 858) and COM-PORT (RFC 2217), and asks for the state of
// the line. The context bounds Dial and has no effect afterwards.
//
// A nil cfg works. Dial fails if the server refuses COM-PORT or does not answer
// within cfg.AckTimeout, unless cfg.Plain specifies otherwise. Every error is a
// port.OpError.
func Dial(ctx context.Context, addr string, cfg *Config) (*Port, error) {
	c := cfg.complete()
	name := "rfc2217://" + addr
	if c.Plain == PlainOnly {
		name = "telnet://" + addr
	}
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	conn, err := c.Dial(ctx, network, addr)
	if err != nil {
		return nil, &port.OpError{Op: "open", Port: name, Err: err}
	}
	tune(conn, c.KeepAlive, c.SocketBuffer)
	p := newPort(name, conn, c)
	// Ask for the options, before anything is read, and for a timing mark.
	p.options()
	p.tc.Options(func(o *telnet.Options) {
		o.Allow(telnet.Us, telnet.Binary, telnet.SGA)
		o.Allow(telnet.Peer, telnet.Binary, telnet.SGA, telnet.Echo)
		if c.Plain != PlainOnly {
			o.Allow(telnet.Us, telnet.ComPort)
			o.Allow(telnet.Peer, telnet.ComPort)
		}
	})
	if c.Plain != PlainOnly {
		p.tc.Request(telnet.Us, telnet.ComPort)
	}
	p.tc.Request(telnet.Us, telnet.Binary, telnet.SGA)
	p.tc.Request(telnet.Peer, telnet.Binary, telnet.SGA)
	p.settled = false
	mark := p.sendMark()
	go p.receive() // which ends with the connection; Close waits for it
	err = p.handshake(ctx, mark)
	if err == nil && c.Mode != (port.Mode{}) {
		err = p.setMode(ctx, c.Mode)
	}
	if err != nil {
		var lost *lostError
		if errors.As(err, &lost) {
			// A server that refuses a client often sends the reason as text.
			err = &lostError{cause: lost.cause, text: p.firstLine()}
		}
		p.Close()
		return nil, p.wrap("open", err)
	}
	return p, nil
}

// handshake waits for the answers, and asks for the state of the line if there
// is one.
func (p *Port) handshake(ctx context.Context, mark int) error {
	if err := p.negotiate(ctx, mark); err != nil {
		return err
	}
	if p.ComPort() {
		// Ask for everything that Lines and Mode report, and for notifications,
		// and give the server a moment to answer: some open their device only
		// now, and drop what arrives before that. Others leave a few of the
		// questions unanswered. The stop bits are last: a server that has
		// answered that has seen the others.
		p.mu.Lock()
		p.dialed = time.Now()
		p.mu.Unlock()
		// The mask of modem lines has all bits by default (RFC 2217, section 3).
		// It is not sent, since a doubled 0xFF in a value confuses sredird.
		first := appendByte(nil, levelsQuery[0], levelsQuery[1])
		if err := p.tc.Send(appendByte(first, cmdLineMask, lineErrors)...); err != nil {
			return &lostError{cause: err}
		}
		err := p.send(query(itemDTR), query(itemRTS), query(itemFlow),
			query(itemBaud), query(itemDataBits), query(itemParity))
		if err == nil {
			err = p.send(query(itemStopBits))
		}
		if err != nil {
			return err
		}
		limit, cancel := context.WithTimeout(ctx, stateTimeout)
		defer cancel()
		err = p.awaitState(limit)
		if err != nil && ctx.Err() == nil && limit.Err() != nil {
			return nil
		}
		return err
	}
	if p.cfg.Plain == RequireComPort {
		return errRefused
	}
	return nil
}

// firstLine returns the first line that has been received and was not read, if
// it is text.
func (p *Port) firstLine() string {
	p.mu.Lock()
	b := make([]byte, maxFirstLine)
	b = b[:p.in.Take(b)]
	p.mu.Unlock()
	b = bytes.TrimLeft(b, "\r\n \x00")
	if bytes.HasPrefix(b, []byte{0x15, 0x03}) { // an alert (RFC 8446, section 5.1)
		return "the server speaks TLS"
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(line)))
}

const maxFirstLine = 200

// negotiate returns once each option is settled, or the answer to the timing
// mark shows that the server has passed them over. Some servers leave COM-PORT
// to the program that opens the device, and answer for it later; they get a
// moment.
func (p *Port) negotiate(ctx context.Context, mark int) error {
	limit, cancel := context.WithTimeout(ctx, p.cfg.AckTimeout)
	defer cancel()
	err := p.await(limit, func() bool { return p.settled || p.passed >= mark })
	if err == nil && p.cfg.Plain != PlainOnly {
		late, cancel := context.WithTimeout(limit, stateTimeout)
		defer cancel()
		err = p.await(late, func() bool { return p.comPort || p.refused })
		if ctx.Err() == nil && late.Err() != nil {
			err = nil
		}
	}
	switch {
	case err == nil || ctx.Err() != nil || limit.Err() == nil:
		return err
	case p.ComPort() || p.cfg.Plain != RequireComPort:
		return nil
	}
	return &ackError{"the COM-PORT option (is it a Telnet server?)", p.cfg.AckTimeout}
}

// stateTimeout bounds the wait for the first answers of a server, without which a
// port is usable all the same.
const stateTimeout = time.Second

// awaitState waits until the server has answered what handshake asked, or has had
// its time for that.
func (p *Port) awaitState(ctx context.Context) error {
	p.mu.Lock()
	comPort, until := p.comPort, p.dialed.Add(p.cfg.AckTimeout)
	p.mu.Unlock()
	if !comPort {
		return errNoComPort
	}
	limit, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := p.await(limit, func() bool { return p.answers[itemStopBits].known })
	if err != nil && ctx.Err() == nil && limit.Err() != nil {
		return nil
	}
	return err
}

// sendMark asks for a timing mark and returns its number.
func (p *Port) sendMark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchdog.start()
	p.tc.Send(telnet.IAC, telnet.DO, telnet.TimingMark)
	p.marks++
	return p.marks
}

// Drain blocks until the server has taken all that was written before: it
// answers a timing mark (RFC 860). Package rfc2217's own server answers when the
// bytes have left its port; others may answer when they have handed them to it.
// A server that never answered one gives an error that matches
// errors.ErrUnsupported, after AckTimeout.
func (p *Port) Drain(ctx context.Context) (err error) {
	defer p.wrapResult("drain", &err)
	if err := ctx.Err(); err != nil {
		return err
	}
	mark := p.sendMark()
	p.mu.Lock()
	proven := p.passed > 0
	p.mu.Unlock()
	limit, cancel := ctx, context.CancelFunc(func() {})
	if !proven {
		limit, cancel = context.WithTimeout(ctx, p.cfg.AckTimeout)
	}
	defer cancel()
	p.startWaiting()
	defer p.endWaiting()
	err = p.await(limit, func() bool { return p.passed >= mark })
	if err != nil && ctx.Err() == nil && limit.Err() != nil {
		return fmt.Errorf("the server answers no timing marks (RFC 860): %w", errors.ErrUnsupported)
	}
	return err
}
