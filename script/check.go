package script

import (
	"fmt"

	"github.com/rasline/rasline/ras"
)

// Checker is an Executor that can report before a run that it cannot work with
// the parameters of a call. The executors of the script languages are Checkers:
// they report a name, a password or a phone number that the script sends and
// that is not given.
//
// A program that dials calls Check before it does. Without the method, or the
// call of it, such a script fails with the same error when it is executed,
// before it sends anything itself, but after what ran before it.
type Checker interface {
	// Check returns the error with which Execute would refuse to run with the
	// parameters, or nil. A nil p means parameters without values. Check
	// has no effect and may be called any number of times.
	Check(p *ras.DialParams) error
}

// TerminalUser is an Executor that can report before a run that it fails without
// ras.Call.Terminal. A program that dials calls NeedsTerminal before it does; without
// the method, such a script fails when it gets to its terminal.
type TerminalUser interface {
	NeedsTerminal() bool
}

// MissingError is the cause of the failure of a script that uses a parameter of
// the call that is not given. It matches ras.ErrInvalidParameter.
type MissingError struct {
	Field string // of ras.DialParams: "UserName", "Password" or "PhoneNumber"
}

// Error returns what is missing and what to set.
func (e *MissingError) Error() string {
	text := map[string]string{
		"UserName":    "a user name is needed and none is given",
		"Password":    "a password is needed and none is given",
		"PhoneNumber": "a phone number is needed and none is given",
	}[e.Field]
	if text == "" {
		return fmt.Sprintf("%s is needed and not given", e.Field)
	}
	return text
}

// Unwrap returns ras.ErrInvalidParameter.
func (e *MissingError) Unwrap() error { return ras.ErrInvalidParameter }

// CheckParam returns a MissingError if the field of p is empty: "UserName",
// "Password" or "PhoneNumber". A Password with NoPassword is not missing. A nil
// p has no values.
func CheckParam(p *ras.DialParams, field string) error {
	if p == nil {
		p = new(ras.DialParams)
	}
	given := false
	switch field {
	case "UserName":
		given = p.UserName != ""
	case "Password":
		given = p.Password != "" || p.NoPassword
	case "PhoneNumber":
		given = p.PhoneNumber != ""
	}
	if given {
		return nil
	}
	return &MissingError{Field: field}
}
