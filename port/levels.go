package port

import "fmt"

// levels turns two levels into what SetLines takes.
func levels(dtr, rts Level) (mask, values Lines) {
	for _, l := range []struct {
		line  Lines
		level Level
	}{{DTR, dtr}, {RTS, rts}} {
		if l.level != Leave {
			mask |= l.line
		}
		if l.level == Assert {
			values |= l.line
		}
	}
	return mask, values
}

func outputsOnly(mask Lines) error {
	if in := mask &^ Outputs; in != 0 {
		return fmt.Errorf("%v cannot be set from this side: set only DTR and RTS", in)
	}
	return nil
}
