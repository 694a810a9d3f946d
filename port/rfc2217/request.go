package rfc2217

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/rasline/rasline/port"
)

// item is a thing on the server that is set, or asked for, and acknowledged by
// itself.
type item uint8

const (
	itemBaud item = iota
	itemDataBits
	itemParity
	itemStopBits
	itemFlow
	itemFlowIn
	itemBreak
	itemDTR
	itemRTS
	itemPurge
	itemCount
)

// answer is what the server has answered about an item.
type answer struct {
	known bool   // value is the server's word
	value uint32 // as on the wire

	open  int // requests without an acknowledgement
	want  request
	state ackProgress // of want
}

// ackProgress is how far the acknowledgement of a request is.
//
//	            send       value wanted,     another value       timeout
//	                       or the last due   while others are due
//	acked       pending    -                 -                   -
//	pending     pending    acked             doubtful            error, or acked (IgnoreAcks)
//	doubtful    pending    acked             doubtful            acked: it was the answer
type ackProgress uint8

const (
	acked ackProgress = iota
	pending
	doubtful // a value was received that may answer an earlier request
)

// request asks the server to set an item, or with value 0 for what it is. For
// the items of SET-CONTROL the value is that command's.
type request struct {
	item  item
	value uint32
}

// items gives each item its command and the value that asks for it.
var items = [itemCount]struct {
	cmd byte
	ask uint32
}{
	itemBaud:     {cmdBaud, 0},
	itemDataBits: {cmdDataSize, 0},
	itemParity:   {cmdParity, 0},
	itemStopBits: {cmdStopSize, 0},
	itemFlow:     {cmdControl, uint32(ctlAskFlow)},
	itemFlowIn:   {cmdControl, uint32(ctlAskFlowIn)},
	itemBreak:    {cmdControl, uint32(ctlAskBreak)},
	itemDTR:      {cmdControl, uint32(ctlAskDTR)},
	itemRTS:      {cmdControl, uint32(ctlAskRTS)},
	itemPurge:    {cmdPurge, 0},
}

// query asks for an item.
func query(i item) request { return request{i, items[i].ask} }

// isQuery reports whether r asks and does not set.
func (r request) isQuery() bool { return r.value == items[r.item].ask }

// String names the command.
func (r request) String() string { return commandNames[items[r.item].cmd] }

// itemOf finds the item that a command from the server is about.
func itemOf(cmd, value byte) (item, bool) {
	switch cmd - fromServer {
	case cmdBaud:
		return itemBaud, true
	case cmdDataSize:
		return itemDataBits, true
	case cmdParity:
		return itemParity, true
	case cmdStopSize:
		return itemStopBits, true
	case cmdPurge:
		return itemPurge, true
	case cmdControl:
		return controlItem(value)
	}
	return 0, false
}

// controlItem finds the item that a value of SET-CONTROL is about.
func controlItem(v byte) (item, bool) {
	switch {
	case v <= ctlFlowRTS, v == ctlFlowDCD, v == ctlFlowDSR:
		return itemFlow, true
	case v <= ctlBreakOff:
		return itemBreak, true
	case v <= ctlDTROff:
		return itemDTR, true
	case v <= ctlRTSOff:
		return itemRTS, true
	case v <= ctlFlowInRTS, v == ctlFlowInDTR:
		return itemFlowIn, true
	}
	return 0, false
}

// acknowledgeItem notes the value v that the server has sent for item i. It
// reports true if what was received before is to be dropped. p.mu is held.
func (p *Port) acknowledgeItem(i item, v uint32) (purge bool) {
	a := &p.answers[i]
	waiting, was := a.state != acked, a.levels(i)
	// While earlier requests are unanswered, a value other than the wanted one may
	// be theirs, and the wait continues. Servers that answer a break, or a question
	// about a line, with the number of another request of that kind have answered.
	isAsk := v == items[i].ask
	if a.open > 0 {
		a.open--
		if a.open == 0 || v == a.want.value || a.want.isQuery() && !isAsk {
			a.open, a.state = 0, acked
		} else {
			a.state = doubtful
		}
	}
	if !isAsk {
		a.known, a.value = true, v
		p.changes.Count(uint8(was ^ a.levels(i)))
	}
	purge = i == itemPurge && waiting && a.state == acked && a.want.value&uint32(purgeInput) != 0
	if purge {
		p.purging = false
		p.dropInput()
	}
	return purge
}

// levels returns the output line that item i represents, if it is asserted.
func (a *answer) levels(i item) port.Lines {
	switch {
	case i == itemDTR && (!a.known || a.value == uint32(ctlDTROn)):
		return port.DTR
	case i == itemRTS && (!a.known || a.value == uint32(ctlRTSOn)):
		return port.RTS
	}
	return 0
}

// dropInput empties the queue. p.mu is held.
func (p *Port) dropInput() {
	p.in.Skip(p.in.Len())
	p.signalSpace()
}

// ask sends requests in one piece and waits until each has been acknowledged.
// The caller holds the semaphore of every item.
func (p *Port) ask(ctx context.Context, reqs ...request) error {
	if err := p.send(reqs...); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, p.cfg.AckTimeout)
	defer cancel()
	p.startWaiting()
	defer p.endWaiting()
	err := p.await(limit, func() bool {
		return !slices.ContainsFunc(reqs, func(r request) bool { return p.answers[r.item].state != acked })
	})
	if err == nil || ctx.Err() != nil || limit.Err() == nil {
		return err
	}
	// End the wait for acknowledgements that did not arrive in time. A
	// value that was received and was not the wanted one is the answer after all.
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range reqs {
		a := &p.answers[r.item]
		switch {
		case a.state == acked:
		case a.state == doubtful:
			a.open, a.state = 0, acked
		case p.cfg.IgnoreAcks:
			a.open, a.state = 0, acked
			if !r.isQuery() {
				a.known, a.value = true, r.value
			}
		case p.in.Room() == 0:
			return fmt.Errorf("no acknowledgement of %v within %v, the input queue is full: read from the port first", r, p.cfg.AckTimeout)
		default:
			err := error(&ackError{r.String(), p.cfg.AckTimeout})
			if r.item == itemPurge && r.value&uint32(purgeOutput) != 0 {
				err = fmt.Errorf("%v, which cannot purge output under way: %w", err, errors.ErrUnsupported)
			}
			return err
		}
	}
	return nil
}

// send marks requests as open and sends them.
func (p *Port) send(reqs ...request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return net.ErrClosed
	case p.lost != nil:
		return p.lost
	case !p.comPort:
		return errNoComPort
	}
	var b []byte
	for _, r := range reqs {
		a := &p.answers[r.item]
		a.open++
		a.want, a.state = r, pending
		if r.item == itemBaud {
			b = appendBaud(b, cmdBaud, r.value)
		} else {
			b = appendByte(b, items[r.item].cmd, byte(r.value))
		}
	}
	p.watchdog.start()
	if err := p.tc.Send(b...); err != nil {
		return &lostError{cause: err}
	}
	return nil
}
