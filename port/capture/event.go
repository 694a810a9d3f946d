package capture

import (
	"fmt"
	"strconv"
	"time"

	"github.com/rasline/rasline/port"
)

// Kind is what an event reports.
type Kind uint8

// The kinds of events. The comment names the event type of LINKTYPE_RTAC_SERIAL
// that each has in the file.
const (
	Note         Kind = iota // a comment alone (STATUS_CHANGE with a comment)
	Sent                     // bytes that were written to the port (DATA_TX_START)
	Received                 // bytes that were read from the port (DATA_RX_START)
	LinesChanged             // a modem line has changed (STATUS_CHANGE)
	Break                    // a break was received, or sent (SERIAL_BREAK_EVENT)
	Framing                  // a character without a valid stop bit (FRAMING_ERROR)
	Parity                   // a character with the wrong parity (PARITY_ERROR)
	Overflow                 // a character was lost in the device or its driver (SERIAL_OVERFLOW_EVENT)
	Lost                     // the recording lacks events here (CAPTURE_DATA_LOST)
	End                      // the recording of the port ends (CAPTURE_COMPLETE)
)

var kindNames = [...]string{"note", "sent", "received", "lines", "break", "framing error", "parity error", "overflow", "lost", "end"}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Event is one event of a recording.
type Event struct {
	Time time.Time // of its arrival
	Port int       // index of the port in Reader.Ports
	Kind Kind      // what it reports
	Data []byte    // of Sent and Received; secrets are eight asterisks
	Out  bool      // of Break: it was sent

	Lines   port.Lines // the modem lines at that time, as far as they are known
	Note    string     // the comments of the event, joined by line ends
	Secrets []Span     // where Data was masked
}

// Span is a part of the data of an event.
type Span struct {
	Offset, Len int
}

// Mask replaces a secret in the data, whatever its length.
const Mask = "********"

// FormatError reports a file that is no recording, is cut off, or is damaged. A
// file that is cut off matches io.ErrUnexpectedEOF.
type FormatError struct {
	Offset int64 // of the block in the file, in bytes
	Err    error
}

// Error names the offset.
func (e *FormatError) Error() string {
	return fmt.Sprintf("capture: at offset %d: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// WriteError reports what a recording lacks.
type WriteError struct {
	Lost uint64 // events that are not in the file
	Err  error  // of the io.Writer, or nil if events were dropped to spare the line
}

// Error names the number of events.
func (e *WriteError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("capture: %d events lost: the recording could not be written as fast as they arrived", e.Lost)
	}
	return fmt.Sprintf("capture: the recording is incomplete, %d events lost: %v", e.Lost, e.Err)
}

// Unwrap returns the error of the io.Writer.
func (e *WriteError) Unwrap() error { return e.Err }
