package lint

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rasline/rasline/ras"
)

// Severity is how much a Finding matters.
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

// Finding is what the parser of a script language reports about one place of a
// script.
type Finding struct {
	File     string // the name that was given to the parser; empty for words of a command line
	Line     int    // from 1; CR, LF and CR LF each end a line. Without a file, the number of the word
	Col      int    // from 1, in bytes
	Severity Severity
	Text     string // what is wrong and what to do, one line
	Source   string // the line of the script, for Excerpt; may be empty
}

// String returns "FILE:LINE:COL: SEVERITY: TEXT", or "argument N:COL: …" without
// a file.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Place(), f.Severity, f.Text)
}

// Place returns "FILE:LINE:COL", or "argument N:COL" without a file.
func (f Finding) Place() string {
	if f.File == "" {
		return fmt.Sprintf("argument %d:%d", f.Line, f.Col)
	}
	return fmt.Sprintf("%s:%d:%d", Visible(f.File), f.Line, f.Col)
}

// maxExcerpt is how many bytes of a long line Excerpt shows before and after
// the place.
const maxExcerpt = 100

// Excerpt returns the line of the script and, under it, a caret that points at
// the place: two lines without a line end after the second. A long line is
// shown in part. Bytes that are not valid UTF-8 are shown as ISO 8859-1, and
// control characters as spaces, so that any terminal can show the text.
func (f Finding) Excerpt() string {
	line, col := f.Source, max(0, min(f.Col-1, len(f.Source)))
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
	before := Plain(line[from:col], "")
	return before + Plain(line[col:to], "") + "\n" +
		strings.Repeat(" ", utf8.RuneCountInString(before)) + "^"
}

// ParseError is the error of the parsers of script languages: every finding of a
// script that cannot run, in the order of the places, warnings included. At
// least one Finding is an error. It matches ras.ErrScriptSyntax.
type ParseError struct {
	Findings []Finding
}

// Error returns the first error and how many more there are.
func (e *ParseError) Error() string {
	errs := e.Errors()
	if len(errs) == 0 {
		return "the script has errors"
	}
	s := errs[0].Place() + ": " + errs[0].Text
	switch more := len(errs) - 1; more {
	case 0:
	case 1:
		s += " (and 1 more error)"
	default:
		s += fmt.Sprintf(" (and %d more errors)", more)
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
