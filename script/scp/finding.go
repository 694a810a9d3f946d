package scp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rasline/rasline/ras"
)

// Severity says how much a Finding matters.
type Severity uint8

// The severities. A script with an error does not run; one with warnings does.
const (
	SeverityError Severity = iota
	SeverityWarning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Finding is something that Parse has to say about a place in a script.
type Finding struct {
	File     string // the name that was given to Parse
	Line     int    // from 1; CR, LF and CR LF each end a line
	Col      int    // from 1, in bytes
	Severity Severity
	Text     string // what is wrong and what to do, one line

	source string // the line
}

// String returns "FILE:LINE:COL: SEVERITY: TEXT".
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", f.File, f.Line, f.Col, f.Severity, f.Text)
}

// maxExcerpt is how many bytes of a long line Excerpt shows before the place.
const maxExcerpt = 100

// Excerpt returns the line of the script and, under it, a caret that points at
// the place: two lines without a line end after the second. A long line is
// shown in part. Bytes that are not valid UTF-8 are shown as ISO 8859-1, and
// control characters as blanks, so that the text can go to any terminal.
func (f Finding) Excerpt() string {
	line, col := f.source, max(0, min(f.Col-1, len(f.source)))
	from := max(0, col-maxExcerpt)
	to := min(len(line), col+maxExcerpt)
	if utf8.ValidString(line) {
		for from > 0 && !utf8.RuneStart(line[from]) {
			from--
		}
		for to < len(line) && !utf8.RuneStart(line[to]) {
			to++
		}
	}
	before := printable(line[from:col])
	return before + printable(line[col:to]) + "\n" +
		strings.Repeat(" ", utf8.RuneCountInString(before)) + "^"
}

// printable returns s in UTF-8 with blanks for control characters.
func printable(s string) string {
	latin1 := !utf8.ValidString(s)
	var b strings.Builder
	for i, r := range s {
		if latin1 {
			r = rune(s[i])
		}
		if r < ' ' || 0x7F <= r && r < 0xA0 {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ParseError is the error of Parse: what is wrong with a script, in the order
// of the places. At least one Finding is an error; warnings stand between. It
// matches ras.ErrScriptSyntax.
type ParseError struct {
	Findings []Finding
}

// Error returns the first error and how many more there are.
func (e *ParseError) Error() string {
	errs := e.Errors()
	if len(errs) == 0 {
		return "script has mistakes"
	}
	first := errs[0]
	s := fmt.Sprintf("%s:%d:%d: %s", first.File, first.Line, first.Col, first.Text)
	switch len(errs) {
	case 1:
		return s
	case 2:
		return s + " (and 1 more error)"
	}
	return fmt.Sprintf("%s (and %d more errors)", s, len(errs)-1)
}

// Errors returns the findings that are errors, 20 at most.
func (e *ParseError) Errors() []Finding {
	return slices.DeleteFunc(slices.Clone(e.Findings), func(f Finding) bool {
		return f.Severity != SeverityError
	})
}

// Unwrap returns ras.ErrScriptSyntax.
func (e *ParseError) Unwrap() error { return ras.ErrScriptSyntax }

// How many findings one script gives at most.
const (
	maxErrors   = 20
	maxWarnings = 100
)

// findings collects what is found in one file.
type findings struct {
	file             *source
	list             []Finding
	errors, warnings int
}

// add records a finding at the byte offset pos unless its kind is full.
func (l *findings) add(sev Severity, pos int, text string) {
	n, limit := &l.errors, maxErrors
	if sev == SeverityWarning {
		n, limit = &l.warnings, maxWarnings
	}
	if *n >= limit {
		return
	}
	*n++
	line, col := l.file.place(pos)
	l.list = append(l.list, Finding{
		File: l.file.name, Line: line, Col: col,
		Severity: sev, Text: text, source: l.file.line(line),
	})
}

func (l *findings) full() bool { return l.errors >= maxErrors }

// errorOn reports whether there is an error on the line.
func (l *findings) errorOn(line int) bool {
	return slices.ContainsFunc(l.list, func(f Finding) bool {
		return f.Line == line && f.Severity == SeverityError
	})
}

// sorted returns the findings in the order of their places.
func (l *findings) sorted() []Finding {
	slices.SortStableFunc(l.list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return l.list
}
