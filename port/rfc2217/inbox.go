package rfc2217

import (
	"context"
	"sync"

	"github.com/rasline/rasline/internal/telnet"
)

// inbox holds what a client has sent and the port has not yet taken: data, and
// commands at their places between the data. One goroutine fills it, another
// empties it. Its memory is bounded; a full one holds the client off.
type inbox struct {
	ready chan struct{} // a token: there is something to do, or to end
	space chan struct{} // a token: there is room again

	mu      sync.Mutex // guards what follows
	data    ring
	put     uint64  // bytes that came in since the beginning
	got     uint64  // bytes that went out
	orders  []order // oldest first
	purge   uint64  // data up to here is dropped
	purging bool    // and the port has not been purged yet
	closed  bool
}

// order is a command that takes its turn behind the data before it.
type order struct {
	at   uint64      // the place: how many bytes come before it
	kind telnet.Kind // Command: a BRK; Negotiate: DO TIMING-MARK; Sub: cmd
	cmd  []byte      // a COM-PORT command and its value
}

// task is what is next: data to write, a command, or a purge of the port on the
// spot.
type task struct {
	data  []byte // valid until done
	order order
	purge bool
}

const (
	inboxData   = 64 << 10 // bytes
	inboxOrders = 64
)

func newInbox() *inbox {
	return &inbox{
		ready: make(chan struct{}, 1),
		space: make(chan struct{}, 1),
		data:  ring{max: inboxData},
	}
}

// room waits for a piece of memory to read into.
func (b *inbox) room(ctx context.Context, grow bool) ([]byte, error) {
	for {
		b.mu.Lock()
		seg := b.data.free(grow)
		b.mu.Unlock()
		if seg != nil {
			return seg, nil
		}
		select {
		case <-b.space:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// add puts n bytes in that lie at the front of what room returned, or behind
// those that were added since.
func (b *inbox) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.commit(n)
	b.put += uint64(n)
	post(b.ready)
}

// command puts an order in behind the data, and waits while there are too many.
func (b *inbox) command(ctx context.Context, o order) error {
	for {
		b.mu.Lock()
		fits := len(b.orders) < inboxOrders
		if fits {
			o.at = b.put
			b.orders = append(b.orders, o)
			post(b.ready)
		}
		b.mu.Unlock()
		if fits {
			return nil
		}
		select {
		case <-b.space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// overtake drops the data that is in, and makes a purge of the port come next.
func (b *inbox) overtake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.purge, b.purging = b.put, true
	post(b.ready)
}

// overtaken reports whether a purge has come that was not yet carried out.
func (b *inbox) overtaken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.purging
}

// close lets next end when all is done.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	post(b.ready)
}

// next waits for something to do. It returns false at the end.
func (b *inbox) next() (task, bool) {
	for {
		b.mu.Lock()
		t, ok := b.first()
		end := b.closed
		b.mu.Unlock()
		if ok || end {
			return t, ok
		}
		<-b.ready
	}
}

// first returns what is to be done first, if there is anything. b.mu is held.
func (b *inbox) first() (task, bool) {
	if b.purging {
		b.purging = false
		return task{purge: true}, true
	}
	if b.got < b.purge {
		b.drop(int(b.purge - b.got))
	}
	upTo := b.put
	if len(b.orders) > 0 {
		o := b.orders[0]
		if o.at <= b.got { // less after a purge
			b.orders = append(b.orders[:0], b.orders[1:]...)
			post(b.space)
			return task{order: o}, true
		}
		upTo = o.at
	}
	return task{data: b.data.peek(int(upTo - b.got))}, upTo > b.got
}

// done takes away n bytes of the data that next returned.
func (b *inbox) done(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(n)
}

func (b *inbox) drop(n int) {
	b.data.skip(n)
	b.got += uint64(n)
	post(b.space)
}
