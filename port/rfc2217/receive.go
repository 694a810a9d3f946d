package rfc2217

import (
	"io"

	"github.com/rasline/rasline/internal/telnet"
)

// receive is the goroutine that reads the connection.
func (p *Port) receive() {
	defer close(p.stopped)
	full := false
	for {
		seg := p.room(full)
		if seg == nil {
			return
		}
		n, err := p.tc.Read(seg)
		full = n == len(seg)
		p.decode(seg, n)
		if err != nil {
			if cause := p.tc.Err(); cause != nil {
				err = cause
			}
			if err == io.EOF {
				err = errHungUp // io.EOF would mean that the data is complete
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.lost = &lostError{cause: err}
			close(p.down)
			p.changed.Notify()
			return
		}
	}
}

// room returns a piece of the queue to read into, and waits until there is one.
// It returns nil once the port is closed.
func (p *Port) room(grow bool) []byte {
	for {
		p.mu.Lock()
		limit := p.cfg.Buffer
		if p.in.Len() >= limit && p.waiting > 0 {
			if !p.overflow && p.comPort {
				p.overflow = true
				p.tc.Send(appendText(nil, cmdSuspend, "")...)
			}
			limit = p.in.Max
		}
		var seg []byte
		if free := limit - p.in.Len(); free > 0 {
			seg = p.in.Free(grow && p.in.Cap() < limit)
			seg = seg[:min(len(seg), free, maxRead)]
		}
		p.starved = seg == nil
		p.mu.Unlock()
		if seg != nil {
			return seg
		}
		select {
		case <-p.space:
		case <-p.done:
			return nil
		}
	}
}

// decode takes n raw bytes at the front of seg apart, in place, and queues the
// data among them.
func (p *Port) decode(seg []byte, n int) {
	w := 0
	for raw := seg[:n]; len(raw) > 0; {
		data, rest, ev := p.tc.Next(raw)
		if w == n-len(raw) {
			w += len(data)
		} else {
			w += copy(seg[w:], data)
		}
		raw = rest
		if p.event(ev) {
			w = 0
		}
	}
	if w == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.purging {
		return
	}
	p.in.Commit(w)
	p.stats.Received += uint64(w)
	post(p.readable)
}

// event handles what the decoder found. It returns true if the data before the
// event is to be forgotten.
func (p *Port) event(ev telnet.Event) (purge bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ev.Kind == telnet.Negotiate && ev.Option == telnet.TimingMark:
		// RFC 860: answer a request, and count an answer. A server that refuses
		// the option has still processed everything before the request.
		switch ev.Verb {
		case telnet.DO:
			p.tc.Send(telnet.IAC, telnet.WILL, telnet.TimingMark)
		case telnet.WILL, telnet.WONT:
			p.passed = min(p.passed+1, p.marks)
		}
	case ev.Kind == telnet.Negotiate:
		p.options()
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT:
		p.tc.Send(telnet.IAC, telnet.NOP)
	case ev.Kind == telnet.Sub && ev.Option == telnet.ComPort && len(ev.Data) > 0:
		purge = p.command(ev.Data[0], ev.Data[1:])
	}
	if ev.Kind == telnet.Negotiate || ev.Kind == telnet.Sub {
		p.changed.Notify()
	}
	return purge
}

// options follows what has been agreed. With COM-PORT the line is transparent
// unless the server has refused BINARY in so many words; without it the rules
// of RFC 854 hold until BINARY is agreed.
func (p *Port) options() {
	var in, out bool
	p.tc.Options(func(o *telnet.Options) {
		// Some servers answer our WILL with a WILL of their own.
		p.refused = o.Refused(telnet.Us, telnet.ComPort)
		p.comPort = o.Enabled(telnet.Us, telnet.ComPort) || o.Enabled(telnet.Peer, telnet.ComPort) && !p.refused
		in = nvt(o, telnet.Peer, p.comPort)
		out = nvt(o, telnet.Us, p.comPort)
		p.settled = (p.comPort || o.Settled(telnet.Us, telnet.ComPort)) &&
			o.Settled(telnet.Us, telnet.Binary) &&
			o.Settled(telnet.Peer, telnet.Binary)
	})
	p.tc.SetNVT(in, out)
}

func nvt(o *telnet.Options, s telnet.Side, comPort bool) bool {
	if comPort {
		return o.Refused(s, telnet.Binary)
	}
	return !o.Enabled(s, telnet.Binary)
}

// command handles a COM-PORT command from the server (RFC 2217, sections 2 to
// 5). Some servers send the client's codes, and some acknowledge without a
// value. It reports true if what was received before is to be dropped. p.mu is
// held.
func (p *Port) command(cmd byte, value []byte) (purge bool) {
	if cmd <= cmdPurge {
		cmd += fromServer
	}
	switch {
	case cmd == cmdSignature+fromServer && len(value) == 0:
		p.tc.Send(appendText(nil, cmdSignature, p.cfg.Signature)...)
	case cmd == cmdSignature+fromServer:
		p.sig = string(value)
		p.sigs++
	case cmd == cmdSuspend+fromServer, cmd == cmdResume+fromServer:
		p.tc.SetHold(telnet.HoldPeer, cmd == cmdSuspend+fromServer)
	case len(value) == 0:
		// An acknowledgement without a value: the server has done what the request
		// for that item asked for.
		i, ok := itemOf(cmd, 0)
		if a := &p.answers[i]; ok && cmd != cmdControl+fromServer && a.state != acked && !a.want.isQuery() {
			return p.acknowledgeItem(i, a.want.value)
		}
	case cmd == cmdLineState+fromServer:
		for _, c := range []struct {
			bit   byte
			count *uint64
		}{
			{lineOverrun, &p.stats.Overrun},
			{lineParity, &p.stats.Parity},
			{lineFraming, &p.stats.Framing},
			{lineBreak, &p.stats.Breaks},
		} {
			if value[0]&c.bit != 0 {
				*c.count++
			}
		}
	case cmd == cmdModemState+fromServer:
		// A line that the server calls changed has changed even if it is back by
		// now; the first notification is no change.
		levels, changed := linesOf(value[0])
		if p.notified {
			p.changes.Count(uint8(changed | (levels ^ p.inputs)))
		}
		p.inputs, p.notified = levels, true
	default: // the value of an item
		i, ok := itemOf(cmd, value[0])
		v := uint32(value[0])
		if ok && i == itemBaud {
			v, ok = parseBaud(value)
		}
		if ok {
			return p.acknowledgeItem(i, v)
		}
	}
	return false
}
