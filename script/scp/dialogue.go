package scp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// place gives the log the place of an instruction.
func (m *machine) place(in instr) {
	line, _ := m.prog.src.Place(int(in.pos))
	m.dialog.SetPlace(m.prog.src.Name(), line)
}

func (m *machine) command(in instr) error {
	m.place(in)
	switch in.op {
	case opDelay:
		seconds := m.pop().n
		if seconds <= 0 {
			return nil
		}
		m.waited()
		m.showAll()
		d := time.Duration(seconds) * time.Second
		if m.screen != nil && m.screen.talking() {
			// Show what is received while the user talks to the peer, and give it
			// back for the next command, which also finds what ended the line.
			var left time.Duration
			end := time.Now().Add(d)
			heard := []byte{}
			m.heard = &heard
			for len(heard) < maxHeard {
				if left = time.Until(end); left <= 0 {
					break
				}
				if _, err := m.dialog.NextByte(m.ctx, left); err != nil {
					break
				}
			}
			m.heard = nil
			m.dialog.Unread(heard)
			m.seen += len(heard)
			d = max(0, time.Until(end))
		}
		return m.dialog.Pause(m.ctx, d)
	case opHalt:
		return m.halt(in)
	case opKeyboard:
		if m.screen != nil {
			m.screen.keyboard(in.a == 1)
		}
		return nil
	case opDataBits, opParity, opStopBits:
		return m.setPort(in)
	case opAddress:
		v := m.pop()
		addr, ok := parseAddress(v.s)
		switch {
		case ok:
			m.call.IPAddr = addr
			return nil
		case v.secret:
			return wrong("the text is no address such as 10.0.0.7")
		}
		const shown = 40
		return wrong("%q is no address such as 10.0.0.7", v.s[:min(len(v.s), shown)])
	case opTransmit:
		return m.transmit(m.pop(), in.a == 1)
	default:
		return m.waitfor(in)
	}
}

// maxHeard is how many bytes a delay reads ahead while the user types.
const maxHeard = 32 << 10

// transmit sends a string. One that contains the password is sent as a
// secret.
func (m *machine) transmit(v datum, raw bool) error {
	text := v.s
	if !raw {
		text = expand(text)
	}
	m.work += int64(len(text) / bytesPerWork)
	m.showAll()
	if !v.secret {
		return m.dialog.Send(m.ctx, []byte(text))
	}
	if err := m.hide(text); err != nil {
		return err
	}
	return m.dialog.SendSecret(m.ctx, ras.Secret(text))
}

// waitfor waits for the texts on the stack.
func (m *machine) waitfor(in instr) error {
	site := &m.prog.waits[in.a]
	limit := int64(0)
	if site.until {
		limit = int64(m.pop().n)
	}
	patterns, err := m.patterns(in.a)
	if err != nil {
		return err
	}
	m.dialog.SetReadAhead(m.screen == nil && m.prog.sends[m.pc-1])
	var match script.Match
	if site.until && limit <= 0 {
		match, err = m.dialog.Poll(m.ctx, patterns...)
	} else {
		match, err = m.dialog.WaitFor(m.ctx, time.Duration(limit)*time.Second, patterns...)
	}
	m.showAll()
	var late *script.TimeoutError
	switch {
	case err == nil:
		m.success = true
		if len(match.Text) > 0 {
			m.waited()
		}
		if e := site.entries[match.Index]; e.target != noLabel {
			m.pc = e.target
		}
	case site.until && errors.As(err, &late) && !late.Idle && m.ctx.Err() == nil:
		// The script's own limit has passed, rather than one of the host's.
		m.success = false
		if limit > 0 {
			m.waited()
		}
	default:
		return err
	}
	return nil
}

// maxAwaited is how many bytes the texts of one waitfor may have together; the
// tables that look for them can take a kilobyte for each.
const maxAwaited = 8 << 10

// patterns takes the texts of a waitfor from the stack and returns what to look
// for, which is made anew only if a text has changed.
func (m *machine) patterns(number int32) ([]script.Pattern, error) {
	entries := m.prog.waits[number].entries
	values := m.stack[len(m.stack)-len(entries):]
	made := &m.made[number]
	if !slices.EqualFunc(made.texts, values, func(text string, v datum) bool { return text == v.s }) {
		texts := make([]string, len(values))
		patterns := make([]script.Pattern, len(values))
		total := 0
		for i, v := range values {
			text := expand(v.s)
			if total += len(text); total > maxAwaited {
				return nil, overLimit("the texts of a waitfor have more than %d bytes together", maxAwaited)
			}
			if v.secret {
				if err := m.hide(text); err != nil {
					return nil, err
				}
			}
			texts[i], patterns[i] = v.s, script.Fold(text)
			if entries[i].exact {
				patterns[i] = script.Text(text)
			}
		}
		m.work += int64(total)
		made.texts, made.patterns = texts, patterns
	}
	for range entries {
		m.pop()
	}
	return made.patterns, nil
}

// addressIdle is how long the line must be silent after an address that could
// continue.
const addressIdle = time.Second

// getip replaces the ordinal on the stack by the address that it means.
func (m *machine) getip() error {
	n := m.pop().n
	if n < 1 {
		return wrong("the number of the address is %d: it must be 1 or more", n)
	}
	var a address
	for n > 0 {
		// Read a byte, or a second of silence after an address that could
		// continue.
		limit := time.Duration(0)
		if a.full() {
			limit = addressIdle
		}
		c, err := m.dialog.NextByte(m.ctx, limit)
		var silence *script.TimeoutError
		switch {
		case err == nil:
			if a.feed(c) {
				n--
			}
		case limit > 0 && errors.As(err, &silence) && m.ctx.Err() == nil:
			a.silence()
			n--
		default:
			return err
		}
	}
	m.success = true
	m.waited()
	m.push(datum{s: string(a.last)})
	m.dialog.Unread(a.rest)
	m.seen += len(a.rest)
	m.showAll()
	return nil
}

// setPort changes one setting of the line and sets all three.
func (m *machine) setPort(in instr) error {
	if m.format == nil {
		// What the port has, or 8N1 if it does not report that.
		s := ras.SettingsOf(port.Mode{})
		if p, ok := m.call.Line().(port.ModeSetter); ok {
			if mode, err := p.Mode(); err == nil {
				s = ras.SettingsOf(mode)
			}
		}
		m.format = &charFormat{bits: s.ByteSize, parity: s.Parity, long: s.StopBits > 0}
	}
	f := *m.format
	switch in.op {
	case opDataBits:
		f.bits = uint8(in.a)
	case opParity:
		f.parity = uint8(in.a)
	case opStopBits:
		f.long = in.a == 2
	}
	*m.format = f
	// The format as RAS writes it: stop bits 0 one, 1 one and a
	// half, 2 two.
	s := ras.CommSettings{ByteSize: f.bits, Parity: f.parity}
	switch {
	case f.long && f.bits == 5:
		s.StopBits = 1
	case f.long:
		s.StopBits = 2
	}
	err := m.dialog.SetComm(s)
	if errors.Is(err, errors.ErrUnsupported) {
		if m.log != nil {
			line, _ := m.prog.src.Place(int(in.pos))
			m.log.WarnContext(m.ctx, "scp: the port has no character format to set", "file", m.prog.src.Name(), "line", line, "command", commandNames[in.op])
		}
		return nil
	}
	return err
}

// halt ends the script, with success if there is a user who continues.
func (m *machine) halt(in instr) error {
	if m.screen == nil {
		return ErrHalted
	}
	line, _ := m.prog.src.Place(int(in.pos))
	// Show the user that the script has stopped and wait for Enter. With the
	// keyboard on, every key goes to the peer meanwhile, and Ctrl-] ends that.
	t := m.screen
	file := m.prog.src.Name()
	t.flush()
	t.mu.Lock()
	t.halted = true
	talk := t.open
	t.mu.Unlock()
	how := "Press Enter to continue."
	if talk {
		how = "Keys go to the line; Ctrl-] continues."
	}
	t.out.Lock()
	fmt.Fprintf(t.call.Terminal, "\r\n%s:%d: the script has stopped. %s\r\n", lint.Visible(file), line, how)
	t.out.Unlock()
	t.listen()
	if talk {
		return t.talk(m.dialog)
	}
	select {
	case <-t.more:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	case <-t.done:
		return t.ended()
	}
}
