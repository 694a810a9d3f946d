package port

import (
	"errors"
	"fmt"
	"strings"
)

// Lines is a set of modem lines, seen from the DTE: DTR and RTS are its
// outputs, the others its inputs (V.24 circuits 108/2, 105, 106, 107, 109 and
// 125).
type Lines uint8

// The modem lines.
const (
	DTR Lines = 1 << iota // data terminal ready
	RTS                   // request to send
	CTS                   // clear to send
	DSR                   // data set ready
	DCD                   // data carrier detect
	RI                    // ring indicator
)

// Outputs and Inputs divide the lines by who drives them.
const (
	Outputs = DTR | RTS
	Inputs  = CTS | DSR | DCD | RI
)

var lineNames = [...]string{"DTR", "RTS", "CTS", "DSR", "DCD", "RI"}

// Has reports whether all lines of mask are in l.
func (l Lines) Has(mask Lines) bool { return l&mask == mask }

// With returns l with the lines of mask taken from values.
func (l Lines) With(mask, values Lines) Lines { return l&^mask | values&mask }

// String names the lines in l, joined by "|"; the empty set is "none".
func (l Lines) String() string {
	var names []string
	for i, name := range lineNames {
		if l&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "|")
}

func outputsOnly(mask Lines) error {
	if in := mask &^ Outputs; in != 0 {
		return fmt.Errorf("%v cannot be set from this side: set only DTR and RTS: %w", in, errors.ErrUnsupported)
	}
	return nil
}
