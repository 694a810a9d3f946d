package telnet

// Side specifies whose option is meant.
type Side uint8

// The two sides of a connection.
const (
	Us   Side = iota // our options: we send WILL and WONT, the peer sends DO and DONT
	Peer             // what the peer does: we send DO and DONT
)

// Options keeps the state of every option on both sides by the Q method of
// RFC 1143, section 7, with which no negotiation loops, whatever the peer
// sends. The zero Options refuses every option. It is for one goroutine.
type Options struct {
	table [2][256]option
}

// option is one option's state: what is in force or being asked for, the queue
// of at most one opposite request, and two facts for our own use.
type option uint8

const (
	no option = iota
	yes
	wantNo
	wantYes
	stateMask option = 3

	opposite option = 1 << 2 // the queue bit is OPPOSITE
	allowed  option = 1 << 3 // we agree when the peer wants it on
	refused  option = 1 << 4 // the peer has refused
)

// Allow makes Receive agree when the peer wants opt on that side.
func (o *Options) Allow(s Side, opts ...byte) {
	for _, opt := range opts {
		o.table[s][opt] |= allowed
	}
}

// Enabled reports whether opt is in force on that side.
func (o *Options) Enabled(s Side, opt byte) bool {
	return o.table[s][opt]&stateMask == yes
}

// Refused reports whether the peer has answered no, and not yes since.
func (o *Options) Refused(s Side, opt byte) bool {
	return o.table[s][opt]&refused != 0
}

// Settled reports whether no answer is awaited for opt on that side.
func (o *Options) Settled(s Side, opt byte) bool {
	st := o.table[s][opt] & stateMask
	return st == no || st == yes
}

// Request asks for opt to be on or off on that side and returns the verb to
// send, or 0 if nothing is to be sent now.
func (o *Options) Request(s Side, opt byte, on bool) (verb byte) {
	e := &o.table[s][opt]
	target, pending := no, wantNo
	if on {
		target, pending = yes, wantYes
	}
	switch st := *e & stateMask; {
	case st == target:
	case st == pending:
		*e &^= opposite
	case st == wantNo || st == wantYes:
		*e |= opposite
	default:
		e.set(pending)
		return ask(s, on)
	}
	return 0
}

// Receive takes one WILL, WONT, DO or DONT from the peer and returns the verb
// to answer with, or 0 for none.
func (o *Options) Receive(verb, opt byte) (reply byte) {
	s, on := Peer, verb == WILL
	if verb == DO || verb == DONT {
		s, on = Us, verb == DO
	}
	e := &o.table[s][opt]
	if on {
		*e &^= refused
		return e.agree(s)
	}
	*e |= refused
	return e.decline(s)
}

func (e *option) set(st option) { *e = *e&^(stateMask|opposite) | st }

// agree is RFC 1143's table for WILL, read for either side.
func (e *option) agree(s Side) (reply byte) {
	queued := *e&opposite != 0
	switch *e & stateMask {
	case no:
		if *e&allowed == 0 {
			return ask(s, false)
		}
		e.set(yes)
		return ask(s, true)
	case wantNo: // a no that is answered with a yes: the peer errs
		if queued {
			e.set(yes)
		} else {
			e.set(no)
		}
	case wantYes:
		if queued {
			e.set(wantNo)
			return ask(s, false)
		}
		e.set(yes)
	}
	return 0
}

// decline is RFC 1143's table for WONT, read for either side.
func (e *option) decline(s Side) (reply byte) {
	queued := *e&opposite != 0
	switch *e & stateMask {
	case yes:
		e.set(no)
		return ask(s, false)
	case wantNo:
		if queued {
			e.set(wantYes)
			return ask(s, true)
		}
		e.set(no)
	case wantYes:
		e.set(no)
	}
	return 0
}

// ask returns the verb that asks for, or answers about, an option.
func ask(s Side, on bool) byte {
	switch {
	case s == Us && on:
		return WILL
	case s == Us:
		return WONT
	case on:
		return DO
	default:
		return DONT
	}
}
