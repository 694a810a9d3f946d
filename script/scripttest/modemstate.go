package scripttest

import (
	"bytes"
	"context"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// outLimit bounds the output for a terminal that does not read, in bytes.
const outLimit = 16 << 10

// modemMode specifies how the modem interprets what the terminal sends.
type modemMode uint8

const (
	modeCommand modemMode = iota
	modeDialing           // any character aborts the call
	modeOnline
	modePrompt // what is received is a text
)

// modemState is the state that the loop owns.
//
//	mode          call        from the terminal           leaves the mode
//	modeCommand   nil         command lines               D, A: dialing; a prompt
//	modeCommand   carrier     command lines, after +++    O: online; H, DTR, loss: no call
//	modeDialing   no carrier  any character: NO CARRIER   an answer: online or command
//	modeOnline    carrier     data for the peer           +++: command; loss: command
//	modePrompt    any         a text                      Ctrl-Z, ESC: command
//
// late: the answer to a command is delayed, and the terminal is not read, or what
// it sends is dropped if the fault is Deaf. offHook: the next character in command
// mode is answered by OK, whatever it is.
type modemState struct {
	mode    modemMode
	changed wait.Notifier
	out     []byte  // for writeDTE to send
	outData []span  // what of out is data, no results
	taken   int     // how many of the terminal's bytes were processed
	faults  []Fault // with the rest of Times

	settings
	editor lineEditor
	reply  []byte // information text of the current command line
	fault  Fault  // that applies to it
	late   bool   // its answer is being delayed

	offHook bool     // the line is off hook after a failed call
	prompt  string   // the information text once the text is given
	text    []byte   // received at the prompt
	texts   []string // given to prompts

	call    *modemCall
	ringing *incoming

	// The escape sequence: how much of it has arrived, and when data last arrived.
	pluses   int
	lastData time.Time
	guard    func() // cancels the guard time after it

	dtr       bool // as last seen
	resetting bool // the profile is being obeyed
}

// settings are what Z resets.
type settings struct {
	regs           [256]byte
	echo, verbose  bool
	quiet          bool
	level          int // X
	carrier, ready int // &C, &D
}

// modemCall is a call that is being set up or established.
type modemCall struct {
	far      port.Port // nil until there is a carrier
	connect  string    // the result text
	budget   int       // bytes until the carrier is lost; less than 0: no limit
	cancel   context.CancelFunc
	untimed  func()        // cancels S7
	finished chan struct{} // closed when the call is over
}

func (c *modemCall) carrier() bool { return c != nil && c.far != nil }

// factory is what &F sets.
func factory() settings {
	s := settings{echo: true, verbose: true, level: 4, carrier: 1, ready: 2}
	for reg, value := range map[int]byte{2: '+', 3: '\r', 4: '\n', 5: '\b', 7: 50, 12: 50} {
		s.regs[reg] = value
	}
	return s
}

// notify makes until check again.
func (m *Modem) notify() { m.changed.Notify() }

// hasRoom reports whether the modem can accept more from the terminal.
func (m *Modem) hasRoom() bool {
	return len(m.out) < outLimit && (!m.late || m.fault.Deaf)
}

// send queues bytes for the terminal.
func (m *Modem) send(b []byte) {
	m.out = append(m.out, b...)
	m.notify()
}

// sendData queues what is no answer of the modem.
func (m *Modem) sendData(b []byte) {
	m.outData = append(m.outData, span{len(m.out), len(m.out) + len(b)})
	m.send(b)
}

// guardTime is the silence around the escape sequence.
func (m *Modem) guardTime() time.Duration {
	return time.Duration(m.regs[12]) * time.Second / 50
}

// fromDTE processes bytes from the terminal and returns how many. If far is not nil
// they are data for it. Data for no peer is input to the modem that is no command.
// The reader calls again with the rest.
func (m *Modem) fromDTE(b []byte) (far port.Port, n int, data bool) {
	switch {
	case m.mode == modeOnline:
		m.watchEscape(b)
		return m.call.far, len(b), true
	case m.late: // and deaf
		return nil, len(b), false
	case m.mode == modePrompt:
		// One character of the text that a prompt requests.
		c := b[0]
		const esc, ctrlZ = 0x1B, 0x1A
		switch c {
		case esc:
			m.mode, m.text = modeCommand, nil
			m.finish("OK")
		case ctrlZ:
			m.texts = append(m.texts, string(m.text))
			m.mode, m.text = modeCommand, nil
			m.inform(m.prompt)
			m.finish("OK")
		default:
			if m.echo {
				m.send([]byte{c})
			}
			m.text = append(m.text, c)
			if c == m.regs[3] {
				m.send([]byte("\n> "))
			}
		}
		return nil, 1, false
	case m.offHook && m.mode == modeCommand:
		m.offHook = false
		m.hangUp()
		m.finish("OK")
		data = !m.inCommand(b[0])
		if i := bytes.IndexByte(b, m.regs[3]); i >= 0 {
			return nil, i + 1, data
		}
		return nil, len(b), data
	case m.mode == modeDialing:
		data = !m.inCommand(b[0])
		if b[0] != '\n' {
			m.hangUp()
			m.finish("NO CARRIER")
		}
		return nil, 1, data
	}
	data = !m.inCommand(b[0])
	m.typed(b[0], data)
	return nil, 1, data
}

// watchEscape detects three escape characters with the guard time of silence
// before and after them.
func (m *Modem) watchEscape(b []byte) {
	now := time.Now()
	quiet := now.Sub(m.lastData) >= m.guardTime()
	m.lastData = now
	if m.guard != nil {
		m.guard()
		m.guard = nil
	}
	for _, c := range b {
		switch {
		case c == m.regs[2] && m.regs[2] < 128 && m.pluses < 3 && (quiet || m.pluses > 0):
			m.pluses++
		default:
			m.pluses = 0
		}
		quiet = false
	}
	if m.pluses == 3 {
		m.guard = m.after(m.guardTime(), m.escape)
	}
}

// escape enters online command mode.
func (m *Modem) escape() {
	if m.mode != modeOnline {
		return
	}
	m.log.unmarkData(m.taken, m.pluses)
	m.pluses, m.guard = 0, nil
	m.mode = modeCommand
	m.fault = m.nextFault("+++")
	m.finish("OK")
}

// goOnline enters online mode.
func (m *Modem) goOnline() {
	m.mode, m.pluses, m.lastData = modeOnline, 0, time.Now()
	m.notify()
}
