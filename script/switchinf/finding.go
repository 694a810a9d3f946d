package switchinf

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

// How many findings one file gives at most.
const (
	maxErrors   = 20
	maxWarnings = 100
)

// findings collects what is found in one file.
type findings struct {
	lint.List
	file string
}

func newFindings(file string) *findings {
	return &findings{lint.List{MaxErrors: maxErrors, MaxWarnings: maxWarnings}, file}
}

// add records a finding.
func (l *findings) add(sev Severity, at place, format string, args ...any) {
	l.Add(Finding{File: l.file, Line: at.line, Col: at.col,
		Severity: sev, Text: fmt.Sprintf(format, args...), Source: at.source})
}
