package chat

import (
	"fmt"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// pos is the place of a word: line and column, or argument and column.
type pos struct{ line, col int }

// maxFindings bounds the findings of each severity; a script with that many is
// no chat script.
const maxFindings = 100

// findings collects what is found in one script.
type findings struct {
	lint.List
	file  string
	lines []string // of the file, as chat(8) counts them: LF ends a line
}

func newFindings(file, text string) *findings {
	return &findings{
		List: lint.List{MaxErrors: maxFindings, MaxWarnings: maxFindings},
		file: file, lines: strings.Split(text, "\n"),
	}
}

func (l *findings) add(s lint.Severity, p pos, format string, args ...any) {
	l.Add(l.finding(s, p, format, args...))
}

func (l *findings) finding(s lint.Severity, p pos, format string, args ...any) lint.Finding {
	f := lint.Finding{File: l.file, Line: p.line, Col: p.col, Severity: s, Text: lint.Visible(fmt.Sprintf(format, args...))}
	if l.file != "" && p.line <= len(l.lines) {
		f.Source = strings.TrimSuffix(l.lines[p.line-1], "\r")
	}
	return f
}

func (l *findings) warn(p pos, format string, args ...any) {
	l.add(lint.SeverityWarning, p, format, args...)
}
