package switchinf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rasline/rasline/ras"
)

// Severity says how much a Finding matters.
type Severity uint8

// The severities.
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

// Finding is something that Parse has to say about a place in a file.
type Finding struct {
	File     string // the name that was given to Parse
	Line     int    // from 1; LF and CR LF each end a line
	Col      int    // from 1, in bytes
	Severity Severity
	Text     string // what is wrong and what to do, one line

	source string // the line
}

// String returns "FILE:LINE:COL: SEVERITY: TEXT".
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", f.File, f.Line, f.Col, f.Severity, f.Text)
}

const excerptWidth = 100 // bytes of a long line on either side of the place

// Excerpt returns the line of the file and, under it, a caret that points at
// the place: two lines, without a line end after the second. A long line is
// shown in part, and bytes other than printable ASCII as dots.
func (f Finding) Excerpt() string {
	col := max(0, min(f.Col-1, len(f.source)))
	from, to := max(0, col-excerptWidth), min(len(f.source), col+excerptWidth)
	line := []byte(f.source[from:to])
	for i, c := range line {
		switch {
		case c == '\t':
			line[i] = ' '
		case c < ' ' || c > '~':
			line[i] = '.'
		}
	}
	return string(line) + "\n" + strings.Repeat(" ", col-from) + "^"
}

// ParseError is the error of Parse: what is wrong with a file, in the order of
// the places. At least one Finding is an error; warnings stand between. It
// matches ras.ErrScriptSyntax.
type ParseError struct {
	Findings []Finding
}

// Error returns the first error and how many more there are.
func (e *ParseError) Error() string {
	errs := e.Errors()
	if len(errs) == 0 {
		return "script file has mistakes"
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

// How many findings one file gives at most.
const (
	maxErrors   = 20
	maxWarnings = 100
)

// findings collects what is found in one file.
type findings struct {
	file     string
	list     []Finding
	errors   int
	warnings int
}

// add records a finding unless its kind is full.
func (l *findings) add(sev Severity, at place, format string, args ...any) {
	n, limit := &l.errors, maxErrors
	if sev == SeverityWarning {
		n, limit = &l.warnings, maxWarnings
	}
	if *n >= limit {
		return
	}
	*n++
	l.list = append(l.list, Finding{
		File: l.file, Line: at.line, Col: at.col,
		Severity: sev, Text: fmt.Sprintf(format, args...), source: at.source,
	})
}

// sorted returns the findings in the order of their places.
func (l *findings) sorted() []Finding {
	slices.SortStableFunc(l.list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return l.list
}
