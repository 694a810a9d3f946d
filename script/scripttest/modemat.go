package scripttest

import (
	"cmp"
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
	begun    byte   // 0, 'A' or 'T': the last letter of AT that was received
	overlong bool
}

// inCommand reports whether a character that is received in command mode is part
// of a command line, or one that terminals send between command lines.
func (m *Modem) inCommand(c byte) bool {
	switch upper := c &^ 0x20; m.editor.begun {
	case 'T':
		return true
	case 'A':
		return upper == 'A' || upper == 'T' || c == '/' || c < ' '
	default:
		return upper == 'A' || c < ' ' || c == m.regs[2]
	}
}

// typed processes one character in command mode. Data is whether it is part of no
// command.
func (m *Modem) typed(c byte, data bool) {
	if m.echo && !m.cfg.Personality.NoEcho {
		if data {
			m.sendData([]byte{c})
		} else {
			m.send([]byte{c})
		}
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

// nextFault returns the fault that applies to a line, and counts its use.
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
// No result ("") means that it follows later.
func (m *Modem) obey(line string) string {
	// Spaces outside quotes have no meaning.
	parts := strings.Split(strings.ToUpper(line), `"`)
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.ReplaceAll(parts[i], " ", "")
	}
	line = strings.Join(parts, `"`)
	for line != "" {
		if line[0] == ';' {
			line = line[1:]
			continue
		}
		token := commandToken(line)
		if result, ok := m.defined(token); ok {
			if result != "OK" {
				return result
			}
			line = line[len(token):]
			continue
		}
		name, rest := token[:1], token[1:]
		if strings.Contains(hayesPrefixes, name) && rest != "" {
			name, rest = token[:2], token[2:]
		}
		value, _ := number(rest)
		switch {
		case name == "D":
			return m.dial(line[1:])
		case name == "A":
			return m.answer()
		case name == "O":
			return m.resume()
		case name == "H" && value == 0:
			p := &m.cfg.Personality
			result := p.NoCall
			if m.call != nil {
				result = p.HangUp
			}
			m.hangUp()
			if result := cmp.Or(result, "OK"); result != "OK" {
				return result
			}
		case name == "S":
			if !m.register(rest) {
				return "ERROR"
			}
		case strings.HasPrefix(token, "+"):
			if !slices.ContainsFunc(harmless[:], func(p string) bool { return strings.HasPrefix(token, p) }) {
				return "ERROR"
			}
		case !m.basic(name, value):
			return "ERROR"
		case name == "Z":
			return "OK" // the rest of the line is ignored
		}
		line = line[len(token):]
	}
	return "OK"
}

// The characters with which extended commands begin, and those that are
// before the letter of a Hayes command.
const (
	extendedPrefixes = "+#$^!@*"
	hayesPrefixes    = `&\%-`
)

// harmless are extended commands that the modem accepts without effect.
var harmless = [...]string{"+IFC", "+ICF", "+IPR", "+MS", "+ES", "+DS", "+GCAP"}

// commandToken returns the command with which a line begins: an extended one up
// to a semicolon outside quotes, S with its number and "?" or "=" and a value, any
// other letter with its number.
func commandToken(line string) string {
	if strings.Contains(extendedPrefixes, line[:1]) {
		quoted := false
		for i := range len(line) {
			switch {
			case line[i] == '"':
				quoted = !quoted
			case line[i] == ';' && !quoted:
				return line[:i]
			}
		}
		return line
	}
	i := 1
	if strings.Contains(hayesPrefixes, line[:1]) && len(line) > 1 {
		i++
	}
	digits := func() {
		for i < len(line) && '0' <= line[i] && line[i] <= '9' {
			i++
		}
	}
	// "#BND?" and "%TTC=1" of some makers have names.
	if name := i; i == 2 {
		for name < len(line) && 'A' <= line[name] && line[name] <= 'Z' {
			name++
		}
		if name > i && name < len(line) && strings.Contains("=?", line[name:name+1]) {
			return line
		}
	}
	digits()
	switch {
	case i < len(line) && line[i] == '?':
		i++
	case i+1 < len(line) && line[i] == '=' && '0' <= line[i+1] && line[i+1] <= '9':
		i++
		digits()
	}
	return line[:i]
}

// defined obeys a command that the configuration defines.
func (m *Modem) defined(token string) (result string, ok bool) {
	if m.resetting {
		return "", false
	}
	if m.cfg.Obey != nil {
		if info, result, ok := m.cfg.Obey(token); ok {
			m.inform(info)
			return result, true
		}
	}
	if a, ok := m.cfg.Connects[token]; ok {
		if m.call != nil {
			return "ERROR", true
		}
		m.begin()
		m.apply(m.call, a)
		return "", true
	}
	for prefix, info := range m.cfg.Prompts {
		if strings.HasPrefix(token, prefix) {
			m.mode, m.prompt = modePrompt, info
			m.send([]byte(m.lineEnd() + "> "))
			return "", true
		}
	}
	answer, ok := m.cfg.Extended[token]
	if !ok {
		answer, ok = m.cfg.Personality.Extended[token]
	}
	if !ok && m.cfg.Extended == nil {
		answer, ok = map[string]string{
			"+GMI":      "rasline",
			"+GMM":      "test modem",
			"+GMR":      "1",
			"+FCLASS=?": "0",
			"+FCLASS?":  "0",
		}[token]
	}
	if !ok && token == "+FCLASS=0" {
		ok = true
	}
	m.inform(answer)
	return "OK", ok
}

// idle are the commands that the modem accepts without effect.
var idle = [...]string{
	"B", "L", "M", "N", "P", "T", "W",
	"&A", "&B", "&G", "&H", "&I", "&J", "&K", "&L", "&M", "&N", "&P", "&Q", "&R", "&S", "&U", "&V", "&W", "&X", "&Y",
	`\A`, `\B`, `\G`, `\J`, `\K`, `\N`, `\Q`, `\T`, `\V`, `\X`, "%B", "%C", "%E", "-J",
}

// number reads the digits at the head of s; none are a 0.
func number(s string) (value, digits int) {
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	value, _ = strconv.Atoi(s[:digits])
	return value, digits
}

// basic obeys a command that has a number and gives a result immediately.
func (m *Modem) basic(name string, value int) bool {
	switch name {
	case "E":
		m.echo = value == 1
		return value <= 1
	case "V":
		m.verbose = value == 1 && !m.cfg.Personality.Numeric
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
		return value <= 1
	case "I":
		info := m.cfg.Info
		if info == nil {
			info = m.cfg.Personality.Info
		}
		if info == nil {
			info = []string{"rasline", "", "", "rasline test modem"}
		}
		if value >= len(info) {
			return false
		}
		m.inform(info[value])
		return true
	case "Z":
		if !m.resetting {
			m.hangUp()
			m.reset()
		}
		return true
	case "&F":
		m.settings = factory()
		m.verbose = !m.cfg.Personality.Numeric
		m.driveLines()
		return true
	}
	return slices.Contains(idle[:], name)
}

// register obeys S, with rest beginning after the letter.
func (m *Modem) register(rest string) bool {
	reg, digits := number(rest)
	rest = rest[digits:]
	switch {
	case reg > 255 || digits == 0 || rest == "":
		return false
	case rest == "?":
		m.inform(fmt.Sprintf("%03d", m.regs[reg]))
		return true
	case rest[0] == '=':
		value, _ := number(rest[1:])
		if value > 255 {
			return false
		}
		m.regs[reg] = byte(value)
		return true
	}
	return false
}

// reset restores the factory settings and the profile, within which Z has no effect.
func (m *Modem) reset() {
	m.settings = factory()
	m.verbose = !m.cfg.Personality.Numeric
	if !m.resetting {
		m.resetting = true
		m.obey(m.cfg.Personality.Profile)
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

func (m *Modem) lineEnd() string {
	return cmp.Or(m.cfg.Personality.LineEnd, string(m.regs[3:5]))
}

// finish answers the current command line, subject to its fault.
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
		m.sendAnswer(f, answer)
		return
	}
	m.late = true
	m.after(f.Delay, func() {
		m.late, m.fault = false, Fault{}
		m.sendAnswer(f, answer)
	})
}

// sendAnswer sends an answer, and what a fault sends after it.
func (m *Modem) sendAnswer(f Fault, answer []byte) {
	m.send(answer)
	if f.Again > 0 {
		m.after(f.Again, func() { m.send(answer) })
	}
	if f.Then != "" {
		m.after(f.ThenAfter, func() { m.send([]byte(f.Then)) })
	}
}

// result returns a result code in the form that Q, V and X specify.
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

	// The standard numbers are those of V.250, table 1, and what Hayes added.
	n, ok := m.cfg.Codes[text]
	if !ok {
		n, ok = m.cfg.Personality.Codes[text]
	}
	if !ok {
		standard := map[string]int{
			"OK": 0, "RING": 2, "NO CARRIER": 3, "CONNECT 1200": 5,
			"NO DIALTONE": 6, "BUSY": 7, "NO ANSWER": 8, "CONNECT 2400": 10,
		}
		n, ok = standard[text]
	}
	switch {
	case ok:
	case strings.HasPrefix(text, "CONNECT"):
		n = 1
	default:
		n = 4 // ERROR
	}
	code := strconv.Itoa(n)
	if m.cfg.Personality.Framed {
		return []byte(m.lineEnd() + code + m.lineEnd())
	}
	return []byte(code + string(m.regs[3:4]))
}
