package capture

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// nearPort is the near end of a playback.
type nearPort struct {
	port.Forward
	play     *Playback
	sent     atomic.Int64  // bytes that were written
	deadline wait.Deadline // of writes
}

// compareLimit bounds how long a Write waits to be compared: the playback may be
// sending what nothing reads.
const compareLimit = 100 * time.Millisecond

// Near returns near, the other end of the line that p plays on, as a port that
// knows of the playback: without recorded times the Write that diverges from the
// recording fails, so that a script fails where it sends something else, also if
// it awaits no answer; and errors of a line that the playback has ended have the
// *DivergenceError. Hide is that of the Playback. The port has all abilities of
// near.
func (p *Playback) Near(near port.Port) port.Port {
	return &nearPort{Forward: port.Forward{Port: near}, play: p}
}

func (p *nearPort) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	return n, p.explain("read", err)
}

func (p *nearPort) Write(b []byte) (int, error) {
	n, err := p.Port.Write(b)
	sent := p.sent.Add(int64(n))
	if err == nil && n > 0 && p.play.cfg.Speed <= 0 {
		if !p.play.compared(sent, p.deadline.Done()) {
			n, err = 0, port.ErrCarrierLost // of a Write that has written all no error is seen
		}
	}
	return n, p.explain("write", err)
}

// SetDeadline sets the deadlines of near, and ends the comparison of writes too.
func (p *nearPort) SetDeadline(t time.Time) error {
	p.deadline.Set(t)
	return p.Port.SetDeadline(t)
}

// SetWriteDeadline sets the write deadline of near, and ends the comparison of
// writes too.
func (p *nearPort) SetWriteDeadline(t time.Time) error {
	p.deadline.Set(t)
	return p.Port.SetWriteDeadline(t)
}

func (p *nearPort) explain(op string, err error) error {
	if !errors.Is(err, port.ErrCarrierLost) {
		return err
	}
	if reason := p.play.Err(); reason != nil {
		return &port.OpError{Op: op, Port: p.Name(), Err: fmt.Errorf("%w: %w", port.ErrCarrierLost, reason)}
	}
	return err
}

// WaitLines waits as near does.
func (p *nearPort) WaitLines(ctx context.Context, mask port.Lines) (port.Lines, error) {
	l, err := p.Forward.WaitLines(ctx, mask)
	return l, p.explain("wait for lines", err)
}

// Hide masks text in the errors of the playback, and in what near keeps.
func (p *nearPort) Hide(text string) {
	p.play.Hide(text)
	p.Forward.Hide(text)
}

// idle notes that nothing more can be found out about what was received.
func (p *Playback) idle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = p.seen
	p.asked.Notify()
}

// compared waits until the first n bytes that the near side has sent are compared,
// as far as that is possible without those that follow, until the playback has
// ended, until the write deadline has passed, or for compareLimit. It reports whether
// all is as recorded so far.
func (p *Playback) compared(n int64, deadline <-chan struct{}) bool {
	limit := time.NewTimer(compareLimit)
	defer limit.Stop()
	for {
		p.mu.Lock()
		known, changed := p.known, p.asked.Changed()
		p.mu.Unlock()
		if known < n {
			select {
			case <-changed:
				continue
			case <-p.played:
			case <-deadline:
			case <-limit.C:
			}
		}
		return p.Err() == nil
	}
}
