package scp

import (
	"errors"
	"slices"
	"time"

	"github.com/rasline/rasline/script"
)

// awaited holds the patterns that a waitfor made last, and of what.
type awaited struct {
	texts    []string
	patterns []script.Pattern
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
