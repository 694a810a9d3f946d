// Package lint collects what the parsers of script languages find.
package lint

import (
	"cmp"
	"slices"

	"github.com/rasline/rasline/script"
)

// List collects findings up to a limit for each severity, so that a file that is
// no script at all does not give thousands. The zero List keeps nothing.
type List struct {
	MaxErrors, MaxWarnings int

	all              []script.Finding
	errors, warnings int
}

// Add keeps f unless there are enough of its severity.
func (l *List) Add(f script.Finding) {
	n, limit := &l.errors, l.MaxErrors
	if f.Severity == script.SeverityWarning {
		n, limit = &l.warnings, l.MaxWarnings
	}
	if *n < limit {
		*n++
		l.all = append(l.all, f)
	}
}

// Errors returns the number of errors that were kept.
func (l *List) Errors() int { return l.errors }

// Full reports whether no further error will be kept.
func (l *List) Full() bool { return l.errors >= l.MaxErrors }

// ErrorOn reports whether an error was kept for the line.
func (l *List) ErrorOn(line int) bool {
	return slices.ContainsFunc(l.all, func(f script.Finding) bool {
		return f.Line == line && f.Severity == script.SeverityError
	})
}

// Sorted returns all findings in the order of their places.
func (l *List) Sorted() []script.Finding {
	slices.SortStableFunc(l.all, func(a, b script.Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return l.all
}
