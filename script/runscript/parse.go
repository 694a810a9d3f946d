package runscript

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// line is one line that does something.
type line struct {
	place
	cmd command
}

// command is what a line, an arm or an if does. The fields that its verb has no
// use for are zero.
type command struct {
	verb  string // "" : nothing
	text  text   // send, print
	raw   string // log, !, !<, call; the written text of expect
	name  string // goto, gosub, set, inc, dec; the operator of if
	a, b  value  // if; a: set, exit, timeout, sleep
	then  *command
	on    bool // verbose
	arms  []arm
	place place
}

// arm is a line of an expect block: a pattern, or a timeout.
type arm struct {
	pattern text
	shown   string
	timeout bool
	after   value
	cmd     *command // nil: it ends the expect
}

// value is a number, a variable, $? or $(NAME).
type value struct {
	number int
	name   string // of a variable, or "$?"
	env    string // of $(NAME)
}

// Parse reads a script. The name is that of its file, for messages. The error is
// a *lint.ParseError with everything that is wrong, at most 20 errors and 100
// warnings. Parse never panics and takes time and memory in proportion to the
// size of src.
func Parse(name string, src []byte) (*Script, error) {
	source := lint.NewSource(name, src)
	p := &parser{src: source, script: &Script{src: source, labels: map[string]int{}}, set: map[string]bool{}}
	if text := source.NULRefusal(len(source.Text())); text != "" {
		p.fail(place{1, 1}, "%s", text)
	} else {
		text := strings.TrimPrefix(source.Text(), "\ufeff")
		p.lines = strings.Split(text, "\n")
		for i, l := range p.lines {
			p.lines[i] = strings.TrimSuffix(l, "\r")
		}
		for {
			all, at, ok := p.line()
			if !ok {
				break
			}
			if len(all) == 0 || p.label(all, at) {
				continue
			}
			cmd := p.command(all, at)
			p.script.lines = append(p.script.lines, line{at, cmd})
		}
		for _, t := range p.targets {
			if _, ok := p.script.labels[t.name]; !ok {
				p.fail(t.at, "there is no label %q: mark the place with %s: on a line of its own", t.name, t.name)
			}
		}
		warned := map[string]bool{}
		for _, u := range p.used {
			if !p.set[u.name] && !warned[u.name] {
				warned[u.name] = true
				p.warn(u.at, "the variable %q is never set, and the script fails here: write set %s 0 before", u.name, u.name)
			}
		}
	}
	if p.found.Errors() > 0 {
		return nil, &lint.ParseError{Findings: p.found.Sorted()}
	}
	p.script.warnings = p.found.Sorted()
	return p.script, nil
}

type parser struct {
	src    *lint.Source
	script *Script
	found  lint.List

	lines []string
	next  int // index of the line to read
	depth int // of commands inside commands

	set     map[string]bool // variables that are set somewhere
	used    []use           // variables that need a value
	targets []use           // labels that are gone to
}

// use is a name at a place.
type use struct {
	name string
	at   place
}

func (p *parser) add(s lint.Severity, at place, format string, args ...any) {
	f := lint.Finding{File: p.src.Name(), Line: at.line, Col: at.col, Severity: s, Text: fmt.Sprintf(format, args...)}
	if at.line <= len(p.lines) {
		f.Source = p.lines[at.line-1]
	}
	p.found.Add(f)
}

func (p *parser) fail(at place, format string, args ...any) {
	p.add(lint.SeverityError, at, format, args...)
}

func (p *parser) warn(at place, format string, args ...any) {
	p.add(lint.SeverityWarning, at, format, args...)
}

// line returns the words of the next line that is no comment and not blank. A
// line with an open quote has none.
func (p *parser) line() (all []word, at place, ok bool) {
	for p.next < len(p.lines) {
		text := p.lines[p.next]
		p.next++
		start := len(text) - len(strings.TrimLeft(text, " \t"))
		if start == len(text) || text[start] == '#' {
			continue
		}
		at = place{p.next, start + 1}
		if i := lint.CurlyQuote(text); i >= 0 {
			p.warn(place{p.next, i + 1}, `a curly quote is an ordinary character and encloses nothing: use the straight quote "`)
		}
		if i, name := lint.Invisible(text); name != "" {
			p.warn(place{p.next, i + 1}, "a %s is in this line: replace it by a plain space, or remove it", name)
		}
		all, open := words(text, start)
		if open >= 0 {
			what := "this quote is not closed on its line"
			if text[open] == '\\' {
				what = "a backslash at the end of the line protects nothing: remove it, or write \\\\"
			}
			p.fail(place{p.next, open + 1}, "%s", what)
			all = nil
		}
		return all, at, true
	}
	return nil, place{}, false
}

// label reads a label and reports whether the line is one.
func (p *parser) label(all []word, at place) bool {
	name, rest, is := strings.Cut(all[0].plain(), ":")
	if !is || name == "" {
		return false
	}
	switch _, found := p.script.labels[name]; {
	case rest != "" || len(all) > 1:
		p.fail(at, "text after the label %s: is not run: write it on the next line", name)
	case found:
		p.warn(at, "there is a label %s already, and goto goes to the first", name)
		return true
	}
	p.script.labels[name] = len(p.script.lines)
	return true
}

var verbs = []string{"send", "print", "log", "goto", "gosub", "return", "exit", "set", "inc", "dec", "if", "timeout", "verbose", "sleep", "expect", "break", "call"}

// hints is what to write for words that people bring from other languages.
var hints = map[string]string{
	"waitfor": "expect", "wait": "expect", "transmit": "send", "put": "send", "echo": "print", "say": "print", "delay": "sleep", "pause": "sleep",
	"end": "exit", "quit": "exit", "stop": "exit", "halt": "exit", "let": "set", "include": "call", "run": "!", "!pipe": "!<", "pipedshell": "!<",
}

// maxDepth bounds commands inside commands, and calls.
const maxDepth = 100

// command reads a command.
func (p *parser) command(all []word, at place) command {
	first, rest := all[0], all[1:]
	if p.depth++; p.depth > maxDepth {
		p.fail(place{at.line, first.at + 1}, "more than %d commands inside each other: make the script simpler", maxDepth)
		p.found.Close()
		p.next, rest = len(p.lines), nil
		p.depth--
		return command{}
	}
	defer func() { p.depth-- }()
	cmd := command{verb: first.plain(), place: place{at.line, first.at + 1}}
	if raw := first.plain(); strings.HasPrefix(raw, "!") {
		return p.shell(first, at)
	}
	switch cmd.verb {
	case "send", "print":
		cmd.text = p.text(rest, at)
	case "log":
		cmd.raw = strings.TrimLeft(p.lines[at.line-1][first.at+len("log"):], " \t")
		p.warn(cmd.place, "log writes to a file: it is off unless the program has given one (Config.LogFile)")
	case "call":
		p.oneWord(&cmd, rest, "the name of a script")
		p.warn(cmd.place, "call runs another script: it fails unless the program allows it (Config.Open)")
	case "goto", "gosub":
		p.oneWord(&cmd, rest, "a label")
		cmd.name = strings.TrimSuffix(cmd.raw, ":")
		if len(rest) == 1 {
			p.targets = append(p.targets, use{cmd.name, place{at.line, rest[0].at + 1}})
		}
	case "return", "break":
		p.noMore(rest, cmd.verb, at)
	case "exit":
		if len(rest) > 0 {
			cmd.a = p.value(rest[0], at)
			p.noMore(rest[1:], "the value of exit", at)
		}
	case "inc", "dec":
		p.oneWord(&cmd, rest, "the name of a variable")
		cmd.name = cmd.raw
		p.used = append(p.used, use{cmd.name, cmd.place})
	case "set":
		p.assignment(&cmd, rest, at)
	case "if":
		p.condition(&cmd, rest, at)
	case "timeout", "sleep":
		p.duration(&cmd, rest, at)
	case "verbose":
		p.oneWord(&cmd, rest, "on or off")
		cmd.on = cmd.raw == "on"
		if len(rest) == 1 && cmd.raw != "on" && cmd.raw != "off" {
			p.fail(place{at.line, rest[0].at + 1}, "verbose is on or off, and not %s", rest[0].shown())
		}
	case "expect":
		p.expect(&cmd, rest, at)
	default:
		p.unknown(first, at)
	}
	return cmd
}

// unknown reports a word that is no command.
func (p *parser) unknown(w word, at place) {
	at.col = w.at + 1
	folded := lint.Fold(w.raw)
	switch {
	case w.raw == "{":
		p.fail(at, "put { at the end of the line of its expect")
	case w.raw == "}":
		p.fail(at, "this } closes no expect block")
	case strings.HasPrefix(w.raw, "<<<<<<<"), strings.HasPrefix(w.raw, "======="), strings.HasPrefix(w.raw, ">>>>>>>"):
		p.fail(at, "%s is the conflict marker of a version control system: keep one of the two versions and delete the marker", w.raw[:7])
	case strings.HasPrefix(folded, "expect{"):
		p.fail(at, "write a space between expect and {")
	case strings.HasPrefix(w.raw, ";"), strings.HasPrefix(w.raw, "//"), strings.HasPrefix(w.raw, "'"):
		p.fail(at, "a comment begins with #")
	case w.quoted:
		p.fail(at, "a text alone is no command: send sends it, expect waits for it")
	case slices.Contains(verbs, folded):
		p.fail(at, "commands are written in small letters: %s", folded)
	case hints[folded] != "":
		p.fail(at, "there is no command %s: write %s", w.shown(), hints[folded])
	default:
		p.fail(at, "there is no command %s: the commands are %s, ! and !<", w.shown(), strings.Join(verbs, ", "))
	}
}

// names notes where a text uses the name or the password.
func (p *parser) names(t *text, all []word, at place) {
	if len(all) > 0 {
		at.col = all[0].at + 1
	}
	if p.script.login == (place{}) && t.uses("LOGIN") {
		p.script.login = at
	}
	if p.script.pass == (place{}) && t.uses("PASS") {
		p.script.pass = at
	}
	for _, w := range all {
		for _, name := range []string{"$LOGIN", "$PASS", "${LOGIN}", "${PASS}"} {
			if i := strings.Index(w.raw, name); i >= 0 {
				p.warn(place{at.line, w.at + 1}, "%s is sent as it is: write $(%s)", name, strings.Trim(name, "${}"))
			}
		}
	}
}

// text reads the text of send or print, which has the words joined by one space
// each.
func (p *parser) text(rest []word, at place) text {
	raw := make([]string, len(rest))
	for i, w := range rest {
		raw[i] = w.raw
	}
	t := unescape(strings.Join(raw, " "))
	p.names(&t, rest, at)
	for _, w := range rest {
		if c := w.plain(); c == "#" || c == ";" || c == "//" {
			p.warn(place{at.line, w.at + 1}, "%s begins no comment here and is part of the text: write the comment on a line of its own, behind #", c)
			break
		}
	}
	return t
}

// oneWord reads the only word that a command has.
func (p *parser) oneWord(cmd *command, rest []word, what string) {
	if len(rest) == 0 {
		p.fail(cmd.place, "%s needs %s", cmd.verb, what)
		return
	}
	cmd.raw = rest[0].raw
	p.noMore(rest[1:], cmd.verb+" "+rest[0].raw, cmd.place)
}

func (p *parser) noMore(rest []word, after string, at place) {
	if len(rest) > 0 {
		p.fail(place{at.line, rest[0].at + 1}, "text after %s: write it on a line of its own", lint.Visible(after))
	}
}

// value reads a number, a variable, $? or $(NAME).
func (p *parser) value(w word, at place) value {
	switch {
	case w.raw == "$?":
		return value{name: "$?"}
	case strings.HasPrefix(w.raw, "$(") && strings.HasSuffix(w.raw, ")"):
		return value{env: w.raw[2 : len(w.raw)-1]}
	case w.raw != "" && (isDigit(w.raw[0]) || w.raw[0] == '-'):
		n := number(w.raw)
		if strings.TrimLeft(w.raw, "-0123456789") != "" {
			p.warn(place{at.line, w.at + 1}, "%s is read as %d: a number is whole and has no unit", w.shown(), n)
		}
		return value{number: n}
	}
	p.used = append(p.used, use{w.raw, place{at.line, w.at + 1}})
	return value{name: w.raw}
}

// number reads the number that s begins with, and 0 if there is none.
func number(s string) int {
	end := 0
	for end < len(s) && (isDigit(s[end]) || end == 0 && s[0] == '-') {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) assignment(cmd *command, rest []word, at place) {
	if len(rest) == 0 {
		p.fail(cmd.place, "set needs a variable and a value: set n 1")
		return
	}
	cmd.name = rest[0].raw
	if strings.ContainsAny(cmd.name, "=") || len(rest) > 1 && rest[1].raw == "=" {
		p.set[strings.TrimRight(strings.SplitN(cmd.name, "=", 2)[0], "=")] = true
		p.fail(place{at.line, rest[0].at + 1}, "set takes no equals sign: set n 1")
		return
	}
	p.set[cmd.name] = true
	if len(rest) > 1 {
		cmd.a = p.value(rest[1], at)
		p.noMore(rest[2:], "the value", at)
	}
}

// condition reads what follows if.
func (p *parser) condition(cmd *command, rest []word, at place) {
	const form = "if A = B COMMAND, with <, >, = or != and spaces around it"
	if len(rest) < 3 {
		p.fail(cmd.place, "a condition is incomplete: write %s", form)
		return
	}
	switch cmd.name = rest[1].raw; cmd.name {
	case "<", ">", "=", "!=":
	case "==":
		p.fail(place{at.line, rest[1].at + 1}, "values are equal with one equals sign: write =")
		return
	case "<=", ">=", "<>":
		p.fail(place{at.line, rest[1].at + 1}, "there is no %s: write <, >, = or !=", cmd.name)
		return
	default:
		if strings.ContainsAny(rest[0].raw, "=<>!") {
			p.fail(place{at.line, rest[0].at + 1}, "write spaces around the operator in %s", rest[0].shown())
			return
		}
		p.fail(place{at.line, rest[1].at + 1}, "%s is no operator: write %s", rest[1].shown(), form)
		return
	}
	cmd.a, cmd.b = p.value(rest[0], at), p.value(rest[2], at)
	if len(rest) == 3 {
		p.fail(cmd.place, "the command of the if is missing: write it on the same line")
		return
	}
	if rest[3].raw == "then" {
		p.fail(place{at.line, rest[3].at + 1}, "an if has no then: write the command after the condition")
		return
	}
	then := p.command(rest[3:], at)
	cmd.then = &then
}

// duration reads the number of seconds of timeout and sleep.
func (p *parser) duration(cmd *command, rest []word, at place) {
	if len(rest) == 0 {
		p.fail(cmd.place, "%s needs a number of seconds", cmd.verb)
		return
	}
	cmd.a = p.value(rest[0], at)
	if cmd.verb == "timeout" && cmd.a == (value{}) {
		p.fail(place{at.line, rest[0].at + 1}, "a timeout is a number of seconds above 0")
	}
	p.noMore(rest[1:], cmd.verb+" "+rest[0].raw, at)
}

// shell reads ! and !<. The old advice to kill minicom at the end of a script is
// its end.
func (p *parser) shell(first word, at place) command {
	cmd := command{verb: "!", place: place{at.line, first.at + 1}}
	text := p.lines[at.line-1][first.at+1:]
	cmd.raw = strings.Trim(strings.TrimPrefix(text, "<"), " \t")
	switch {
	case cmd.raw == "":
		p.fail(cmd.place, "! needs a command")
	case strings.Contains(cmd.raw, "kill") && strings.Contains(cmd.raw, "minicom"):
		cmd.verb = "exit"
		p.warn(cmd.place, "this ends minicom, and here it ends the script with success: write exit")
	default:
		p.warn(cmd.place, "! runs a command of the shell: it fails unless the program allows it (Config.Shell)")
	}
	return cmd
}
