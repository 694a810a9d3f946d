package scripttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// commandLimit bounds a command line; one that is longer is an error.
const commandLimit = 512

// lineEditor collects a command line.
type lineEditor struct {
	line     []byte // from AT on, without it
	last     string // for A/
	begun    byte   // 0, 'A' or 'T': what of AT has come
	overlong bool
}

// typed takes one character in command mode.
func (m *Modem) typed(c byte) {
	if m.echo {
		m.send([]byte{c})
	}
	e := &m.editor
	upper := c &^ 0x20
	switch {
	case e.begun == 'A' && c == '/':
		e.begun = 0
		m.execute(e.last)
	case e.begun == 'A' && upper == 'T':
		e.begun, e.line, e.overlong = 'T', e.line[:0], false
	case e.begun != 'T':
		e.begun = 0
		if upper == 'A' {
			e.begun = 'A'
		}
	case c == m.regs[3]:
		e.begun, e.last = 0, string(e.line)
		m.execute(e.last)
	case c == m.regs[5]:
		e.line = e.line[:max(0, len(e.line)-1)]
	case len(e.line) >= commandLimit:
		e.overlong = true
	case c >= ' ' && c < 0x7F:
		e.line = append(e.line, c)
	}
}

// execute obeys a command line and answers it, unless a call is made, whose
// outcome will be the answer.
func (m *Modem) execute(line string) {
	m.fault = m.nextFault("AT" + line)
	m.reply = nil
	result := "ERROR"
	if !m.editor.overlong {
		result = m.obey(line)
	}
	if result != "" {
		m.finish(result)
	}
}

// nextFault returns the fault that strikes a line, and uses it up.
func (m *Modem) nextFault(line string) Fault {
	for i := range m.faults {
		f := &m.faults[i]
		if f.Times != 0 && len(line) >= len(f.Command) && strings.EqualFold(line[:len(f.Command)], f.Command) {
			f.Times--
			return *f
		}
	}
	return Fault{}
}

// obey runs the commands of a line in order and stops at the first that fails.
// No result ("") means that it comes later.
func (m *Modem) obey(line string) string {
	line = strings.ToUpper(strings.ReplaceAll(line, " ", ""))
	for line != "" {
		name, rest := line[:1], line[1:]
		if strings.Contains(`&\%`, name) && rest != "" {
			name, rest = line[:2], line[2:]
		}
		switch name {
		case "D":
			return m.dial(rest)
		case "A":
			return m.answer()
		case "+":
			text, after, _ := strings.Cut(line, ";")
			if !m.extended(text) {
				return "ERROR"
			}
			line = after
			continue
		case "S":
			var ok bool
			if line, ok = m.register(rest); !ok {
				return "ERROR"
			}
			continue
		}
		value, digits := number(rest)
		line = rest[digits:]
		if name == "O" {
			return m.resume()
		}
		if !m.basic(name, value) {
			return "ERROR"
		}
		if name == "Z" {
			break // the rest of the line is ignored
		}
	}
	return "OK"
}

// idle are the commands that the modem takes and has no use for.
var idle = [...]string{"L", "M", "N", "P", "T", "W", "&K", "&S", "&W", `\N`, "%C"}

// number reads the digits at the head of s; none are a 0.
func number(s string) (value, digits int) {
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	value, _ = strconv.Atoi(s[:digits])
	return value, digits
}

// basic obeys a command that has a number and gives a result at once.
func (m *Modem) basic(name string, value int) bool {
	switch name {
	case "E":
		m.echo = value == 1
		return value <= 1
	case "V":
		m.verbose = value == 1
		return value <= 1
	case "Q":
		m.quiet = value == 1
		return value <= 1
	case "X":
		m.level = min(value, 4)
		return value <= 4
	case "&C":
		m.carrier = value
		m.driveLines()
		return value <= 1
	case "&D":
		m.ready = value
		return value <= 3
	case "H":
		if value == 0 {
			m.hangUp()
		}
		return value <= 1
	case "I":
		return m.identify(value)
	case "Z":
		if !m.resetting {
			m.hangUp()
			m.reset()
		}
		return true
	case "&F":
		m.settings = factory()
		m.driveLines()
		return true
	}
	return slices.Contains(idle[:], name)
}

// register obeys S, with rest beginning after the letter.
func (m *Modem) register(rest string) (after string, ok bool) {
	reg, digits := number(rest)
	rest = rest[digits:]
	switch {
	case reg > 255 || digits == 0 || rest == "":
		return "", false
	case rest[0] == '?':
		m.inform(fmt.Sprintf("%03d", m.regs[reg]))
		return rest[1:], true
	case rest[0] == '=':
		value, digits := number(rest[1:])
		if value > 255 {
			return "", false
		}
		m.regs[reg] = byte(value)
		return rest[1+digits:], true
	}
	return "", false
}

func (m *Modem) identify(n int) bool {
	info := m.cfg.Info
	if info == nil {
		info = []string{"rasline", "", "", "rasline test modem"}
	}
	if n >= len(info) {
		return false
	}
	m.inform(info[n])
	return true
}

func (m *Modem) extended(text string) bool {
	answer, ok := m.cfg.Extended[text]
	if !ok && m.cfg.Extended == nil {
		answer, ok = map[string]string{
			"+GMI":      "rasline",
			"+GMM":      "test modem",
			"+GMR":      "1",
			"+FCLASS=?": "0",
			"+FCLASS?":  "0",
			"+FCLASS=0": "",
		}[text]
	}
	m.inform(answer)
	return ok
}

// reset restores the factory settings and the profile, in which Z is void.
func (m *Modem) reset() {
	m.settings = factory()
	if !m.resetting {
		m.resetting = true
		m.obey(m.cfg.Profile)
		m.resetting = false
	}
	m.reply = nil
	m.driveLines()
}

// inform adds information text to the answer.
func (m *Modem) inform(text string) {
	if text == "" {
		return
	}
	if m.verbose {
		m.reply = append(m.reply, m.lineEnd()...)
	}
	m.reply = append(append(m.reply, text...), m.lineEnd()...)
}

func (m *Modem) lineEnd() string { return string(m.regs[3:5]) }

// finish answers the command line in hand, as the fault that strikes it lets.
func (m *Modem) finish(result string) {
	f := m.fault
	answer := append(m.reply, m.result(result)...)
	if f.Instead != "" {
		answer = []byte(f.Instead)
	}
	if f.Lost {
		answer = nil
	}
	answer = append([]byte(f.Before), answer...)
	if f.EchoOff {
		m.echo = false
	}
	m.reply = nil
	if f.Delay <= 0 {
		m.fault = Fault{}
		m.send(answer)
		return
	}
	m.late = true
	m.after(f.Delay, func() {
		m.late, m.fault = false, Fault{}
		m.send(answer)
	})
}

// result is a result code as E, Q, V and X want it.
func (m *Modem) result(text string) []byte {
	switch {
	case m.quiet:
		return nil
	case m.level == 0 && strings.HasPrefix(text, "CONNECT"):
		text = "CONNECT"
	case m.level < 3 && text == "BUSY", m.level != 2 && m.level != 4 && text == "NO DIALTONE":
		text = "NO CARRIER"
	}
	if m.verbose {
		return []byte(m.lineEnd() + text + m.lineEnd())
	}
	return []byte(strconv.Itoa(m.code(text)) + string(m.regs[3:4]))
}

// code is the number of a result (V.250, table 1, and what Hayes added).
func (m *Modem) code(text string) int {
	if n, ok := m.cfg.Codes[text]; ok {
		return n
	}
	standard := map[string]int{
		"OK": 0, "RING": 2, "NO CARRIER": 3, "ERROR": 4, "CONNECT 1200": 5,
		"NO DIALTONE": 6, "BUSY": 7, "NO ANSWER": 8, "CONNECT 2400": 10,
	}
	if n, ok := standard[text]; ok {
		return n
	}
	if strings.HasPrefix(text, "CONNECT") {
		return 1
	}
	return standard["ERROR"]
}
