package capture

// Drain masks and writes what is queued, as the timer would.
func (w *Writer) Drain() {
	w.out.Lock()
	defer w.out.Unlock()
	w.process(false)
}
