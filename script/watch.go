package script

// Watch is a standing pattern of a Dialog.
type Watch struct {
	dialog   *Dialog
	pattern  Pattern
	handler  func(m Match) error
	observer bool
	stopped  bool
}

// Watch adds a pattern that every wait checks besides those it awaits, such as
// a text on which the script must give up. When it completes and no awaited
// pattern completes on the same byte, f is called: with nil the wait continues,
// an error ends it and is what the wait returns, wrapped. Of several that
// complete on one byte, those added first are called first.
//
// f may use the Dialog: it may send, and wait for something else, which then
// consumes what it reads; the wait outside continues with what follows. The Match
// is valid until f returns or waits. A watch that is added while a wait runs
// takes effect at the next wait. The empty pattern completes on the first byte
// of each wait.
func (d *Dialog) Watch(p Pattern, f func(m Match) error) *Watch {
	return d.watch(&Watch{dialog: d, pattern: p, handler: f})
}

// Observe adds a pattern like Watch, whose f is called whenever it completes,
// also on the byte that ends the wait, and before anything else is decided.
func (d *Dialog) Observe(p Pattern, f func(m Match)) *Watch {
	return d.watch(&Watch{dialog: d, pattern: p, observer: true,
		handler: func(m Match) error { f(m); return nil }})
}

func (d *Dialog) watch(w *Watch) *Watch {
	d.watches = append(d.watches[:len(d.watches):len(d.watches)], w)
	d.sets.drop()
	return w
}

// Stop removes the watch immediately.
func (w *Watch) Stop() {
	if w.stopped {
		return
	}
	w.stopped = true
	var rest []*Watch
	for _, o := range w.dialog.watches {
		if o != w {
			rest = append(rest, o)
		}
	}
	w.dialog.watches = rest
	w.dialog.sets.drop()
}
