package lint

import (
	"cmp"
	"fmt"
	"slices"
)

// List collects findings up to a limit for each severity, so that a file that is
// not a script does not produce thousands.
type List struct {
	// MaxErrors and MaxWarnings bound what is kept. Default, and for 0: 20
	// errors and 100 warnings. Negative: none is kept.
	MaxErrors, MaxWarnings int

	all     []Finding
	kept    [2]int     // by severity
	dropped [2]int     // by severity
	cut     [2]Finding // the first that was dropped
	closed  bool
	stopped bool
}

const (
	defaultMaxErrors   = 20
	defaultMaxWarnings = 100
)

// Add keeps f unless there are enough of its severity. Those that are not kept
// are counted; see Sorted.
func (l *List) Add(f Finding) {
	f.Text = Visible(f.Text)
	limit := l.maxErrors()
	if f.Severity == SeverityWarning {
		limit = cmp.Or(l.MaxWarnings, defaultMaxWarnings)
	}
	s := f.Severity & 1
	switch {
	case len(l.all) > 0 && l.all[len(l.all)-1] == f: // twice for two reasons
	case l.kept[s] < limit:
		l.kept[s]++
		l.all = append(l.all, f)
	case s == SeverityError && l.closed:
	default:
		if l.dropped[s]++; l.dropped[s] == 1 {
			l.cut[s] = f
		}
	}
}

func (l *List) maxErrors() int { return cmp.Or(l.MaxErrors, defaultMaxErrors) }

// Errors returns the number of errors that were kept.
func (l *List) Errors() int { return l.kept[SeverityError] }

// Full reports whether no further error will be kept.
func (l *List) Full() bool { return l.Errors() >= l.maxErrors() }

// Close lets no further error in: what follows could only be wrong.
func (l *List) Close() { l.MaxErrors, l.closed = cmp.Or(l.Errors(), -1), true }

// Stop ends the check: no further error is kept, and Sorted reports that there
// may be more.
func (l *List) Stop() {
	l.Close()
	l.stopped = true
}

// ErrorOn reports whether an error was kept for the line.
func (l *List) ErrorOn(line int) bool {
	return slices.ContainsFunc(l.all, func(f Finding) bool {
		return f.Line == line && f.Severity == SeverityError
	})
}

// Sorted returns all findings in the order of their places. Where some were not
// kept, a warning at the end reports how many, at the place of the first of them.
func (l *List) Sorted() []Finding {
	all := slices.Clone(l.all)
	Sort(all)
	if i := len(all) - 1; l.stopped && i >= 0 {
		f := all[i]
		f.Severity, f.Text = SeverityWarning, "the check ends here: there may be more errors"
		all = append(all, f)
	}
	for s, n := range l.dropped {
		if n == 0 {
			continue
		}
		f := l.cut[s]
		f.Text = fmt.Sprintf("%d more %ss from here on are not listed", n, f.Severity)
		if n == 1 {
			f.Text = fmt.Sprintf("1 more %s here is not listed", f.Severity)
		}
		f.Severity = SeverityWarning
		all = append(all, f)
	}
	return all
}

// Sort puts findings in the order of their places.
func Sort(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}
