package capture

import (
	"time"

	"github.com/rasline/rasline/port"
)

// batch is a queue of events. Its memory is used again.
type batch struct {
	events []event
	bytes  []byte
}

// event is an event on its way to the file. It has the size of a cache line.
type event struct {
	rec   *recording // nil: a secret to hide from here on, which is note
	at    int64      // nanoseconds since 1970
	from  int        // of the data in the bytes of the batch
	n     int
	write *write // of Sent, while the Write runs
	note  string
	kind  Kind
	out   bool
	lines port.Lines
	inner bool // queued whether or not there is room: by what makes room, or a secret
}

// write is a Write that runs.
type write struct {
	index int  // of its event in the queue
	late  bool // it is recorded when it returns: there is no event in the queue
}

// pushLocked queues an event with its data, which is copied. Pieces of long data are
// events of their own. w.mu is held, and released while it waits for room. It
// reports whether all of the data was queued.
func (w *Writer) pushLocked(e event, data []byte) bool {
	all := true
	for {
		piece := data[:min(len(data), maxData)]
		data = data[len(piece):]
		ok := w.ready() && (e.inner || w.accepts(len(piece)))
		switch {
		case ok:
			if e.rec != nil {
				e.at, e.lines = w.now(), e.rec.lines
			}
			e.from, e.n = len(w.queue.bytes), len(piece)
			w.queue.bytes = append(w.queue.bytes, piece...)
			w.queue.events = append(w.queue.events, e)
		case e.rec != nil && !w.closed:
			w.lost++
			w.pending++
		}
		all = all && ok
		if len(data) == 0 {
			break
		}
	}
	if w.queued() > maxQueue/4 {
		w.arm(0)
	} else if !w.armed {
		w.arm(flushAfter)
	}
	return all
}

// ready reports whether events are still written. w.mu is held.
func (w *Writer) ready() bool { return !w.closed && !w.failed }

// queued returns the size of the queue as maxQueue counts it. w.mu is held.
func (w *Writer) queued() int { return len(w.queue.bytes) + len(w.queue.events)*eventSize }

// accepts reports whether there is room for an event with n bytes of data. It
// waits for room, but not for a file that hangs. w.mu is held, and released
// meanwhile.
func (w *Writer) accepts(n int) bool {
	fits := func() bool { return w.queued()+n <= maxQueue }
	if fits() || w.slow {
		return fits()
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for w.ready() && !fits() && !w.slow {
		w.arm(0)
		changed := w.room.Changed()
		w.mu.Unlock()
		select {
		case <-changed:
			w.mu.Lock()
		case <-limit.C:
			w.mu.Lock()
			w.slow = w.writing && !fits()
			limit.Reset(patience)
		}
	}
	return w.ready() && fits()
}
