package scripttest

import (
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
)

// Playback plays the peer of a recording; see NewPlayback.
type Playback = capture.Playback

// PlaybackConfig holds the settings of a Playback. The zero PlaybackConfig plays
// without the recorded pauses.
type PlaybackConfig = capture.PlayConfig

// NewPlayback plays the peer of a recorded line on far, so that the script that
// was recorded, or a new one, is tested against what a real host has sent:
// capture.Play for tests. It waits only as cfg.Speed specifies, so it
// works on fake time. A script that sends something else than the recording has
// loses the line, and Err and Close return a *capture.DivergenceError, as Close
// does for one that sends less. On the port that Near makes of the near end the
// script itself fails, where it sends what diverges. A nil cfg means the zero
// PlaybackConfig.
func NewPlayback(far port.Port, r *capture.Reader, cfg *PlaybackConfig) *Playback {
	return capture.Play(far, r, cfg)
}

// replayed is a Port whose first bytes were read already. Only one goroutine
// may read it.
type replayed struct {
	port.Port
	in []byte
}

// Read returns the bytes read before, and after them the port's.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.in) == 0 || len(b) == 0 {
		return r.Port.Read(b)
	}
	n := copy(b, r.in)
	r.in = r.in[n:]
	return n, nil
}
