package port

import (
	"context"
	"sync/atomic"
)

// ForgetPseudo makes s treat its pseudo-terminal as hardware when the line
// ends.
func ForgetPseudo(s *Serial) { s.dev.(*ttyPort).pseudo = false }

// CarrierFell does what a carrier policy does when the carrier falls.
func CarrierFell(s *Serial) { s.dev.(*ttyPort).carrierFell() }

// Claim does the locking of Open on a pseudo-terminal as if it were hardware.
func Claim(name string) (release func(), err error) {
	t, err := openTTY(name)
	if err != nil {
		return nil, err
	}
	t.pseudo = false
	return func() { t.release() }, t.claim()
}

// NeverEmpty makes s's driver one that never reports an empty transmitter, as
// ftdi_sio may be, and returns how often it has been asked.
func NeverEmpty(s *Serial) (asked func() int64) {
	var n atomic.Int64
	s.dev.(*ttyPort).lsr = func(int) (uint32, error) { n.Add(1); return 0, nil }
	return n.Load
}

// WithoutReopening runs f while no file can be opened anew.
func WithoutReopening(f func()) {
	defer func(old string) { descriptors = old }(descriptors)
	descriptors = "/nonexistent"
	f()
}

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
