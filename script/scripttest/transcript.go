package scripttest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// transcriptLimit bounds the bytes that a Transcript keeps.
const transcriptLimit = 1 << 20

// Record is one piece of a conversation, as the far end saw it.
type Record struct {
	At     time.Duration // since the far end was started
	Sent   bool          // by the far end; otherwise received by it
	Secret bool          // part of a password or of its echo
	Data   []byte
}

// Transcript is what a far end sent and received, in order. It keeps the first
// mebibyte and counts the rest. Its methods may be called at any time from any
// goroutine.
type Transcript struct {
	mu      sync.Mutex
	start   time.Time
	records []Record
	size    int
	dropped int
}

func newTranscript() *Transcript { return &Transcript{start: time.Now()} }

// add records a copy of r.Data and sets r.At. What is like the record before
// it in all but the data is joined to it, so that a transcript does not depend
// on how reads were cut.
func (t *Transcript) add(r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	room := min(len(r.Data), transcriptLimit-t.size)
	t.dropped += len(r.Data) - room
	t.size += room
	if r.Data = r.Data[:room]; room == 0 {
		return
	}
	r.At = time.Since(t.start)
	if n := len(t.records); n > 0 {
		last := &t.records[n-1]
		if last.At == r.At && last.Sent == r.Sent && last.Secret == r.Secret {
			last.Data = append(last.Data, r.Data...)
			return
		}
	}
	r.Data = bytes.Clone(r.Data)
	t.records = append(t.records, r)
}

// send records b and then hands it to write, so that nobody can have received
// what is not in the transcript yet. What write has not taken is taken back.
func (t *Transcript) send(b []byte, secret bool, write func([]byte) (int, error)) error {
	t.add(Record{Sent: true, Secret: secret, Data: b})
	n, err := write(b)
	t.unsend(len(b) - n)
	return err
}

// unsend takes the last n sent bytes back.
func (t *Transcript) unsend(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	back := min(n, t.dropped)
	t.dropped -= back
	n -= back
	for i := len(t.records) - 1; i >= 0 && n > 0; i-- {
		r := &t.records[i]
		if r.Sent {
			cut := min(n, len(r.Data))
			r.Data = r.Data[:len(r.Data)-cut]
			t.size -= cut
			n -= cut
		}
	}
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

// Sent returns all bytes that the far end sent.
func (t *Transcript) Sent() []byte { return t.bytes(true) }

// Received returns all bytes that the far end received. Passwords are in it as
// they came.
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

// Dropped returns how many bytes came after the transcript was full.
func (t *Transcript) Dropped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

// String lists the conversation for people, one line for what one side said
// before the other did: the time, "<" for sent and ">" for received (the
// client's view), the bytes quoted. Passwords and their echo show as ***.
func (t *Transcript) String() string {
	var b strings.Builder
	for _, turn := range turns(t.Records()) {
		mark := '>'
		if turn.Sent {
			mark = '<'
		}
		fmt.Fprintf(&b, "%8.3fs %c %q\n", turn.At.Seconds(), mark, turn.Data)
	}
	return b.String()
}

// turns joins neighbours that went the same way, with every run of secret
// records cut down to three stars.
func turns(all []Record) []Record {
	var out []Record
	var masked [2]bool // per direction: whether the run goes on
	for _, r := range all {
		way := 0
		if r.Sent {
			way = 1
		}
		if r.Secret {
			r.Data = []byte("***")
			if masked[way] {
				continue
			}
		}
		masked[way] = r.Secret
		if n := len(out); n > 0 && out[n-1].Sent == r.Sent {
			out[n-1].Data = append(out[n-1].Data, r.Data...)
			continue
		}
		out = append(out, r)
	}
	return out
}
