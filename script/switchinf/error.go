package switchinf

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Error is the failure of a script, or of File.Script. Its Op is the section in
// brackets, with the awaited responses as the file has them, its Line that of the response that fitted or else of the command, 0
// for the section as a whole. Its Code is
//
//	the code with the name of the keyword    a response ERROR_NAME=
//	ErrFromDevice                            a response ERROR= or one with an unknown name, and ERROR_DIAGNOSTICS=
//	ErrX25Diagnostic                         ERROR_DIAGNOSTICS= in a PAD's section
//	ErrRequestTimeout                        no expected response within Config.Timeout
//	ErrNoCarrier                             the carrier was lost, or the peer hung up
//	that of the context's cause              the run's context ended
//	ErrDevicenameNotFound, ErrScriptSyntax,
//	ErrInvalidParameter, ErrNotSupported,
//	ErrNoCommandFound                        refused before anything was sent: no such section, errors in it, a value
//	                                         that is missing, a file of modems, an empty section
//	its own code                             any other failure of the line
type Error struct {
	script.RunError

	Section string
	Keyword string // of the response that fitted: "ERROR_NO_CARRIER"; or ""

	// Diagnostics is the text for the user that ERROR_DIAGNOSTICS= took from
	// the response, or "".
	Diagnostics string
}

// Unwrap returns the RunError.
func (e *Error) Unwrap() error { return &e.RunError }

func (f *File) failure(section string, line int, code ras.Code, err error, tail string) *Error {
	return &Error{Section: section, RunError: script.RunError{
		File: f.name, Line: line, Op: "[" + section + "]", Tail: tail, Code: code, Err: err,
	}}
}

const shownDiagnostics = 200 // bytes in the message

// limitError reports that no expected response was received in time.
type limitError struct{ limit time.Duration }

func (e limitError) Error() string {
	return fmt.Sprintf("no expected response was received within %v", e.limit)
}

func (e limitError) Unwrap() error { return os.ErrDeadlineExceeded }

const firstCode, lastCode = 600, 999 // of Raserror.h

var codesByName = sync.OnceValue(func() map[string]ras.Code {
	m := make(map[string]ras.Code)
	for c := ras.Code(firstCode); c <= lastCode; c++ {
		if c.Known() {
			m[c.Name()] = c
		}
	}
	return m
})

var errorNames = sync.OnceValue(func() []string {
	return slices.Sorted(maps.Keys(codesByName()))
})
