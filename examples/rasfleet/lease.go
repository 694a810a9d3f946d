package main

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// leases are what a worker holds: lines and telephone numbers. Each is an entry of
// the bucket with the worker's name, written with the revision of the one before,
// and ends by itself when the worker does not renew it.
type leases struct {
	q      *Queue
	worker string

	mu   sync.Mutex // guards held
	held map[string]*lease
}

type lease struct {
	lost context.CancelCauseFunc

	op       sync.Mutex // held during a request for this lease, and guards what follows
	rev      uint64
	renewed  time.Time // when the last renewal was sent
	released bool
}

var (
	errLeaseLost = errors.New("the lease of the line was lost: the queue was not reached in time")
	errHeld      = errors.New("another worker holds the lease")
)

// leaseKey returns a key for any text.
func leaseKey(kind, text string) string {
	return kind + "." + base64.RawURLEncoding.EncodeToString([]byte(text))
}

// acquire acquires a lease. lost is called when it was lost before release. A lease
// that another holder has gives errHeld.
func (l *leases) acquire(ctx context.Context, key string, lost context.CancelCauseFunc) error {
	sent := time.Now()
	rev, err := l.q.leases.Create(ctx, key, []byte(l.worker))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return errHeld
	} else if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[key] = &lease{rev: rev, renewed: sent, lost: lost}
	return nil
}

// release gives a lease back. Without a connection it ends by itself.
func (l *leases) release(ctx context.Context, key string) {
	l.mu.Lock()
	h := l.held[key]
	delete(l.held, key)
	l.mu.Unlock()
	if h == nil {
		return
	}
	h.op.Lock()
	defer h.op.Unlock()
	h.released = true
	l.q.leases.Delete(ctx, key, jetstream.LastRevision(h.rev))
}

// renewAll renews the leases until ctx ends. A lease is lost when another holder has it,
// and when it could not be renewed for half of its time: a request takes a sixth at
// most and so does the pause between two, so that the line is on hook before
// another worker may have it. The monotonic clock counts, so that a
// change of the time of day has no effect.
func (l *leases) renewAll(ctx context.Context) {
	tick := time.NewTicker(l.q.lease / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		keys := make([]string, 0, len(l.held))
		for k := range l.held {
			keys = append(keys, k)
		}
		l.mu.Unlock()
		renewing, cancel := context.WithTimeout(ctx, l.q.lease/6)
		for _, k := range keys {
			l.renew(renewing, k)
		}
		cancel()
	}
}

func (l *leases) renew(ctx context.Context, key string) {
	l.mu.Lock()
	h := l.held[key]
	l.mu.Unlock()
	if h == nil {
		return
	}
	h.op.Lock()
	defer h.op.Unlock()
	if h.released {
		return
	}
	sent := time.Now()
	rev, err := l.q.leases.Update(ctx, key, []byte(l.worker), h.rev)
	if errors.Is(err, jetstream.ErrKeyExists) {
		// Another holder has it, or the acknowledgement of a renewal was lost.
		if e, getErr := l.q.leases.Get(ctx, key); getErr == nil && string(e.Value()) == l.worker {
			h.rev = e.Revision()
			return
		} else if getErr == nil || errors.Is(getErr, jetstream.ErrKeyNotFound) {
			h.renewed = time.Time{}
		}
	}
	if err == nil {
		h.rev, h.renewed = rev, sent
	} else if time.Since(h.renewed) > l.q.lease/2 {
		h.released = true
		l.mu.Lock()
		delete(l.held, key)
		l.mu.Unlock()
		h.lost(errLeaseLost)
	}
}

// numberKey is the lease of a telephone number, however it is punctuated.
func numberKey(number string) string {
	return leaseKey("number", strings.Map(func(r rune) rune {
		if strings.ContainsRune("+*#0123456789", r) {
			return r
		}
		return -1
	}, number))
}
