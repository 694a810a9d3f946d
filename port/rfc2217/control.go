package rfc2217

import (
	"context"
	"time"

	"github.com/rasline/rasline/port"
)

const defaultBreak = 250 * time.Millisecond

// SendBreak asks the server to begin a break (SET-CONTROL), waits for d, or for
// a quarter of a second if d is 0 or less, and asks it to end the break. The
// break is ended on every way out, and by the server when the connection ends.
func (p *Port) SendBreak(ctx context.Context, d time.Duration) (err error) {
	defer p.wrapResult("send break", &err)
	if err := ctx.Err(); err != nil {
		return err
	}
	if d <= 0 {
		d = defaultBreak
	}
	if err := p.acquire(ctx, p.breaks); err != nil {
		return err
	}
	defer p.breaks.release()
	p.mu.Lock()
	p.answers[itemBreak].known = false // of the break before
	p.mu.Unlock()
	err = p.ask(ctx, request{itemBreak, uint32(ctlBreakOn)})
	if err == nil {
		// A server that has no break answers that it is off.
		p.mu.Lock()
		refused := p.answers[itemBreak].known && p.answers[itemBreak].value == uint32(ctlBreakOff)
		p.mu.Unlock()
		if refused {
			return errNoBreak
		}
		limit, cancel := context.WithTimeout(ctx, d)
		err = p.await(limit, func() bool { return false })
		if ctx.Err() == nil && limit.Err() != nil {
			err = nil // the break has had its length
		}
		cancel()
	}
	off := request{itemBreak, uint32(ctlBreakOff)}
	if err != nil {
		p.send(off)
		return err
	}
	return p.ask(ctx, off)
}

// Discard asks the server to empty its queues (PURGE-DATA), and drops what was
// received before its acknowledgement if d has port.Input. On a plain Telnet
// port it drops what has arrived here and gives errors.ErrUnsupported, since the
// server's queues are out of reach.
func (p *Port) Discard(d port.Direction) (err error) {
	defer p.wrapResult("discard", &err)
	if err := d.Validate(); err != nil {
		return err
	}
	v := uint32(d)
	if v == 0 {
		return nil
	}
	if err := p.acquire(context.Background(), p.purges); err != nil {
		return err
	}
	defer p.purges.release()
	if d&port.Input != 0 {
		// What is received before the acknowledgement is dropped as well. That
		// makes room, so the acknowledgement is never held off.
		p.mu.Lock()
		p.purging = p.comPort
		p.dropInput()
		p.mu.Unlock()
	}
	err = p.ask(context.Background(), request{itemPurge, v})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.purging = false
	p.answers[itemPurge].want = request{} // an answer that arrives later drops nothing
	if d&port.Input != 0 && (p.cfg.IgnoreAcks || !p.comPort) {
		p.dropInput()
	}
	return err
}

// Suspend asks the server to stop sending data (FLOWCONTROL-SUSPEND, RFC 2217,
// section 5); notifications still arrive. There is no acknowledgement.
func (p *Port) Suspend() error { return p.wrap("suspend", p.silence(true)) }

// Resume ends what Suspend began (FLOWCONTROL-RESUME).
func (p *Port) Resume() error { return p.wrap("resume", p.silence(false)) }

func (p *Port) silence(on bool) error {
	if err := p.send(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silenced = on
	cmd := cmdResume
	switch {
	case on:
		cmd = cmdSuspend
	case p.overflow:
		return nil
	}
	if err := p.tc.Send(appendText(nil, cmd, "")...); err != nil {
		return &lostError{cause: err}
	}
	return nil
}

// Signature asks the server for its name and version, a text for people.
func (p *Port) Signature(ctx context.Context) (sig string, err error) {
	defer p.wrapResult("get signature", &err)
	p.mu.Lock()
	before := p.sigs
	p.mu.Unlock()
	// A signature has no acknowledgement; send checks that there is COM-PORT.
	if err := p.send(); err != nil {
		return "", err
	}
	if err := p.ended(p.tc.Send(appendText(nil, cmdSignature, "")...)); err != nil {
		return "", err
	}
	limit, cancel := context.WithTimeout(ctx, p.cfg.AckTimeout)
	defer cancel()
	p.startWaiting()
	defer p.endWaiting()
	err = p.await(limit, func() bool { sig = p.sig; return p.sigs != before })
	if err != nil && ctx.Err() == nil && limit.Err() != nil {
		return "", &ackError{commandNames[cmdSignature], p.cfg.AckTimeout}
	}
	return sig, err
}
