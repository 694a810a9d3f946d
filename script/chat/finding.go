package chat

import (
	"fmt"

	"github.com/rasline/rasline/internal/lint"
	"github.com/rasline/rasline/script"
)

// What Parse finds is told in the types of package script.
type (
	// Finding is something that Parse has to say about a place in a file.
	Finding = script.Finding

	// Severity says how much a Finding matters.
	Severity = script.Severity

	// ParseError is the error of Parse: what is wrong with a file, in the
	// order of the places. It matches ras.ErrScriptSyntax.
	ParseError = script.ParseError
)

// The severities. A script with an error does not run; one with warnings does.
const (
	SeverityError   = script.SeverityError
	SeverityWarning = script.SeverityWarning
)

// pos is the place of a word: line and column, or argument and column.
type pos struct{ line, col int }

func (p pos) in(file string) string { return Finding{File: file, Line: p.line, Col: p.col}.Place() }

// maxFindings bounds the findings of each severity; a script with that many is
// no chat script.
const maxFindings = 100

// findings collects what is found in one script.
type findings struct {
	lint.List
	file string
}

func newFindings(file string) *findings {
	return &findings{lint.List{MaxErrors: maxFindings, MaxWarnings: maxFindings}, file}
}

func (l *findings) add(s Severity, p pos, format string, args ...any) {
	l.Add(Finding{File: l.file, Line: p.line, Col: p.col, Severity: s, Text: fmt.Sprintf(format, args...)})
}

func (l *findings) warn(p pos, format string, args ...any) {
	l.add(SeverityWarning, p, format, args...)
}
