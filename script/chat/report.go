package chat

import (
	"io"
	"slices"
	"time"
)

// maxReport is the length in bytes at which a report is cut, which with its
// time gives the 4,095 of chat(8).
const maxReport = 4095 - len("Jan 02 15:04:05 ")

// reports holds the report list and the report that is being gathered. The
// strings are observed by the dialog; an entry is used up when it is found.
type reports struct {
	view      *view
	out       io.Writer // nil: the view's standard error
	list      []*entry
	gathering bool
	ended     bool // the byte received last ended a report
	stamp     string
	text      []byte
}

// found starts a report, unless the byte that completed its string belongs to
// another.
func (r *reports) found(e *entry) {
	if r.gathering || r.ended {
		return
	}
	e.watch.Stop()
	r.list = slices.DeleteFunc(r.list, func(o *entry) bool { return o == e })
	r.gathering = true
	r.stamp = time.Now().Format("Jan 02 15:04:05 ")
	r.text = append(r.text[:0], e.text...)
}

// received adds received bytes to an open report. A control character, which
// ends it, may be the last of them.
func (r *reports) received(b []byte) {
	r.ended = false
	if !r.gathering {
		return
	}
	text, last := b[:len(b)-1], b[len(b)-1]
	if last < ' ' || last == 0x7F {
		r.ended = true
	} else {
		text = b
	}
	r.text = append(r.text, text[:min(len(text), max(0, maxReport-len(r.text)))]...)
	if r.ended {
		r.finish()
	}
}

// finish writes the open report.
func (r *reports) finish() {
	if !r.gathering {
		return
	}
	r.gathering = false
	r.view.write()
	out := r.out
	if out == nil {
		out = r.view.stderr
	}
	r.view.writeTo(out, []byte("chat:  "+r.stamp+string(r.view.call.Mask(r.text))+"\n"))
}
