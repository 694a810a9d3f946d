package script

import (
	"time"

	"github.com/rasline/rasline/ras"
)

// State is a state that a connection has reached, or has failed in. Run, the
// dialler of package modem and whatever else sets a connection up report in this
// one form.
type State struct {
	// Conn is the state in RAS's terms. A failure has the state that was not
	// completed.
	Conn ras.ConnState

	// Text is for people: what is being done, the modem's result. May be empty.
	Text string

	// Err is why the state failed; nil when it is entered.
	Err error

	// Time is the moment, and Elapsed the time since the start of whatever
	// reports.
	Time    time.Time
	Elapsed time.Duration

	// Attempt counts the calls of a dialler from 1 on, and Number is what is
	// being dialled. 0 and empty before the first and where nothing is dialled.
	Attempt int
	Number  string
}
