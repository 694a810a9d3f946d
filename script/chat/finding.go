package chat

import (
	"cmp"
	"fmt"
	"slices"

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

// Finding is something that a parser has to say about a place in a script.
type Finding struct {
	File     string // the name given to ParseFile; empty for arguments
	Line     int    // from 1; of arguments the number of the argument
	Col      int    // from 1, in bytes
	Severity Severity
	Text     string // what is wrong and what to do, one line
}

// String returns "FILE:LINE:COL: SEVERITY: TEXT", or "argument N:COL: …".
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.place(), f.Severity, f.Text)
}

func (f Finding) place() string { return pos{f.Line, f.Col}.in(f.File) }

// pos is the place of a word: line and column, or argument and column.
type pos struct{ line, col int }

func (p pos) in(file string) string {
	if file == "" {
		return fmt.Sprintf("argument %d:%d", p.line, p.col)
	}
	return fmt.Sprintf("%s:%d:%d", file, p.line, p.col)
}

// ParseError is the error of ParseFile: everything that is wrong with a script,
// in the order of the places, and the warnings between. It matches
// ras.ErrScriptSyntax.
type ParseError struct {
	Findings []Finding // at least one of them is an error
}

// Error returns the first error and how many more there are.
func (e *ParseError) Error() string {
	errs := e.Errors()
	if len(errs) == 0 {
		return "chat: the script has mistakes"
	}
	s := fmt.Sprintf("chat: %s: %s", errs[0].place(), errs[0].Text)
	if more := len(errs) - 1; more > 0 {
		s += fmt.Sprintf(" (and %d more)", more)
	}
	return s
}

// Errors returns the findings that are errors.
func (e *ParseError) Errors() []Finding {
	return slices.DeleteFunc(slices.Clone(e.Findings), func(f Finding) bool {
		return f.Severity != SeverityError
	})
}

// Unwrap returns ras.ErrScriptSyntax.
func (e *ParseError) Unwrap() error { return ras.ErrScriptSyntax }

// maxFindings bounds the findings of each severity; a script with that many is
// no chat script.
const maxFindings = 100

// findings collects what is found in one script.
type findings struct {
	file  string
	list  []Finding
	count [2]int // by severity
}

func (l *findings) add(s Severity, p pos, format string, args ...any) {
	if l.count[s] == maxFindings {
		return
	}
	l.count[s]++
	l.list = append(l.list, Finding{
		File: l.file, Line: p.line, Col: p.col, Severity: s, Text: fmt.Sprintf(format, args...),
	})
}

func (l *findings) warn(p pos, format string, args ...any) {
	l.add(SeverityWarning, p, format, args...)
}

// sorted returns the findings in the order of their places.
func (l *findings) sorted() []Finding {
	slices.SortStableFunc(l.list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return l.list
}
