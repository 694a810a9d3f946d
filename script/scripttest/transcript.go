package scripttest

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// transcriptLimit bounds the bytes that a Transcript keeps.
const transcriptLimit = 1 << 20

// Record is one piece of a conversation, as the peer saw it.
type Record struct {
	At     time.Duration // since the peer was started
	Sent   bool          // by the peer; otherwise received by it
	Secret bool          // part of a password or of its echo
	Data   []byte
}

// Transcript holds what a peer sent and received, in order. It keeps the first
// mebibyte and counts the rest. Its methods may be called at any time from any
// goroutine.
//
// String shows no password, nor its echo. Records, Sent and Received return the
// bytes as they were.
type Transcript struct {
	password string // that of a Login
	commands bool   // a Modem's: holds command lines and data
	showData bool

	mu      sync.Mutex // guards what follows
	start   time.Time
	records []Record
	size    int
	dropped int
	total   [2]int    // bytes per direction
	data    [2][]span // of a Modem: what is no command and no result, per direction
	judged  int       // of a Modem: how many of the received bytes are known to be data or not
}

// span is a range of offsets in what was sent in one direction.
type span struct{ from, to int }

func newTranscript() *Transcript { return &Transcript{start: time.Now()} }

// way is the index of a direction.
func way(sent bool) int {
	if sent {
		return 1
	}
	return 0
}

// add records a copy of r.Data, sets r.At, and returns the offset of the data in
// its direction. A record that differs from the one before only in its data is
// joined to it, so that a transcript does not depend on how reads were split.
func (t *Transcript) add(r Record) (at int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addLocked(r)
}

func (t *Transcript) addLocked(r Record) (at int) {
	at = t.total[way(r.Sent)]
	t.total[way(r.Sent)] += len(r.Data)
	room := min(len(r.Data), transcriptLimit-t.size)
	t.dropped += len(r.Data) - room
	t.size += room
	if r.Data = r.Data[:room]; room == 0 {
		return at
	}
	r.At = time.Since(t.start)
	if n := len(t.records); n > 0 {
		last := &t.records[n-1]
		if last.At == r.At && last.Sent == r.Sent && last.Secret == r.Secret {
			last.Data = append(last.Data, r.Data...)
			return at
		}
	}
	r.Data = bytes.Clone(r.Data)
	t.records = append(t.records, r)
	return at
}

// judge records whether received bytes are data.
func (t *Transcript) judge(s span, data bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if data {
		t.markLocked(0, s)
	}
	t.judged = s.to
}

func (t *Transcript) markLocked(w int, s span) {
	if n := len(t.data[w]); n > 0 && t.data[w][n-1].to == s.from {
		t.data[w][n-1].to = s.to
		return
	}
	t.data[w] = append(t.data[w], s)
}

// unmarkData undoes that the last n received bytes before an offset are data: they
// were an escape sequence.
func (t *Transcript) unmarkData(at, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.data[0]) - 1; i >= 0; i-- {
		if s := &t.data[0][i]; s.to > at-n && s.to <= at {
			s.to = max(s.from, at-n)
		}
	}
}

// send records r as sent, data being the spans of it that are no results, and then
// writes it, so that no reader can have received what is not in the transcript
// yet. What write has not written is removed again.
func (t *Transcript) send(r Record, data []span, write func([]byte) (int, error)) error {
	r.Sent = true
	t.mu.Lock()
	at := t.addLocked(r)
	for _, s := range data {
		t.markLocked(1, span{at + s.from, at + s.to})
	}
	t.mu.Unlock()
	n, err := write(r.Data)

	// Remove what was not written from the end.
	t.mu.Lock()
	defer t.mu.Unlock()
	n = len(r.Data) - n
	t.total[1] -= n
	for i := len(t.data[1]) - 1; i >= 0 && t.data[1][i].to > t.total[1]; i-- {
		s := &t.data[1][i]
		s.to = max(s.from, t.total[1])
	}
	back := min(n, t.dropped)
	t.dropped -= back
	n -= back
	for i := len(t.records) - 1; i >= 0 && n > 0; i-- {
		if last := &t.records[i]; last.Sent {
			cut := min(n, len(last.Data))
			last.Data = last.Data[:len(last.Data)-cut]
			t.size -= cut
			n -= cut
		}
	}
	return err
}

// Records returns a copy of all records.
func (t *Transcript) Records() []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Clone(t.records)
	for i := range all {
		all[i].Data = bytes.Clone(all[i].Data)
	}
	return all
}

// Sent returns all bytes that the peer sent.
func (t *Transcript) Sent() []byte { return t.bytes(true) }

// Received returns all bytes that the peer received, passwords included, as
// they were.
func (t *Transcript) Received() []byte { return t.bytes(false) }

func (t *Transcript) bytes(sent bool) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []byte
	for _, r := range t.records {
		if r.Sent == sent {
			all = append(all, r.Data...)
		}
	}
	return all
}

// Dropped returns how many bytes arrived after the transcript was full.
func (t *Transcript) Dropped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}
