package modem

import "github.com/rasline/rasline/ras"

// Outcome is what a modem's result code means.
type Outcome uint8

// The outcomes.
const (
	// Unknown is a text that is no known result code.
	Unknown Outcome = iota

	OK          // the command was obeyed
	Connect     // the call is there, and the modem is online
	Ring        // an incoming call
	NoCarrier   // no carrier was detected, or it was lost
	Failed      // ERROR: the modem does not know the command or refuses it
	NoDialtone  // no dial tone was detected
	Busy        // the called line is engaged
	NoAnswer    // the call was not answered
	Voice       // a person answered
	Delayed     // the modem must not call this number again so soon
	Blacklisted // the modem must not call this number any more
	Ongoing     // the call makes progress: RINGING, CARRIER 33600 and the like

	// TimedOut is no result code: none arrived within the limit.
	TimedOut
)

// outcomes holds each outcome's name, its RAS code and a sentence for people.
var outcomes = [...]struct {
	name string
	code ras.Code
	text string
}{
	Unknown:     {"UNKNOWN", ras.ErrUnrecognizedResponse, "the modem's answer is not known: add it to Config.Results"},
	OK:          {"OK", ras.ErrUnexpectedResponse, "the modem answers OK where a connection was expected"},
	Connect:     {"CONNECT", ras.Success, "connected"},
	Ring:        {"RING", ras.ErrUnexpectedResponse, "the line rings: an incoming call at the same time"},
	NoCarrier:   {"NO CARRIER", ras.ErrNoCarrier, "no carrier: no answer, or no modem at the peer"},
	Failed:      {"ERROR", ras.ErrFromDevice, "the modem refuses the command"},
	NoDialtone:  {"NO DIALTONE", ras.ErrNoDialtone, "no dial tone: check the telephone cable"},
	Busy:        {"BUSY", ras.ErrLineBusy, "the line called is busy: try again later"},
	NoAnswer:    {"NO ANSWER", ras.ErrNoAnswer, "no answer"},
	Voice:       {"VOICE", ras.ErrVoiceAnswer, "a person answers: check the number"},
	Delayed:     {"DELAYED", ras.ErrTempfailure, "the modem must wait before it may call this number again"},
	Blacklisted: {"BLACKLISTED", ras.ErrBlocked, "the modem may not call this number any more after too many failures"},
	Ongoing:     {"PROGRESS", ras.ErrUnexpectedResponse, "the call makes progress"},
	TimedOut:    {"TIMEOUT", ras.ErrRequestTimeout, "the modem gives no result"},
}

func (o Outcome) known() Outcome {
	if int(o) >= len(outcomes) {
		return Unknown
	}
	return o
}

// String returns the verbose result code, such as "NO CARRIER", and "UNKNOWN",
// "PROGRESS" or "TIMEOUT" for those that are none.
func (o Outcome) String() string { return outcomes[o.known()].name }

// Code returns the RAS code of a dial attempt that ended so:
//
//	Connect      Success                  0
//	NoCarrier    ErrNoCarrier             679
//	Busy         ErrLineBusy              676
//	NoAnswer     ErrNoAnswer              678
//	NoDialtone   ErrNoDialtone            680
//	Voice        ErrVoiceAnswer           677
//	Failed       ErrFromDevice            651
//	Delayed      ErrTempfailure           774
//	Blacklisted  ErrBlocked               775
//	TimedOut     ErrRequestTimeout        638
//	OK, Ring,
//	Ongoing      ErrUnexpectedResponse    702
//	Unknown      ErrUnrecognizedResponse  652
func (o Outcome) Code() ras.Code { return outcomes[o.known()].code }

// Explain returns what the outcome means and, where there is something, what
// to do about it.
func (o Outcome) Explain() string { return outcomes[o.known()].text }
