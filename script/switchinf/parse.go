package switchinf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/script/lint"
)

// parser reads a file line by line.
type parser struct {
	file  *File
	found lint.List
	hard  int // errors that no reading can pass over

	section *section // nil before the first
	warned  bool     // about lines before the first section
}

func newParser(kind Kind, name string) *parser {
	return &parser{
		file:  &File{name: name, kind: kind, byName: map[string]*section{}},
		found: lint.List{MaxErrors: maxErrors},
	}
}

func (p *parser) read(text string) {
	r := &lines{end: "\n", warn: p.warn}
	if !strings.Contains(text, "\n") {
		r.end = "\r" // as old Macintosh editors end lines
	}
	if i := strings.IndexByte(text, ctrlZ); i >= 0 {
		rest := strings.Trim(text[i:], "\x1a\x00 \t\r\n")
		text = text[:i]
		if rest != "" {
			at := place{line: strings.Count(text, r.end) + 1, col: i - strings.LastIndex(text, r.end)}
			p.warn(at, "a Ctrl-Z (byte 0x1A) ends the file here: what follows is not read")
		}
	}
	r.rest = text
	for {
		l, ok := r.next()
		if !ok {
			break
		}
		p.line(&l)
	}
	p.endSection()
	if len(p.file.sections) == 0 {
		folded := lint.Fold(text)
		switch {
		case strings.Contains(folded, "endproc"):
			p.mistake(place{line: 1, col: 1}, "the file has no section and is a .scp script, by its proc and endproc: name it so, or specify the language scp")
			return
		case strings.Contains(text, "ABORT ") || strings.HasPrefix(text, "''"):
			p.mistake(place{line: 1, col: 1}, "the file has no section and is a script of chat(8): name it .chat, or specify the language chat")
			return
		}
		p.report(lint.SeverityWarning, place{line: 1, col: 1}, "the file has no section: write a line such as [Name] before the script")
	}
}

const maxErrors = 20 // of one file

// report records a finding.
func (p *parser) report(sev lint.Severity, at place, format string, args ...any) {
	p.found.Add(lint.Finding{File: p.file.name, Line: at.line, Col: at.col,
		Severity: sev, Text: fmt.Sprintf(format, args...), Source: at.source})
}

// fail records an error that no reading can pass over.
func (p *parser) fail(at place, format string, args ...any) {
	p.report(lint.SeverityError, at, format, args...)
	p.hard++
	if p.section != nil {
		p.section.errors++
	}
}

// error records an error that a run passes over.
func (p *parser) mistake(at place, format string, args ...any) {
	p.report(lint.SeverityError, at, format, args...)
}

func (p *parser) warn(at place, format string, args ...any) {
	p.report(lint.SeverityWarning, at, format, args...)
}

// ctrlZ ends a file that a DOS editor wrote.
const ctrlZ = 0x1A

func (p *parser) line(l *line) {
	// Warn of characters that are there by accident.
	if i, name := lint.Invisible(l.text); name != "" {
		p.warn(l.at(i), "a %s is in this line: replace it by a plain space, or remove it", name)
	}
	if i := lint.CurlyQuote(l.text); i >= 0 {
		p.warn(l.at(i), `a curly quote encloses nothing: use the straight quote "`)
	}
	switch {
	case l.text != "" && l.text[0] == '[':
		p.header(l)
	case p.section == nil:
		if !p.warned {
			p.warn(l.at(0), "lines before the first [section] are ignored")
			p.warned = true
		}
	case strings.EqualFold(strings.TrimRight(l.text, " \t"), "NoResponse"):
		if p.section.Kind >= KindModem {
			return
		}
		s := p.stepFor(l)
		if len(s.responses) > 0 {
			p.fail(l.at(0), "NoResponse stands beside other responses to the command in line %d: leave one or the other", s.line)
		}
		s.noResponse = true
	default:
		p.assignment(l)
	}
}

// header opens a section.
func (p *parser) header(l *line) {
	name, rest, closed := strings.Cut(l.text[1:], "]")
	if !closed {
		p.mistake(l.at(len(l.text)), "the section's name has no closing bracket, and the line is skipped: write %s]", strings.TrimRight(l.text, " \t"))
		return
	}
	p.endSection()
	name = strings.Trim(name, " \t")
	p.section = &section{header: l.at(0)}
	p.section.Section = Section{Name: name, Kind: p.file.kind, Line: l.at(0).line}
	p.file.sections = append(p.file.sections, p.section)
	if p.file.kind == KindModem && strings.EqualFold(name, "Responses") {
		p.section.Kind = KindResponses
	}
	switch {
	case name == "":
		p.fail(l.at(0), "the section has no name: write [Name]")
	case len(name) > maxName:
		p.warn(l.at(1+maxName), "a section's name has at most %d characters: Windows may not show this one", maxName)
	}
	if first := p.file.find(name); first != nil {
		p.warn(l.at(0), "there is a section %q in line %d: this one is never run", first.Name, first.Line)
	} else {
		p.file.byName[foldName(name)] = p.section
	}
	if strings.Trim(rest, " \t") != "" {
		p.warn(l.at(len(l.text)-len(rest)), "text after the section's name is ignored")
	}
}

// endSection examines the section as a whole.
func (p *parser) endSection() {
	s := p.section
	if s == nil || s.Kind >= KindModem {
		return
	}
	if len(s.steps) == 0 {
		p.mistake(s.header, "section %q has no COMMAND=: it cannot be run", s.Name)
	}
}

// assignment reads a line with an equals sign.
func (p *parser) assignment(l *line) {
	key, _, found := strings.Cut(l.text, "=")
	if !found {
		p.noForm(l)
		return
	}
	from := len(key) + 1
	// A keyword is in capital letters and without spaces around it.
	written := key
	key = strings.TrimRight(key, " \t")
	upper := strings.ToUpper(key)
	if upper == "COMMAND" || actionOf(upper) != actNone || isSetting(upper) && upper[0] != '<' {
		switch {
		case key != upper:
			p.warn(l.at(0), "write %s in capital letters: Windows may not know it otherwise", upper)
		case key != written:
			p.warn(l.at(len(key)), "write %s= without spaces: Windows may not know it otherwise", upper)
		}
		key = upper
	}
	switch {
	case p.section.Kind >= KindModem:
		// Read a line of MODEM.INF: commands are counted, responses are
		// checked, and the rest is kept.
		switch {
		case strings.HasPrefix(key, "COMMAND"):
			p.section.Commands++
		case actionOf(key) != actNone:
			p.parsePattern(l, from)
		case isSetting(strings.ToUpper(key)):
			p.keep(l, key, from)
		default:
			p.noForm(l)
		}
	case key == "COMMAND":
		p.command(l, from)
	case actionOf(key) != actNone:
		p.response(l, key, from)
	case !isSetting(strings.ToUpper(key)):
		p.noForm(l)
	default:
		// Keep a line that has no effect on the script.
		if p.section.Kind == KindSwitch || !slices.Contains(settingKeys, key) {
			p.warn(l.at(0), "%s= has no meaning in a file of kind %s, and is ignored", key, p.section.Kind)
		}
		p.keep(l, key, from)
	}
}

func (p *parser) noForm(l *line) {
	names := []string{"COMMAND", "OK", "LOOP", "CONNECT", "ERROR", "ERROR_NO_CARRIER", "ERROR_DIAGNOSTICS"}
	key, _, assigned := strings.Cut(l.text, "=")
	key = strings.TrimRight(key, " \t")
	first, _, _ := strings.Cut(strings.Map(func(r rune) rune {
		if strings.ContainsRune("\t:<", r) {
			return ' '
		}
		return r
	}, strings.ToUpper(key)), " ")
	marker := ""
	for _, m := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
		if strings.HasPrefix(l.text, m) {
			marker = m
		}
	}
	aliases := map[string]string{"OKAY": "OK", "SEND": "COMMAND", "CMD": "COMMAND", "EXPECT": "OK", "WAITFOR": "OK", "WAIT": "OK", "FAIL": "ERROR"}
	switch name := cmp.Or(aliases[strings.ToUpper(key)], nearest(strings.ToUpper(key), append(names, "NORESPONSE"))); {
	case marker != "":
		p.mistake(l.at(0), "%s is the conflict marker of a version control system, and is skipped: keep one of the two versions", marker)
	case name == "NORESPONSE", first == "NORESPONSE":
		p.mistake(l.at(0), "this is no command or response, and is skipped: write NoResponse, alone on the line")
	case assigned && name != "":
		p.mistake(l.at(0), "there is no keyword %q, and the line is skipped: write %s=", key, name)
	case !assigned && slices.Contains(names, first):
		p.mistake(l.at(0), "an equals sign is missing after the keyword, and the line is skipped: write %s=", first)
	default:
		p.mistake(l.at(0), "this is no command, response or comment, and is skipped: begin a comment with ; in column 1")
	}
}

// nearest returns the name that is written like s but for one letter, or two of
// a long one, or "".
func nearest(s string, names []string) string {
	best, least := "", 1
	if len(s) > 6 {
		least = 2
	}
	for _, name := range names {
		if d := words.Distance(s, name); d > 0 && d <= least && len(name) > 2 {
			best, least = name, d-1
		}
	}
	return best
}

// command begins a step.
func (p *parser) command(l *line, from int) {
	if len(p.section.steps) > 0 {
		// Report a command that the step before it, s, never leads to.
		s := p.last()
		switch {
		case s.noResponse:
		case len(s.responses) == 0:
			p.mistake(l.at(0), "this command is never reached: the one in line %d has no response line, "+"and the script ends there; write NoResponse under it to go on", s.line)
		case !slices.ContainsFunc(s.responses, func(r response) bool { return r.action == actNext }):
			p.warn(l.at(0), "this command is never reached: no response to the one in line %d is OK=", s.line)
		}
	}
	p.section.steps = append(p.section.steps, step{line: l.at(0).line, command: p.parseCommand(l, from)})
	p.section.Commands++
	// Warn of a text that is sent and was probably not meant to be.
	text := l.text[from:]
	if strings.EqualFold(strings.Trim(text, " \t"), "NoResponse") {
		p.warn(l.at(from), "the text NoResponse is sent here: write NoResponse on the line under COMMAND=")
	}
	for _, code := range []struct{ written, macro string }{{"^M", "<cr>"}, {"^m", "<cr>"}, {`\r`, "<cr>"}, {`\n`, "<lf>"}, {"^J", "<lf>"}} {
		if i := strings.Index(text, code.written); i >= 0 {
			p.warn(l.at(from+i), "%s is sent as two characters: write %s", code.written, code.macro)
			break
		}
	}
}

func (p *parser) last() *step { return &p.section.steps[len(p.section.steps)-1] }

// stepFor returns the step that a response belongs to. One without a command
// belongs to an empty one.
func (p *parser) stepFor(l *line) *step {
	if len(p.section.steps) == 0 {
		p.mistake(l.at(0), "a section begins with COMMAND=: the script acts as if an empty one stood here")
		p.section.steps = append(p.section.steps, step{line: l.at(0).line})
		p.section.Commands++
	}
	return p.last()
}

func (p *parser) response(l *line, key string, from int) {
	s := p.stepFor(l)
	switch {
	case s.noResponse:
		p.fail(l.at(0), "%s= stands beside NoResponse to the command in line %d: leave one or the other", key, s.line)
		return
	case len(s.responses) > maxResponses:
		return
	}
	r := response{line: l.at(0).line, keyword: key, action: actionOf(key), pattern: p.parsePattern(l, from), text: l.text}
	if _, known := codesByName()[key]; !known && r.action == actFail && key != "ERROR" && key != "ERROR_DIAGNOSTICS" {
		hint := "the names are those of Raserror.h, and a run reports others as a failure of the device"
		if name := nearest(key, errorNames()); name != "" {
			hint = "write " + name + "="
		}
		p.warn(l.at(0), "there is no error %s: %s", key, hint)
	}
	if key == "ERROR_DIAGNOSTICS" && r.pattern.ending != endDiagnostics {
		p.warn(l.at(0), "ERROR_DIAGNOSTICS= without <diagnostics> has no text for the user")
	}
	if s.responses = append(s.responses, r); len(s.responses) > maxResponses {
		p.fail(l.at(0), "the command in line %d has more than %d responses: leave some out", s.line, maxResponses)
	}
}

// The settings of PAD.INF and MODEM.INF, and those of MODEM.INF alone.
var (
	settingKeys = []string{"DEFAULTOFF", "MAXCARRIERBPS", "MAXCONNECTBPS", "CALLBACKTIME",
		"DEVICETYPE", "DETECT_STRING", "DETECT_RESPONSE"}
	modemKeys = []string{"COMMAND_INIT", "COMMAND_DIAL", "COMMAND_LISTEN"}
)

func isSetting(key string) bool {
	return slices.Contains(settingKeys, key) || slices.Contains(modemKeys, key) ||
		strings.HasPrefix(key, "<") && strings.HasSuffix(key, ">")
}

func (p *parser) keep(l *line, key string, from int) {
	p.section.Settings = append(p.section.Settings, Setting{Key: key, Value: l.text[from:], Line: l.at(0).line})
}
