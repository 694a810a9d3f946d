package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// PlayConfig holds the settings of Play. The zero PlayConfig and a nil one work.
type PlayConfig struct {
	// Port is the name of the port that is played. Default: the only one; a
	// recording of several ports needs the name.
	Port string

	// Speed is how fast the recorded times pass: 1 as recorded, 2 twice as fast.
	// Default, and for 0 or less: no time passes, and what the peer sent follows
	// immediately what it had received.
	Speed float64

	// Hold keeps the line up and silent after the last event, until the port or
	// the Playback is closed, and ignores what the near end sends after the last
	// data of the recording. Default: the far port is closed, which the near end
	// sees as the loss of the carrier.
	Hold bool
}

// Playback plays the recorded peer of a line. Its methods may be called from
// several goroutines.
type Playback struct {
	far    port.Port
	r      *Reader
	cfg    PlayConfig
	masker mask.Masker
	stop   context.CancelFunc
	ctx    context.Context
	played chan struct{} // closed when all events were played
	done   chan struct{}

	// Used by the goroutine of the Playback alone.
	number   int // of the event, from 1
	event    Event
	offset   int64     // of its block in the file
	first    time.Time // of the recording
	last     time.Time // of the event before
	lines    port.Lines
	hidden   bool // a secret is being received
	accepted int  // bytes of the event that were accepted
	early    int  // bytes of in that were there when the last data was played

	connected bool // a note had the state RASCS_Connected

	mu    sync.Mutex    // guards what follows; the channels need no lock
	in    []byte        // received and not compared yet
	total int64         // bytes that were received
	seen  int64         // of them, those that the goroutine of the Playback has read
	known int64         // and compared as far as is possible without more
	asked wait.Notifier // of known
	ended bool          // the near side has closed the line
	err   error
	news  chan struct{} // of capacity 1: in or ended has changed
	room  chan struct{} // of capacity 1: in has become shorter
}

const (
	// maxAhead bounds what the near side may send before it is compared.
	maxAhead = 64 << 10

	// maxHidden bounds what is accepted for a secret.
	maxHidden = 4 << 10

	// maxShown bounds what an error shows of either side.
	maxShown = 64
)

// Play plays the peer of a recorded line on far, in a goroutine of its own: it
// sends what was received in the recording, as soon as all has been received that
// was sent before it, and compares what it receives with what was sent. Where a
// secret was masked, any bytes are accepted. Modem lines are played on a
// port.LineDriver, or on a null-modem cable's port.LineController as far as DTR
// and RTS make them, and received breaks on a port.Breaker; a fall or rise of the
// near side's DTR is awaited before what followed it, unless bytes arrive first.
//
// The first difference ends the playback: Err returns a *DivergenceError and far
// is closed. After the last event far is closed too, unless cfg.Hold is set. A
// recording that is cut off ends where it is cut. far belongs to the Playback. A
// nil cfg means the zero PlayConfig. The Playback reads r while it runs.
func Play(far port.Port, r *Reader, cfg *PlayConfig) *Playback {
	p := &Playback{far: far, r: r, played: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	if cfg != nil {
		p.cfg = *cfg
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	// One goroutine reads until far fails. The other one plays, then closes far and
	// waits for the first; it ends with the recording, or when Close calls stop.
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		buf := make([]byte, 4096)
		for {
			n, err := far.Read(buf)
			p.mu.Lock()
			p.in = append(p.in, buf[:n]...)
			p.total += int64(n)
			p.ended = err != nil
			full := len(p.in) >= maxAhead
			p.mu.Unlock()
			signal(p.news)
			if err != nil {
				return
			}
			if full {
				select {
				case <-p.room:
				case <-p.ctx.Done():
					return
				}
			}
		}
	}()
	go func() {
		defer close(p.done)
		err := p.run()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.played)
		for more := err == nil && p.cfg.Hold; more; { // what is sent is ignored until the line is closed
			in, ended := p.received()
			p.consume(len(in))
			more = !ended && p.await()
		}
		p.stop()
		far.Close()
		<-reading
	}()
	return p
}

// Done is closed when the playback has ended and far is closed.
func (p *Playback) Done() <-chan struct{} { return p.done }

// Err returns a *DivergenceError if the near side did something else than the
// recording has, the error of the recording if it cannot be read, and nil
// otherwise, also while the playback runs.
func (p *Playback) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Close ends the playback, closes far and returns Err. It waits for a second for
// what the near side has sent to be compared. If that is less than the recording
// has, Err is a *DivergenceError.
func (p *Playback) Close() error {
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	select {
	case <-p.played:
	case <-limit.C:
	}
	p.stop()
	p.far.SetDeadline(time.Unix(1, 0))
	<-p.done
	return p.Err()
}

// Hide masks text in the errors of the playback: what the near side sends instead
// of what it should may be a password.
func (p *Playback) Hide(text string) { p.masker.Add(text) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// received returns what was received and not compared yet, and whether nothing
// can follow.
func (p *Playback) received() (in []byte, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = p.total
	return p.in, p.ended || p.ctx.Err() != nil
}

// consume drops the first n bytes that were received.
func (p *Playback) consume(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in = append(p.in[:0], p.in[n:]...)
	signal(p.room)
}

// await waits for news of the near side, and reports whether there can be any.
func (p *Playback) await() bool {
	p.idle()
	select {
	case <-p.news:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// errEnded ends a playback whose near side has closed the line.
var errEnded = errors.New("the line was closed")

// run plays all events.
func (p *Playback) run() error {
	index := -1
	for {
		p.offset = p.r.Offset()
		e, err := p.r.Next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
		p.number++
		if index < 0 || e.Port != index {
			// The one port of the recording is played, or that of the name.
			ports := p.r.Ports()
			if p.cfg.Port == "" && len(ports) > 1 {
				return &PortError{Ports: ports}
			}
			if index >= 0 || p.cfg.Port != "" && ports[e.Port].Name != p.cfg.Port {
				continue
			}
			index, p.first, p.last = e.Port, e.Time, e.Time
		}
		p.event, p.accepted = e, 0
		if err := p.play(); err == errEnded {
			return p.leftover(index)
		} else if err != nil {
			return err
		}
		p.last = e.Time
	}
	if index < 0 && p.cfg.Port != "" {
		return &PortError{Name: p.cfg.Port, Ports: p.r.Ports()}
	}
	in, _ := p.received()
	if p.cfg.Hold {
		in = in[:p.early] // the rest may be an answer to the last data
	}
	if len(in) > 0 && !p.hidden && p.number > 0 {
		p.event.Data, p.accepted = nil, 0
		return p.diverges("", in)
	}
	if d, ok := p.far.(port.Drainer); ok {
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		d.Drain(ctx)
	}
	return nil
}

// play plays one event.
func (p *Playback) play() error {
	switch e := &p.event; e.Kind {
	case Sent:
		return p.compare()
	case Received:
		if err := p.pause(); err != nil {
			return err
		}
		p.mu.Lock()
		p.early = len(p.in)
		p.mu.Unlock()
		if _, err := p.far.Write(e.Data); err != nil {
			return errEnded
		}
	case LinesChanged:
		return p.playLines()
	case Break:
		b, ok := p.far.(port.Breaker)
		if !ok || e.Out {
			return nil
		}
		if err := p.pause(); err != nil {
			return err
		}
		if err := b.SendBreak(p.ctx, 0); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return errEnded
		}
	case End:
		return p.pause()
	case Note:
		p.connected = p.connected || isConnected(e.Note)
	case Lost:
		return &FormatError{p.offset, fmt.Errorf("the recording lacks events here (%s): it cannot be played further", e.Note)}
	}
	return nil
}

// pause waits for the recorded time since the event before.
func (p *Playback) pause() error {
	if p.cfg.Speed <= 0 {
		return nil
	}
	d := float64(p.event.Time.Sub(p.last)) / p.cfg.Speed
	if !(d > 0) { // a Speed that is no number included
		return nil
	}
	t := time.NewTimer(time.Duration(min(d, 1<<62))) // what is longer cannot be converted
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.ctx.Done():
		return errEnded
	}
}

// compare receives what the event has sent.
func (p *Playback) compare() error {
	p.early = 0
	data, at := p.event.Data, 0
	for _, s := range p.event.Secrets {
		if err := p.literal(data[at:s.Offset]); err != nil {
			return err
		}
		p.hidden, at = true, s.Offset+s.Len
		for {
			in, ended := p.received()
			if len(in) > 0 {
				break
			}
			if ended || !p.await() {
				return errEnded
			}
		}
		p.accepted = at
	}
	return p.literal(data[at:])
}

// literal receives text. After a secret any bytes may precede it.
func (p *Playback) literal(text []byte) error {
	for len(text) > 0 {
		in, ended := p.received()
		if p.hidden {
			i := bytes.Index(in, text)
			if i >= 0 {
				p.consume(i + len(text))
				p.accepted += len(text)
				p.hidden = false
				return nil
			}
			if len(in) > maxHidden+len(text) {
				return p.diverges(string(text), in)
			}
		} else {
			n := 0
			for n < min(len(in), len(text)) && in[n] == text[n] {
				n++
			}
			p.accepted += n
			if n < min(len(in), len(text)) {
				return p.diverges(string(text[n:]), in[n:])
			}
			p.consume(n)
			if text = text[n:]; n > 0 {
				continue
			}
		}
		if ended || !p.await() {
			return errEnded
		}
	}
	return nil
}

// playLines drives the modem lines that have changed, and waits for the near
// side's DTR to change as it did.
func (p *Playback) playLines() error {
	was, now := p.lines, p.event.Lines
	first := was == 0
	p.lines = now
	c, isLines := p.far.(port.LineController)
	if isLines && !first && was.Has(port.DTR) != now.Has(port.DTR) {
		if err := p.awaitDTR(c, now.Has(port.DTR)); err != nil {
			return err
		}
	}
	if (was^now)&port.Inputs == 0 {
		return nil
	}
	if err := p.pause(); err != nil {
		return err
	}
	if d, ok := p.far.(port.LineDriver); ok {
		d.Drive(port.Inputs, now)
		return nil
	}
	if isLines { // of a null-modem cable
		var set port.Lines
		if now.Has(port.DSR) && (now.Has(port.DCD) || !was.Has(port.DCD)) {
			set |= port.DTR
		}
		if now.Has(port.CTS) {
			set |= port.RTS
		}
		c.SetLines(port.DTR|port.RTS, set)
	}
	return nil
}

// awaitDTR waits until the near side's DTR, which is DSR here, is as given. It
// does not insist: bytes that arrive end the wait.
func (p *Playback) awaitDTR(c port.LineController, on bool) error {
	ctx, cancel := context.WithCancel(p.ctx)
	changed := make(chan struct{})
	go func() { // ends with the wait, by cancel at the latest
		defer close(changed)
		lines, err := c.Lines()
		for err == nil && lines.Has(port.DSR) != on {
			wait, stop := context.WithTimeout(ctx, 100*time.Millisecond) // a change between two waits is not seen
			lines, err = c.WaitLines(wait, port.DSR)
			if err != nil && wait.Err() != nil && ctx.Err() == nil {
				lines, err = c.Lines()
			}
			stop()
		}
	}()
	defer func() {
		cancel()
		<-changed
	}()
	for {
		in, ended := p.received()
		switch {
		case ended:
			return errEnded
		case len(in) > 0 && !p.hidden:
			return nil
		}
		p.idle()
		select {
		case <-changed:
			return nil
		case <-p.news:
		case <-p.ctx.Done():
			return errEnded
		}
	}
}

// leftover returns an error if the recording has more that the near side, which
// has closed the line, should have sent.
func (p *Playback) leftover(index int) error {
	for {
		if e := &p.event; e.Port == index && e.Kind == Sent && p.accepted < len(e.Data) {
			return p.at(&DivergenceError{Want: cut(string(e.Data[p.accepted:])), Ended: true})
		}
		p.offset = p.r.Offset()
		e, err := p.r.Next()
		if err != nil {
			return nil
		}
		p.number++
		p.event, p.accepted = e, 0
		p.connected = p.connected || e.Kind == Note && isConnected(e.Note)
	}
}

// isConnected reports whether a note has the state that follows the last script.
func isConnected(note string) bool { return strings.Contains(note, "state=RASCS_Connected") }
