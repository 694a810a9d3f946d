package switchinf

import "slices"

// A command is what a step sends. The zero command is the empty one.
type command struct {
	parts []part
}

// A part is either text or the value of a macro.
type part struct {
	text  []byte
	macro string
}

// The macros of commands.
const (
	macroUser       = "username"
	macroPassword   = "password"
	macroAddress    = "x25address"
	macroUserData   = "userdata"
	macroFacilities = "facilities"
)

var (
	switchMacros = []string{macroUser, macroPassword}
	padMacros    = []string{macroUser, macroPassword, macroAddress, macroUserData, macroFacilities}
)

// parseCommand reads what follows the equals sign, blanks and all.
func (p *parser) parseCommand(l *line, from int) command {
	allowed := switchMacros
	if p.section.Kind == KindPAD {
		allowed = padMacros
	}
	var c command
	v := &value{p: p, line: l, pos: from, end: len(l.text)}
	for t, ok := v.next(); ok; t, ok = v.next() {
		switch {
		case t.macro == "":
			if n := len(c.parts); n == 0 || c.parts[n-1].macro != "" {
				c.parts = append(c.parts, part{})
			}
			last := &c.parts[len(c.parts)-1]
			last.text = append(last.text, t.b)
		case slices.Contains(allowed, t.macro):
			c.parts = append(c.parts, part{macro: t.macro})
		default:
			p.wrongMacro(l, t, "a command")
		}
	}
	return c
}

func (c *command) empty() bool { return len(c.parts) == 0 }
