package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/port"
)

// recorded is a port whose traffic is recorded.
type recorded struct {
	port.Forward
	rec    *recording
	failed atomic.Bool // an error of the port was recorded
}

// Record returns p with everything that passes recorded by w, as a port of its
// own in the file. It has every optional ability that package port names; those
// that p lacks return errors.ErrUnsupported. The file has the last event of the
// port when it is closed, when Detach gives it away, or when w is closed, after
// which the port works on unrecorded. What SyscallConn is used for is not
// recorded.
//
// Hide of the returned port is that of w, and of p if it has one.
func Record(p port.Port, w *Writer) port.Port {
	f := port.Forward{Port: p}
	name := f.Name()
	if _, ok := p.(port.Named); !ok {
		name = "port"
	}
	name = portName(name)
	var mode string
	if m, err := f.Mode(); err == nil {
		mode = m.String()
	}
	lines, linesErr := f.Lines()
	stats, statsErr := f.Stats()

	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.ports[0]
	if r.below != nil {
		r = newRecording(w, uint32(len(w.ports)), w.unique(name))
		w.ports = append(w.ports, r)
	} else if w.cfg.Name == "" && !r.named {
		r.name = name
	}
	r.below, r.mode, r.named = p, mode, true
	r.stats, r.counts = stats, statsErr == nil
	if linesErr == nil {
		r.lines = lines
		w.pushLocked(event{rec: r, kind: LinesChanged}, nil)
	}
	w.arm(flushAfter) // for the interface block, and notes that have waited for the port
	if w.cfg.Watch && linesErr == nil && !w.closed {
		if c, ok := p.(port.LineController); ok {
			ctx, stop := context.WithCancel(context.Background())
			r.stop = stop
			go r.watch(ctx, c) // until endRecording calls stop, or the port fails
		}
	}
	return &recorded{Forward: f, rec: r}
}

// portName returns a name as a Reader returns it: of valid UTF-8 and not longer than
// maxName, with room for the number of unique.
func portName(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxName-16)], "\uFFFD")
}

// unique returns name, with a number if a port of the file has it already.
func (w *Writer) unique(name string) string {
	taken := func(name string) bool {
		for _, r := range w.ports {
			if r.name == name {
				return true
			}
		}
		return false
	}
	try := name
	for i := 2; taken(try); i++ {
		try = fmt.Sprintf("%s-%d", name, i)
	}
	return try
}

// push queues an event of the port.
func (p *recorded) push(e event, data []byte) {
	w := p.rec.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.rec.ended {
		return
	}
	e.rec, p.rec.active = p.rec, true
	w.pushLocked(e, data)
}

func (p *recorded) note(format string, args ...any) {
	p.push(event{kind: Note, note: fmt.Sprintf(format, args...)}, nil)
}

// Read reads from the port and records what has arrived.
func (p *recorded) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	if n > 0 {
		p.push(event{kind: Received}, b[:n])
	}
	if err != nil {
		p.fail(err)
	}
	return n, err
}

// fail notes the first error with which the port ends.
func (p *recorded) fail(err error) {
	if (errors.Is(err, port.ErrCarrierLost) || errors.Is(err, port.ErrRemoved)) && !p.failed.Swap(true) {
		p.note("the port has failed error=%q", err.Error())
	}
}

// Write writes to the port and records what it has accepted.
func (p *recorded) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return p.Port.Write(b)
	}
	x := p.begin(b)
	n, err := p.Port.Write(b)
	if x != nil {
		p.finish(x, b, n)
	}
	if err != nil {
		p.fail(err)
	}
	return n, err
}

// begin queues what is about to be sent, so that no answer can be in the file
// before it. Data of several events, which no queue position can be kept for, is
// recorded by finish alone.
func (p *recorded) begin(b []byte) *write {
	r, w := p.rec, p.rec.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.ended {
		return nil
	}
	r.active = true
	x := r.spare
	if r.spare = nil; x == nil {
		x = new(write)
	}
	if x.late = len(b) > maxData; x.late {
		r.late++
		return x
	}
	if !w.pushLocked(event{rec: r, kind: Sent, write: x}, b) {
		r.spare = x
		return nil
	}
	x.index = len(w.queue.events) - 1
	return x
}

// finish completes the event of a Write that has returned.
func (p *recorded) finish(x *write, b []byte, n int) {
	r, w := p.rec, p.rec.w
	w.mu.Lock()
	defer w.mu.Unlock()
	r.spare = x
	if x.late {
		r.late--
		if n > 0 && !r.ended {
			w.pushLocked(event{rec: r, kind: Sent}, b[:n])
		}
		if r.ending && r.late == 0 {
			r.endLocked()
		}
		return
	}
	e := &w.queue.events[x.index]
	e.write, e.n = nil, min(e.n, n)
	if e.n == 0 {
		*e = event{} // which process passes over
	}
}

// Close closes the port and ends its recording.
func (p *recorded) Close() error {
	p.rec.sampleStats()
	err := p.Port.Close()
	p.rec.endRecording()
	return err
}

// Hide masks text in the recording from now on, and in what the port underneath
// keeps.
func (p *recorded) Hide(text string) {
	p.rec.w.Hide(text)
	p.Forward.Hide(text)
}

// Detach gives the descriptor away and ends the recording.
func (p *recorded) Detach() (*os.File, error) {
	f, err := p.Forward.Detach()
	if err == nil {
		p.note("the descriptor was given to another program: what follows is not recorded")
		p.rec.endRecording()
	}
	return f, err
}

// SetMode sets the mode and notes it.
func (p *recorded) SetMode(m port.Mode) error {
	err := p.Forward.SetMode(m)
	if err != nil {
		return err
	}
	if now, err := p.Forward.Mode(); err == nil {
		p.note("mode mode=%v", now)
	}
	return nil
}

// Lines returns the modem lines, and records them if they have changed.
func (p *recorded) Lines() (port.Lines, error) {
	l, err := p.Forward.Lines()
	if err == nil {
		p.rec.seeLines(l)
	}
	return l, err
}

// SetLines sets modem lines and records what that made of them.
func (p *recorded) SetLines(mask, values port.Lines) error {
	err := p.Forward.SetLines(mask, values)
	if err == nil {
		p.Lines()
	}
	return err
}

// WaitLines waits for a change of modem lines and records it.
func (p *recorded) WaitLines(ctx context.Context, mask port.Lines) (port.Lines, error) {
	l, err := p.Forward.WaitLines(ctx, mask)
	if err == nil {
		p.rec.seeLines(l)
	}
	return l, err
}

// SendBreak sends a break and records it.
func (p *recorded) SendBreak(ctx context.Context, d time.Duration) error {
	err := p.Forward.SendBreak(ctx, d)
	if err == nil {
		p.push(event{kind: Break, out: true}, nil)
	}
	return err
}

// SetBreak begins or ends a break and records its begin.
func (p *recorded) SetBreak(on bool) error {
	err := p.Forward.SetBreak(on)
	if err == nil && on {
		p.push(event{kind: Break, out: true}, nil)
	}
	return err
}

// Stats returns the counts, and records line errors among them.
func (p *recorded) Stats() (port.Stats, error) {
	s, err := p.Forward.Stats()
	if err == nil {
		p.rec.sampleStats()
	}
	return s, err
}
