package capture

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/port"
)

// recording is what a Writer knows of one port.
type recording struct {
	w     *Writer
	index uint32
	below port.Port // nil: none was given to Record yet

	// Guarded by Writer.mu.
	name   string
	mode   string
	named  bool       // the interface block may be written
	lines  port.Lines // as they were known last
	stats  port.Stats
	counts bool // the port counts line errors
	ended  bool // End was queued
	active bool // something was queued since the last sample
	stop   context.CancelFunc
	spare  *write // for the next Write
	late   int    // Writes that are recorded when they return
	ending bool   // End follows them

	// Guarded by Writer.out.
	described bool // the interface block was written
	streams   [2]*mask.Stream
	next      [2]int // for each stream: index in held of the event with its next byte
	held      []heldEvent
	old       []heldEvent // for reuse
}

// heldEvent is an event whose bytes are not all known to be shown or hidden, or
// one behind such an event.
type heldEvent struct {
	event
	data    []byte // masked, as far as it is decided
	spans   []Span
	left    int  // bytes that are not decided
	emptied bool // it had data
}

func newRecording(w *Writer, index uint32, name string) *recording {
	return &recording{w: w, index: index, name: name, streams: [2]*mask.Stream{w.masker.Stream(), w.masker.Stream()}}
}

// way returns the index of the stream of an event with data.
func way(k Kind) int {
	if k == Received {
		return 1
	}
	return 0
}

// add takes an event from the queue. Writer.out is held.
func (r *recording) add(e *event, data []byte) {
	h := r.hold()
	h.event = *e
	h.data, h.spans = h.data[:0], h.spans[:0]
	h.left, h.emptied = len(data), len(data) > 0
	if len(data) > 0 {
		way := way(e.kind)
		r.next[way] = min(r.next[way], len(r.held)-1)
		r.streams[way].WritePieces(data, func(b []byte, hidden, more bool) { r.decided(way, b, hidden, more) })
	}
	r.release()
}

// hold appends an element to r.held, whose memory was used before if possible.
func (r *recording) hold() *heldEvent {
	var h heldEvent
	if n := len(r.old); n > 0 {
		h, r.old = r.old[n-1], r.old[:n-1]
	}
	r.held = append(r.held, h)
	return &r.held[len(r.held)-1]
}

// decided gives bytes of a stream to the events that they are part of.
func (r *recording) decided(way_ int, b []byte, hidden, more bool) {
	for len(b) > 0 {
		h := &r.held[r.next[way_]]
		if h.left == 0 || way(h.kind) != way_ {
			r.next[way_]++
			continue
		}
		n := min(len(b), h.left)
		switch {
		case !hidden:
			h.data = append(h.data, b[:n]...)
		case !more:
			h.spans = append(h.spans, Span{len(h.data), len(Mask)})
			h.data = append(h.data, Mask...)
			more = true
		}
		h.left -= n
		b = b[n:]
	}
}

// release encodes the events at the front whose bytes are all decided.
func (r *recording) release() {
	n := 0
	for ; n < len(r.held) && r.held[n].left == 0; n++ {
		h := &r.held[n]
		// Bytes that continue a secret are dropped with their event, whose
		// number would show the length of the secret.
		if !h.emptied || len(h.data) > 0 {
			r.encode(h)
		}
	}
	if n == 0 {
		return
	}
	r.old = append(r.old, r.held[:n]...)
	if len(r.old) > 64 {
		clear(r.old[64:])
		r.old = r.old[:64]
	}
	if r.streams[0] == nil {
		r.old = nil
	}
	rest := copy(r.held, r.held[n:])
	clear(r.held[rest:])
	r.held = r.held[:rest]
	for i := range r.next {
		r.next[i] = max(r.next[i]-n, 0)
	}
}

func (r *recording) encode(h *heldEvent) {
	if !r.described {
		r.describe()
	}
	if h.kind == End { // no bytes follow
		r.streams = [2]*mask.Stream{}
	}
	r.w.enc.event(r.index, h.kind, h.out, h.at, h.lines, h.data, h.spans, r.w.maskNote(h.note))
	r.w.encoded++
}

var stateName = regexp.MustCompile(`RASCS_[A-Za-z]+`)

// maskNote hides secrets in a note. Names of states stay: a password may be an
// ordinary word, such as "device".
func (w *Writer) maskNote(text string) string {
	var b strings.Builder
	for text != "" {
		at := stateName.FindStringIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		b.WriteString(w.masker.MaskText(text[:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		text = text[at[1]:]
	}
	return b.String()
}

// describe writes the interface blocks up to that of r, in the order of their
// numbers.
func (r *recording) describe() {
	r.w.mu.Lock()
	ports := r.w.ports[:r.index+1]
	r.w.mu.Unlock()
	for _, p := range ports {
		if !p.described {
			p.described = true
			r.w.mu.Lock()
			name, mode := p.name, p.mode
			r.w.mu.Unlock()
			r.w.enc.port(name, mode)
		}
	}
}

// expire decides what has been held for too long. Writer.out is held.
func (r *recording) expire(now int64, final bool) {
	if final && !r.described {
		r.describe()
	}
	for len(r.held) > 0 && (final || now-r.held[0].at >= int64(holdLimit)) {
		way := way(r.held[0].kind)
		r.streams[way].FlushPieces(func(b []byte, hidden, more bool) { r.decided(way, b, hidden, more) })
		r.release()
	}
}

// seeLines notes the lines of the port, as one of its methods has reported them.
func (r *recording) seeLines(l port.Lines) { r.lineEvent(l, false) }

func (r *recording) lineEvent(l port.Lines, inner bool) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.lines == l || r.ended {
		return
	}
	r.lines = l
	r.w.pushLocked(event{rec: r, kind: LinesChanged, inner: inner}, nil)
}

// sample asks the ports for their modem lines and error counts, where something
// has passed since the last time. Writer.out is held.
func (w *Writer) sample() {
	w.mu.Lock()
	var active []*recording
	for _, r := range w.ports {
		if r.active && !r.ended && r.below != nil {
			active = append(active, r)
		}
		r.active = false
	}
	w.mu.Unlock()
	for _, r := range active {
		r.sample()
	}
}

func (r *recording) sample() {
	if c, ok := r.below.(port.LineController); ok {
		if l, err := c.Lines(); err == nil {
			r.lineEvent(l, true)
		}
	}
	r.sampleStats()
}

// sampleStats queues an event for each count of line errors that has risen.
func (r *recording) sampleStats() {
	c, ok := r.below.(port.Counter)
	if !ok {
		return
	}
	now, err := c.Stats()
	if err != nil {
		return
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	was, known := r.stats, r.counts
	// Two samples at the same time may arrive here in the other order.
	now.Breaks, now.Framing, now.Parity = max(now.Breaks, was.Breaks), max(now.Framing, was.Framing), max(now.Parity, was.Parity)
	now.Overrun, now.Buffer = max(now.Overrun, was.Overrun), max(now.Buffer, was.Buffer)
	r.stats, r.counts = now, true
	if !known || r.ended {
		return
	}
	for _, count := range [...]struct {
		kind     Kind
		was, now uint64
	}{
		{Break, was.Breaks, now.Breaks},
		{Framing, was.Framing, now.Framing},
		{Parity, was.Parity, now.Parity},
		{Overflow, was.Overrun + was.Buffer, now.Overrun + now.Buffer},
	} {
		for n := count.was; n < count.now && n < count.was+maxCounted; n++ {
			r.w.pushLocked(event{rec: r, kind: count.kind, inner: true}, nil)
		}
	}
}

// maxCounted bounds the events for line errors of one kind between two samples:
// a port with the wrong bit rate has one for every character.
const maxCounted = 100

// endRecording queues the last event of the port. What passes after it is not
// recorded.
func (r *recording) endRecording() {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
	if r.late > 0 && !r.w.closing {
		r.ending = true // they return soon, since the port is closed
		return
	}
	r.endLocked()
}

func (r *recording) endLocked() {
	if !r.ended {
		r.w.pushLocked(event{rec: r, kind: End, inner: true}, nil)
		r.ended = true
	}
}

// watch records changes of the modem lines until the port or its recording ends.
func (r *recording) watch(ctx context.Context, c port.LineController) {
	lines, err := c.Lines()
	for err == nil {
		r.seeLines(lines)
		r.sampleStats()
		lines, err = c.WaitLines(ctx, port.Inputs|port.Outputs)
	}
	if errors.Is(err, port.ErrCarrierLost) {
		r.seeLines(lines)
	}
}
