package capture

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/internal/wait"
)

// Config holds the settings of a Writer. The zero Config and a nil one work.
type Config struct {
	// Name is the name of the first port in the file. Default: that of the
	// first port given to Record, or "port".
	Name string

	// Watch records changes of modem lines and received breaks as they happen,
	// with a goroutine for each port that has modem lines. Default: they are
	// recorded within 100 ms of the next read or write, or when a method of the
	// port reports them.
	Watch bool

	// Log gets an error record when the file cannot be written any more.
	// Default: no log; Close reports it in any case.
	Log *slog.Logger
}

const (
	// flushAfter is how long an event may wait in memory.
	flushAfter = 100 * time.Millisecond

	// holdLimit is how long bytes may wait that may be the beginning of a
	// secret, and events after a Write that has not returned.
	holdLimit = 200 * time.Millisecond

	// maxQueue bounds the bytes of the events in memory.
	maxQueue = 1 << 20

	// maxData bounds the data of one event in the file, so that its block is
	// smaller than maxBlock, whatever is hidden in it, and than the 256 KiB of
	// data that Wireshark reads.
	maxData = 16 << 10

	// maxTogether and maxTogetherData bound the events that are masked at a time, and their
	// data: the masker is faster with a long text than with its pieces.
	maxTogether     = 2048
	maxTogetherData = 64 << 10

	// maxEarly is how many notes wait for the first port, whose name and mode
	// are written before them.
	maxEarly = 64

	// maxNote bounds the text of a note.
	maxNote = 4 << 10

	// eventSize is what an event without data counts against maxQueue.
	eventSize = 128

	// patience is how long a read or write waits for room in the queue, while the
	// file is written, before events are dropped instead.
	patience = 100 * time.Millisecond
)

// Writer writes recordings of one or several ports to one file. Its methods may
// be called from several goroutines.
//
// Events wait in memory for 100 ms at most and are then masked and written, in
// the order in which they arrived, by a function of a timer; reads and writes of a
// port do not wait for the file. Where it is written too slowly, up to 1 MiB of
// events wait, and what does not fit is dropped and counted: a file that hangs
// holds a read or write up once, for 100 ms.
//
// The queue, under mu:
//
//	event            open                    slow                failed              closed
//	event that fits  queued                  queued              dropped, counted    ignored
//	one that does    waits for room; slow    dropped, counted    dropped, counted    ignored
//	not              after patience, if a
//	                 call of the file runs
//	process          written                 open                counted as lost     written once, by Close
//	the file fails   failed                  failed              -                   failed
//	Close            End of each port,       as open             as open             -
//	                 then closed
//
// The timer, under mu: arm sets armed, and fire clears it. The first fire sets firing
// while it processes; one meanwhile sets again, and the first arms the
// timer anew when it is done. So one goroutine of the timer processes, and none when
// the queue is empty. Close waits for it at out.
type Writer struct {
	cfg    Config
	masker mask.Masker

	start     time.Time // what times are counted from
	startNano int64     // in nanoseconds since 1970

	// out guards what is written, and the process method. It is locked before
	// mu.
	out     sync.Mutex
	w       io.Writer
	file    io.Closer // of Create
	enc     encoder
	encoded int // events in enc
	work    batch
	err     error // of w; nothing is written after it

	// mu guards the queue and the fields of the ports that are marked so. No caller
	// holds it while it calls anything that blocks.
	mu      sync.Mutex
	queue   batch
	ports   []*recording
	timer   *time.Timer
	armed   bool  // the timer will fire
	due     int64 // when, in nanoseconds since 1970
	firing  bool  // the function of the timer runs
	again   bool  // and the timer has fired meanwhile
	writing bool  // a call of the io.Writer runs
	slow    bool  // the queue was full, and was not processed since
	room    wait.Notifier
	lost    uint64 // events that are not in the file
	pending uint64 // of them, those dropped since the last Lost event
	failed  bool
	closing bool // Close has begun
	closed  bool
}

// NewWriter returns a Writer that writes a recording to w. It writes the section
// header immediately, so that a file that cannot be written is reported here. A nil
// cfg means the zero Config. The Writer does not close w.
func NewWriter(w io.Writer, cfg *Config) (*Writer, error) {
	x := &Writer{w: w, start: time.Now()}
	x.startNano = x.start.UnixNano()
	if cfg != nil {
		x.cfg = *cfg
	}
	x.ports = []*recording{newRecording(x, 0, cmp.Or(portName(x.cfg.Name), "port"))}
	x.enc.section("rasline " + version())
	if err := x.write(); err != nil {
		return nil, &WriteError{Err: err}
	}
	x.timer = time.AfterFunc(time.Hour, x.fire)
	x.timer.Stop()
	if x.cfg.Name != "" {
		x.ports[0].named = true
	}
	return x, nil
}

// Create makes a new file for a recording, which only its owner may read, and
// returns a Writer whose Close closes it. The error matches fs.ErrExist if there is
// such a file already.
func Create(name string, cfg *Config) (*Writer, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w, err := NewWriter(f, cfg)
	if err != nil {
		f.Close()
		return nil, err
	}
	w.file = f
	return w, nil
}

// version returns the version of this module in the running program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	const path = "github.com/rasline/rasline"
	if info.Main.Path == path {
		return cmp.Or(info.Main.Version, "(devel)")
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "(devel)"
}

// Hide replaces text by eight asterisks in what is written from now on, as a
// whole or in recognisable parts, and its echo, in whatever form a peer repeats
// it. A text of fewer than four bytes, which would be found in ordinary words,
// is hidden in what follows up to the next line end of each direction. An empty
// text is ignored.
func (w *Writer) Hide(text string) {
	w.masker.Add(text)
	if n := len(strings.TrimRight(text, "\r\n \t")); n > 0 && n < mask.Short {
		// Also into a full queue: an event that is dropped there hides nothing.
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pushLocked(event{note: text, inner: true}, nil)
	}
}

// now returns the time in nanoseconds since 1970. It does not go backwards when
// the clock is set.
func (w *Writer) now() int64 { return w.startNano + int64(time.Since(w.start)) }

// arm makes the timer fire after d at the latest. w.mu is held.
func (w *Writer) arm(d time.Duration) {
	due := w.now() + int64(d)
	if !w.ready() || w.armed && w.due <= due {
		return
	}
	w.armed, w.due = true, due
	w.timer.Reset(d)
}

// fire is what the timer calls. While one call of it writes, which may take long,
// the next ones leave their work to it.
func (w *Writer) fire() {
	w.mu.Lock()
	w.armed = false
	w.again = w.firing
	first := !w.firing
	w.firing = true
	w.mu.Unlock()
	if !first {
		return
	}
	w.out.Lock()
	w.sample()
	w.process(false)
	w.out.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.firing = false
	if w.again {
		w.arm(0)
	}
}

// process masks and writes what is queued. w.out is held.
func (w *Writer) process(final bool) {
	w.take(final)
	for left := w.work.events; len(left) > 0; {
		n, size := 0, 0
		for n < min(len(left), maxTogether) && size < maxTogetherData && left[n].rec != nil {
			size += left[n].n
			n++
		}
		w.mask(left[:n])
		if left = left[n:]; len(left) > 0 && left[0].rec == nil {
			w.masker.Expect(left[0].note) // from here on
			left = left[1:]
		}
	}
	now, next := w.now(), time.Duration(-1) // when the timer must fire again; negative: not
	w.mu.Lock()
	ports := w.ports
	w.mu.Unlock()
	for _, r := range ports {
		w.mu.Lock()
		recorded := r.below != nil
		w.mu.Unlock()
		if recorded {
			r.describe() // also of a port on which nothing passes
		}
		r.expire(now, final)
		if h := r.waiting(); h != nil {
			left := holdLimit - time.Duration(now-h.at)
			if next < 0 || left < next {
				next = left
			}
		}
	}
	err := w.write()
	w.mu.Lock()
	first := err != nil && !w.failed
	if first {
		w.failed = true
		w.room.Notify()
	}
	w.mu.Unlock()
	if first && w.cfg.Log != nil {
		w.cfg.Log.Error("the recording ends: it cannot be written", "error", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue.events) > 0 && w.ports[0].named && (next < 0 || next > flushAfter) {
		next = flushAfter
	}
	if next >= 0 {
		w.arm(next)
	}
}

// mask masks the data of events and encodes what is decided. w.out is held.
func (w *Writer) mask(events []event) {
	for i := range events {
		e := &events[i]
		e.rec.add(e, w.work.bytes[e.from:e.from+e.n])
	}
	for i := range events {
		r := events[i].rec
		for way := range r.flows {
			if f := &r.flows[way]; len(f.input) > 0 {
				f.stream.WritePieces(f.input, func(b []byte, hidden, more bool) { r.decided(way, b, hidden, more) })
				f.input = f.input[:0]
			}
		}
	}
	for i := range events { // in the order of all ports
		events[i].rec.release(1)
	}
}

// take moves the events from the queue to w.work, up to the first Write that has
// not returned for less than holdLimit.
func (w *Writer) take(final bool) {
	w.work.events, w.work.bytes = w.work.events[:0], w.work.bytes[:0]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = false
	if first := w.ports[0]; !first.named {
		if !final && len(w.queue.events) < maxEarly {
			return // the interface block is to have the name of the port
		}
		first.named = true
	}
	w.queue, w.work = w.work, w.queue
	w.room.Notify() // the waiters check it when w.mu is released
	now := w.now()
	kept := w.work.events[:0]
	for i := range w.work.events {
		e := &w.work.events[i]
		switch x := e.write; {
		case x == nil:
		case final || now-e.at >= int64(holdLimit):
			x.late = true
			e.rec.late++
			continue
		default:
			for _, later := range w.work.events[i:] {
				from := len(w.queue.bytes)
				w.queue.bytes = append(w.queue.bytes, w.work.bytes[later.from:later.from+later.n]...)
				later.from = from
				if later.write != nil {
					later.write.index = len(w.queue.events)
				}
				w.queue.events = append(w.queue.events, later)
			}
			w.work.events = kept
			return
		}
		kept = append(kept, *e)
	}
	w.work.events = kept
	if w.pending > 0 && !w.failed {
		lost := fmt.Sprintf("%d events lost", w.pending)
		w.pending = 0
		w.work.events = append(w.work.events, event{rec: w.ports[0], kind: Lost, at: now, lines: w.ports[0].lines, note: lost})
	}
}

// write writes what is encoded. w.out is held.
func (w *Writer) write() error {
	if w.err != nil || len(w.enc.buf) == 0 {
		w.drop()
		return w.err
	}
	w.setWriting(true)
	n, err := w.w.Write(w.enc.buf)
	w.setWriting(false)
	if err == nil && n < len(w.enc.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = err
		w.encoded -= events(w.enc.buf[:n])
		w.drop()
		return err
	}
	w.enc.buf, w.encoded = w.enc.buf[:0], 0
	return nil
}

func (w *Writer) setWriting(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = on
}

// drop counts what is encoded as lost.
func (w *Writer) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost += uint64(w.encoded)
	w.enc.buf, w.encoded = w.enc.buf[:0], 0
}

// Close ends the recordings of all ports and writes what is left. The ports work
// on unrecorded. The error is a *WriteError if anything is missing in the file.
func (w *Writer) Close() error {
	w.out.Lock()
	defer w.out.Unlock()
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closing = true
	ports := slices.Clone(w.ports)
	w.mu.Unlock()
	w.sample()
	for _, r := range ports {
		r.endRecording()
	}
	w.mu.Lock()
	w.closed = true
	w.timer.Stop()
	w.room.Notify()
	w.mu.Unlock()
	w.process(true)
	if w.file != nil {
		w.err = cmp.Or(w.err, w.file.Close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.lost > 0 {
		return &WriteError{Lost: w.lost, Err: w.err}
	}
	return nil
}
