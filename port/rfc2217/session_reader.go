package rfc2217

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"time"

	"github.com/rasline/rasline/internal/telnet"
)

// receive reads the connection until it ends, which is no error if the client
// closed it.
func (x *session) receive() error {
	full := false
	for {
		seg, err := x.awaitRoom(full)
		if err != nil {
			return err
		}
		n, err := x.tc.Read(seg)
		full = n == len(seg)
		x.touch()
		if err := x.decode(seg, n); err != nil {
			return err
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case x.isOver():
			return x.cause
		case x.tc.Err() != nil:
			return x.tc.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errHandshakeTimeout
		default:
			return err
		}
	}
}

// awaitRoom waits for memory to read into.
func (x *session) awaitRoom(grow bool) ([]byte, error) {
	for {
		if seg := x.queue.room(grow); seg != nil {
			return seg, nil
		}
		if !x.claimed.Load() {
			return nil, errEarlyData
		}
		if x.stallTimer == nil {
			x.stallTimer = time.NewTimer(suspendDelay)
		} else {
			x.stallTimer.Reset(suspendDelay)
		}
		select {
		case <-x.queue.space:
			x.stallTimer.Stop()
		case <-x.stallTimer.C:
			if x.comPort.Load() {
				x.queue.suspendClient()
			}
			if seg := x.queue.room(grow); seg != nil {
				return seg, nil
			}
			select {
			case <-x.queue.space:
			case <-x.ctx.Done():
				return nil, x.ctx.Err()
			}
		case <-x.ctx.Done():
			return nil, x.ctx.Err()
		}
	}
}

// decode decodes n raw bytes at the front of seg in place, and queues what it
// finds.
func (x *session) decode(seg []byte, n int) error {
	if x.srv.Raw && !x.answered && n > 0 {
		if err := checkProtocol(seg[:n]); err != nil {
			return err
		}
		x.answered = true
	}
	w := 0
	for raw := seg[:n]; len(raw) > 0; {
		data, rest, ev := x.tc.Next(raw)
		if len(data) > 0 {
			at := n - len(raw) + x.writeDirect(data)
			if k := n - len(raw) + len(data) - at; k > 0 {
				copy(seg[w:], seg[at:at+k])
				w += k
				x.queue.add(k)
			}
		}
		raw = rest
		if err := x.event(ev); err != nil {
			return err
		}
	}
	if !x.answered {
		return checkProtocol(x.queue.first(protocolBytes))
	}
	return nil
}

// event handles what the decoder found.
func (x *session) event(ev telnet.Event) error {
	isComPort := ev.Kind == telnet.Sub && ev.Option == telnet.ComPort && len(ev.Data) > 0
	if !x.answered && (ev.Kind == telnet.Negotiate || isComPort) {
		// A request line may be as long as all that is held. It is complete: no
		// browser sends an IAC in it.
		if err := checkProtocol(x.queue.first(math.MaxInt)); err != nil {
			return err
		}
		if err := x.claim(); err != nil {
			return err
		}
		x.answered = true
	}
	switch {
	case ev.Kind == telnet.Negotiate && ev.Option == telnet.TimingMark && ev.Verb == telnet.DO:
		return x.order(nil)
	case ev.Kind == telnet.Negotiate:
		x.marked = x.marked || ev.Option == telnet.TimingMark
		x.options()
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT && x.comPort.Load():
		x.tc.Send(telnet.IAC, telnet.NOP) // text would be data to a program
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT:
		x.tc.Send([]byte("\r\n[yes, " + signature(x.srv.Signature) + "]\r\n")...) // RFC 854: visible evidence
	case ev.Kind == telnet.Command && ev.Verb == telnet.BRK:
		return x.hurry(nil)
	case isComPort:
		return x.command(ev.Data)
	}
	return nil
}

// options follows what has been agreed. Clients err in which of them offers
// COM-PORT and which requests it, so either will do.
func (x *session) options() {
	var comPort, in, out, settled bool
	x.tc.Options(func(o *telnet.Options) {
		comPort = o.Enabled(telnet.Peer, telnet.ComPort) || o.Enabled(telnet.Us, telnet.ComPort)
		in = nvt(o, telnet.Peer, comPort)
		out = nvt(o, telnet.Us, comPort)
		settled = o.Settled(telnet.Us, telnet.Binary)
	})
	x.tc.SetNVT(in, out)
	if x.answered && settled || x.marked {
		x.tc.SetHold(telnet.HoldNegotiation, false)
	}
	if comPort && !x.comPort.Swap(true) {
		x.line.report(true)
	}
}

// command carries out what needs no port, and leaves the rest to control or, in
// its place among the data, to write.
func (x *session) command(cmd []byte) error {
	if !x.commanded {
		x.commanded = true
		if !bytes.Equal(cmd, levelsQuery) {
			x.line.reportNoLines()
		}
	}
	switch {
	case cmd[0] == cmdSuspend:
		x.tc.SetHold(telnet.HoldPeer, true)
	case cmd[0] == cmdResume:
		x.tc.SetHold(telnet.HoldPeer, false)
	case cmd[0] == cmdSignature && len(cmd) == 1:
		x.tc.Send(appendText(nil, cmdSignature+fromServer, signature(x.srv.Signature))...)
	case cmd[0] == cmdSignature || cmd[0] > cmdPurge:
	case cmd[0] == cmdModemState || cmd[0] == cmdLineState:
		return x.hurry(cmd)
	case len(cmd) == 1:
	case cmd[0] >= cmdBaud && cmd[0] <= cmdStopSize:
		// A query may overtake the data, but no change of what it asks for.
		if bytes.Count(cmd[1:], []byte{0}) == len(cmd)-1 && !x.queue.commandQueued() {
			return x.hurry(cmd)
		}
		return x.order(cmd)
	default:
		return x.hurry(cmd)
	}
	return nil
}

// order queues a command in its place among the data, and after the commands that
// control has been given; nil is a timing mark.
func (x *session) order(cmd []byte) error {
	c := ordered{cmd: bytes.Clone(cmd[:min(len(cmd), maxCommand)])}
	if len(cmd) > 0 {
		ran := make(chan struct{})
		c.after = ran
		select {
		case x.urgent <- urgent{ran: ran}:
		case <-x.ctx.Done():
			return x.ctx.Err()
		}
	}
	for !x.queue.addCommand(c) {
		select {
		case <-x.queue.space:
		case <-x.ctx.Done():
			return x.ctx.Err()
		}
	}
	return nil
}

// hurry gives control a command; nil is a BRK.
func (x *session) hurry(cmd []byte) error {
	u := urgent{cmd: bytes.Clone(cmd[:min(len(cmd), maxCommand)]), at: x.queue.end()}
	if !x.answered && len(x.urgent) == cap(x.urgent) {
		return nil // breaks of a stranger, which no goroutine carries out yet
	}
	select {
	case x.urgent <- u:
		return nil
	case <-x.ctx.Done():
		return x.ctx.Err()
	}
}

// maxCommand is the length of the longest command that is carried out, a
// SET-BAUDRATE.
const maxCommand = 5
