package port

import "context"

// DrainWhileClosing drains s and lets it be closed, and its output discarded,
// while that examines the queue. s is not closed.
func DrainWhileClosing(s *Serial) error {
	t := s.dev.(*ttyPort)
	defer t.closing.Store(false)
	return t.drain(context.Background(), func() (int, error) {
		t.closing.Store(true)
		return 0, nil
	})
}
