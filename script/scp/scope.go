package scp

import (
	"fmt"

	"github.com/rasline/rasline/script/lint"
)

// symbol is a variable, a label or a procedure.
type symbol struct {
	spelling string
	pos      int32 // where it was declared, or first used
	typ      typ   // variables
	slot     int32 // variables
	defined  bool  // labels: it has a place
	used     bool  // labels: something goes there
	target   int32 // labels: the instruction it marks
	varied   bool  // another letter case of it was reported
}

// scope holds the names of one procedure. Labels and variables do not clash.
type scope struct {
	variables map[string]*symbol
	labels    map[string]*symbol
	order     []*symbol // labels, numbered as in unresolved jumps
	numbers   map[*symbol]int32
	unknown   map[string]bool // variables reported as not declared
	slots     []typ
}

func newScope() scope {
	return scope{
		variables: map[string]*symbol{}, labels: map[string]*symbol{},
		numbers: map[*symbol]int32{}, unknown: map[string]bool{},
	}
}

// hints is what to write for words that people bring from other languages.
var hints = map[string]string{
	"not":      `the language has no "not": write ! in front of the condition`,
	"success":  `write $SUCCESS with the dollar sign`,
	"failure":  `write $FAILURE with the dollar sign`,
	"userid":   `write $USERID with the dollar sign`,
	"password": `write $PASSWORD with the dollar sign`,
	"else":     `the language has no "else": write a second "if" with the opposite condition`,
	"elseif":   `the language has no "elseif": write a second "if"`,
	"call":     `the language has no "call": a script runs only its procedure "main"`,
	"return":   `the language has no "return": use "goto" to a label before "endproc"`,
	"for":      `the language has no "for": use "while ... do ... endwhile"`,
	"end":      `use "endif", "endwhile" or "endproc"`,
	"exit":     `the language has no "exit": use "goto" to a label before "endproc", or "halt"`,
	"send":     `use "transmit" to send a text`,
	"print":    `use "transmit" to send a text`,
	"wait":     `use "waitfor" to wait for a text, or "delay" to wait some seconds`,
	"sleep":    `use "delay" to wait some seconds`,
}

// variable finds a declared variable. The first use of an unknown name in a
// procedure is reported; nil is returned for every one.
func (p *parser) variable(name token) *symbol {
	key := lint.Fold(p.text(name))
	v := p.scope.variables[key]
	switch {
	case v != nil:
		p.checkSpelling(v, name, "variable")
	case p.scope.unknown[key]:
	case hints[key] != "":
		p.errorAt(name, "%s", hints[key])
	default:
		p.errorAt(name, `the variable %s is not declared: write "integer", "string" or "boolean" and its name above`, p.shown(name))
	}
	if v == nil {
		p.scope.unknown[key] = true
	}
	return v
}

// checkSpelling warns once for each symbol that is written in another letter
// case than at first.
func (p *parser) checkSpelling(s *symbol, name token, what string) {
	if p.text(name) != s.spelling && !s.varied {
		s.varied = true
		p.warnAt(name, "%s and %s in line %d differ only in letter case and are the same %s",
			p.shown(name), quoted(s.spelling), p.lineOf(s.pos), what)
	}
}

// label returns the number of a label, which represents it in jumps until the
// procedure is complete.
func (p *parser) label(name token) int32 {
	s := p.labelSymbol(name)
	s.used = true
	return p.scope.numbers[s]
}

func (p *parser) labelSymbol(name token) *symbol {
	key := lint.Fold(p.text(name))
	s := p.scope.labels[key]
	if s == nil {
		s = &symbol{spelling: p.text(name), pos: name.pos}
		p.scope.labels[key] = s
		p.scope.numbers[s] = int32(len(p.scope.order))
		p.scope.order = append(p.scope.order, s)
		return s
	}
	p.checkSpelling(s, name, "label")
	return s
}

// resolve replaces label numbers by instructions and reports what is left over
// when a procedure ends.
func (p *parser) resolve() {
	for _, s := range p.scope.order {
		switch v := p.scope.variables[lint.Fold(s.spelling)]; {
		case !s.defined:
			p.semantic(s.pos, fmt.Sprintf("there is no label %s in this procedure: mark the place to go to with the label and a colon", quoted(s.spelling)))
		case !s.used && p.found.Errors() == 0:
			p.warn(s.pos, fmt.Sprintf("nothing goes to the label %s", quoted(s.spelling)))
		case v != nil:
			p.warn(s.pos, fmt.Sprintf("the label %s has the name of the variable in line %d", quoted(s.spelling), p.lineOf(v.pos)))
		}
	}
	for i := range p.code {
		if p.code[i].op == opGoto {
			p.code[i].a = p.scope.order[p.code[i].a].target
			if p.code[i].a == int32(i) && p.found.Errors() == 0 {
				p.warn(p.code[i].pos, "this goes to itself, again and again: nothing on the way waits or changes")
			}
		}
	}
	for i := range p.waits {
		for j := range p.waits[i].entries {
			if e := &p.waits[i].entries[j]; e.target != noLabel {
				e.target = p.scope.order[e.target].target
			}
		}
	}
}
