package capture

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/port"
)

// recording is the state of one port in a Writer.
//
// Its end, under Writer.mu:
//
//	event                open                        ending                   ended
//	Read, lines, break   queued                      queued                   not recorded
//	Write begins         queued, or late if it is    as open                  not recorded
//	                     long or lasts holdLimit
//	late Write returns   queued                      queued, the last one     not recorded
//	                                                 then queues End: ended
//	port is closed       queues End: ended; ending   -                        -
//	                     while a Write is late
//	Writer.Close         queues End: ended           queues End: ended        -
//
// Notes of Writer.Handler are queued in all of them.
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
	flows     [2]flow
	held      []heldEvent // in order
	written   int         // how many of held are encoded
	open      int         // how many of those that follow may be
}

// flow is one direction of a recording. Its memory is used again.
type flow struct {
	stream *mask.Stream
	input  []byte // what the stream gets next
	next   int    // index in held of the event with the next byte that is decided
	output []byte // what was decided: the data of the events in held
	spans  []Span // where that is masked
	bytes  int    // of output, in events that are encoded
	marks  int    // of spans
}

// heldEvent is an event whose bytes are not all known to be shown or hidden, or
// one after such an event.
type heldEvent struct {
	event
	shown   int  // bytes of the output that are its data
	marks   int  // spans that are its
	left    int  // bytes that are not decided
	emptied bool // it had data
}

func newRecording(w *Writer, index uint32, name string) *recording {
	return &recording{w: w, index: index, name: name, flows: [2]flow{{stream: w.masker.Stream()}, {stream: w.masker.Stream()}}}
}

// way returns the index of the stream of an event with data.
func way(k Kind) int {
	if k == Received {
		return 1
	}
	return 0
}

// add adds an event of the queue. Its data is masked by the next call of mask.
// Writer.out is held.
func (r *recording) add(e *event, data []byte) {
	r.held = append(r.held, heldEvent{event: *e, left: len(data), emptied: len(data) > 0})
	f := &r.flows[way(e.kind)]
	f.input = append(f.input, data...)
}

// decided gives bytes of a stream to the events that they are part of.
func (r *recording) decided(way_ int, b []byte, hidden, more bool) {
	f := &r.flows[way_]
	for len(b) > 0 {
		h := &r.held[f.next]
		if h.left == 0 || way(h.kind) != way_ {
			f.next++
			continue
		}
		n := min(len(b), h.left)
		switch {
		case !hidden:
			f.output = append(f.output, b[:n]...)
			h.shown += n
		case !more:
			f.spans = append(f.spans, Span{h.shown, len(Mask)})
			f.output = append(f.output, Mask...)
			h.shown += len(Mask)
			h.marks++
			more = true
		}
		h.left -= n
		b = b[n:]
	}
}

// release lets n more events be encoded, and encodes those at the front whose
// bytes are all decided.
func (r *recording) release(n int) {
	for r.open += n; r.open > 0 && r.held[r.written].left == 0; r.open-- {
		h := &r.held[r.written]
		r.written++
		f := &r.flows[way(h.kind)]
		data, spans := f.output[f.bytes:f.bytes+h.shown], f.spans[f.marks:f.marks+h.marks]
		f.bytes += len(data)
		f.marks += len(spans)
		// Bytes that continue a secret are dropped with their event, whose
		// number would show the length of the secret.
		if !h.emptied || h.shown > 0 {
			r.describe()
			if h.kind == End { // no bytes follow
				r.flows[0].stream, r.flows[1].stream = nil, nil
			}
			r.w.enc.event(r.index, h.kind, h.out, h.at, h.lines, data, spans, r.w.maskNote(h.note))
			r.w.encoded++
		}
	}
}

// waiting returns the event that has been held longest, or nil.
func (r *recording) waiting() *heldEvent {
	if r.written == len(r.held) {
		return nil
	}
	return &r.held[r.written]
}

var stateName = regexp.MustCompile(`RASCS_[A-Za-z]+`)

// maskNote hides secrets in a note. Names of states stay: a password may be an
// ordinary word, such as "device". Of a note that is longer than maxNote the
// beginning is left, and a secret that is cut there is hidden too.
func (w *Writer) maskNote(text string) string {
	var b strings.Builder
	cut := len(text) > maxNote
	if cut {
		text = strings.ToValidUTF8(text[:maxNote], "")
	}
	for text != "" {
		at := stateName.FindStringIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		if before := text[:at[0]]; cut && at[0] == len(text) {
			b.Write(w.masker.Mask([]byte(before), false))
		} else {
			b.WriteString(w.masker.MaskText(before))
		}
		b.WriteString(text[at[0]:at[1]])
		text = text[at[1]:]
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

// describe writes the interface blocks up to that of r, in the order of their
// numbers, if they are not written yet.
func (r *recording) describe() {
	if r.described {
		return
	}
	r.w.mu.Lock()
	ports := r.w.ports[:r.index+1]
	r.w.mu.Unlock()
	for _, p := range ports {
		if !p.described {
			p.described = true
			r.w.mu.Lock()
			name, mode := p.name, p.mode
			r.w.mu.Unlock()
			r.w.enc.port(r.w.masker.MaskText(name), mode)
		}
	}
}

// expire decides what has been held for too long, and drops what is encoded.
// Writer.out is held.
func (r *recording) expire(now int64, final bool) {
	if final {
		r.describe()
	}
	for h := r.waiting(); h != nil && (final || now-h.at >= int64(holdLimit)); h = r.waiting() {
		way := way(h.kind)
		r.flows[way].stream.FlushPieces(func(b []byte, hidden, more bool) { r.decided(way, b, hidden, more) })
		r.release(0)
	}
	// What is encoded is dropped.
	n := copy(r.held, r.held[r.written:])
	clear(r.held[n:])
	r.held = r.held[:n]
	for i := range r.flows {
		f := &r.flows[i]
		f.next = max(f.next-r.written, 0)
		f.output = append(f.output[:0], f.output[f.bytes:]...)
		f.spans = append(f.spans[:0], f.spans[f.marks:]...)
		f.bytes, f.marks = 0, 0
	}
	r.written = 0
	if r.flows[0].stream == nil && n == 0 { // no data follows
		r.held, r.flows = nil, [2]flow{}
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

// sample reads the modem lines and error counts of the ports on which something has
// passed since the last time. Writer.out is held.
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
		if c, ok := r.below.(port.LineController); ok {
			if l, err := c.Lines(); err == nil {
				r.lineEvent(l, true)
			}
		}
		r.sampleStats()
	}
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
