package lint

import (
	"cmp"
	"slices"
)

// List collects findings up to a limit for each severity, so that a file that is
// not a script does not produce thousands.
type List struct {
	// MaxErrors and MaxWarnings bound what is kept. Default, and for 0: 20
	// errors and 100 warnings. Negative: none is kept.
	MaxErrors, MaxWarnings int

	all              []Finding
	errors, warnings int
}

const (
	defaultMaxErrors   = 20
	defaultMaxWarnings = 100
)

// Add keeps f unless there are enough of its severity.
func (l *List) Add(f Finding) {
	f.Text = Visible(f.Text)
	n, limit := &l.errors, l.maxErrors()
	if f.Severity == SeverityWarning {
		n, limit = &l.warnings, cmp.Or(l.MaxWarnings, defaultMaxWarnings)
	}
	if *n < limit {
		*n++
		l.all = append(l.all, f)
	}
}

func (l *List) maxErrors() int { return cmp.Or(l.MaxErrors, defaultMaxErrors) }

// Errors returns the number of errors that were kept.
func (l *List) Errors() int { return l.errors }

// Full reports whether no further error will be kept.
func (l *List) Full() bool { return l.errors >= l.maxErrors() }

// Close lets no further error in: what follows could only be wrong.
func (l *List) Close() { l.MaxErrors = cmp.Or(l.errors, -1) }

// ErrorOn reports whether an error was kept for the line.
func (l *List) ErrorOn(line int) bool {
	return slices.ContainsFunc(l.all, func(f Finding) bool {
		return f.Line == line && f.Severity == SeverityError
	})
}

// Sorted returns all findings in the order of their places.
func (l *List) Sorted() []Finding {
	slices.SortStableFunc(l.all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return l.all
}
