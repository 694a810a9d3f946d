package script

import "github.com/rasline/rasline/script/lint"

// The types of package lint, in which the parsers of this module report what
// they find.
type (
	Finding    = lint.Finding
	Severity   = lint.Severity
	ParseError = lint.ParseError
)

// The severities of package lint.
const (
	SeverityError   = lint.SeverityError
	SeverityWarning = lint.SeverityWarning
)
