package runscript

import (
	"regexp"
	"slices"
	"strings"
)

// expect reads a pattern, or the lines of a block.
func (p *parser) expect(cmd *command, rest []word, at place) {
	if len(rest) == 0 {
		p.fail(cmd.place, `expect needs a pattern, or { at the end of the line`)
		if p.next < len(p.lines) && strings.TrimSpace(p.lines[p.next]) == "{" {
			p.next++ // reported
			p.block(cmd, at)
		}
		return
	}
	if rest[0].plain() != "{" {
		cmd.arms = append(cmd.arms, p.arm(rest[:1], at))
		if len(rest) > 1 {
			p.warn(place{at.line, rest[1].at + 1}, "what follows the pattern is not used: quote a text with spaces, or write a block with { }")
		}
		return
	}
	if len(rest) > 1 {
		p.fail(place{at.line, rest[1].at + 1}, "text after {: begin the next line with it")
	}
	p.block(cmd, at)
}

var labelName = regexp.MustCompile(`^\w+$`)

// block reads the lines up to the closing brace.
func (p *parser) block(cmd *command, at place) {
	for {
		all, here, ok := p.line()
		if !ok {
			p.fail(at, "this expect block has no closing }")
			return
		}
		if len(all) == 0 {
			continue
		}
		// What looks like a label and has nothing that goes to it is more likely a
		// prompt.
		name, label := strings.CutSuffix(all[0].plain(), ":")
		label = label && len(all) == 1 && labelName.MatchString(name) && slices.ContainsFunc(p.targets, func(u use) bool { return u.name == name })
		switch {
		case all[0].plain() == "}":
			p.noMore(all[1:], "}", here)
			return
		case label:
			p.fail(here, "a label inside an expect block is no place to go to: put it before the expect")
		default:
			cmd.arms = append(cmd.arms, p.arm(all, here))
		}
	}
}

// alternatives is how other languages write several texts to wait for.
var alternatives = regexp.MustCompile(`^/?\(?\w+(\|\w+)+\)?/?$`)

// arm reads a line of a block.
func (p *parser) arm(all []word, at place) arm {
	a := arm{shown: all[0].shown()}
	rest := all[1:]
	if all[0].plain() == "timeout" {
		a.timeout = true
		if len(rest) == 0 {
			p.fail(at, "timeout needs a number of seconds")
			return a
		}
		if slices.Contains(verbs, rest[0].raw) {
			p.fail(place{at.line, rest[0].at + 1}, "timeout needs a number of seconds before its command")
			return a
		}
		a.after = p.value(rest[0], at)
		rest = rest[1:]
	} else {
		if slices.Contains(verbs, all[0].plain()) {
			p.fail(at, "a line of an expect block begins with a pattern: close the block with } before this, or quote the pattern %q", all[0].raw)
			return a
		}
		a.pattern = unescape(all[0].raw)
		p.names(&a.pattern, all[:1], at)
		if len(a.pattern.pieces) == 0 {
			p.fail(place{at.line, all[0].at + 1}, "an empty pattern waits for nothing: write the text to wait for")
		}
		if alternatives.MatchString(all[0].raw) {
			p.warn(place{at.line, all[0].at + 1}, "a | is an ordinary character: write a block with a line for each text")
		}
	}
	if len(rest) > 0 {
		cmd := p.command(rest, at)
		a.cmd = &cmd
	}
	return a
}
