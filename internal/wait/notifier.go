package wait

// Notifier wakes every caller that waits for a change of some state. The zero
// Notifier is ready for use. The lock that guards the state guards the Notifier
// too: a caller that checks the state and takes the channel of Changed under
// one hold of the lock misses no change.
//
// While no caller waits, Notify allocates nothing.
type Notifier struct {
	changed chan struct{} // nil while no caller waits
}

// Changed returns a channel that the next Notify closes.
func (n *Notifier) Changed() <-chan struct{} {
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

// Notify wakes all callers that wait on the channel of Changed.
func (n *Notifier) Notify() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}
