package capture

import (
	"bytes"
	"fmt"
	"time"
)

// DivergenceError reports where the near side of a playback did something else
// than the recording has.
type DivergenceError struct {
	Event  int           // number of the event in the recording, from 1; all ports count
	Offset int64         // of its block in the file
	Time   time.Time     // of the event
	After  time.Duration // since the first event of the port
	Want   string        // what the recording has from there on
	Got    string        // what was received instead; secrets given to Hide are masked
	Ended  bool          // the near side closed the line instead

	// Connected is whether the script of the recording had ended before: a note has
	// the state RASCS_Connected, or what was to be sent is a PPP frame. What follows is
	// the use of the connection and its hang-up.
	Connected bool
}

// Error shows the place in the recording and both sides.
func (e *DivergenceError) Error() string {
	place := fmt.Sprintf("the recording diverges at event %d (offset %d, after %v)", e.Event, e.Offset, e.After.Round(time.Millisecond))
	switch {
	case e.Ended:
		return fmt.Sprintf("%s: it goes on with %q sent, and the line was closed", place, e.Want)
	case e.Want == "":
		return fmt.Sprintf("%s: nothing more is sent there, and %q was sent", place, e.Got)
	}
	return fmt.Sprintf("%s: %q is sent there, and %q was sent", place, e.Want, e.Got)
}

// pppFlag is the byte that PPP frames begin with (RFC 1662, section 3.1).
const pppFlag = 0x7E

// diverges returns the error for bytes that were received where the recording
// has want.
func (p *Playback) diverges(want string, got []byte) error {
	before := p.event.Data[:min(p.accepted, len(p.event.Data))]
	shown := string(p.masker.Mask(append(bytes.Clone(before), got...), true))
	return p.at(&DivergenceError{Want: cut(string(before) + want), Got: cut(shown)})
}

func (p *Playback) at(e *DivergenceError) error {
	e.Event, e.Offset, e.Time, e.After = p.number, p.offset, p.event.Time, p.event.Time.Sub(p.first)
	e.Connected = p.connected || p.event.Kind == Sent && bytes.HasPrefix(p.event.Data, []byte{pppFlag})
	return e
}

func cut(s string) string {
	if len(s) > maxShown {
		return s[:maxShown] + "…"
	}
	return s
}

// PortError reports a recording of several ports of which none was chosen, or one
// without the port that was.
type PortError struct {
	Name  string // the port that was chosen; empty: none
	Ports []PortInfo
}

// Error names the ports.
func (e *PortError) Error() string {
	var names []string
	for _, p := range e.Ports {
		names = append(names, fmt.Sprintf("%q", p.Name))
	}
	switch {
	case len(e.Ports) == 0:
		return "capture: the recording has no port"
	case e.Name == "":
		return fmt.Sprintf("capture: the recording is of several ports: name one of %v", names)
	}
	return fmt.Sprintf("capture: the recording has no port %q: name one of %v", e.Name, names)
}
