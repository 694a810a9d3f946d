package rfc2217

import (
	"context"
	"sync"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/internal/wait"
)

// queue holds what a client has sent and the port has not yet taken: data, and
// commands at their places between the data. One goroutine fills it, another
// empties it. Its memory is bounded; a full one holds the client off.
type queue struct {
	ready chan struct{} // a token: there is something to do, or to end
	space chan struct{} // a token: there is room again

	mu       sync.Mutex // guards what follows
	data     wait.Ring
	put      uint64    // bytes that came in since the beginning
	got      uint64    // bytes that went out
	commands []command // oldest first
	purge    uint64    // data up to here is dropped
	purging  bool      // and the port has not been purged yet
	closed   bool
}

// command is a command that takes its turn behind the data before it.
type command struct {
	at   uint64      // the place: how many bytes come before it
	kind telnet.Kind // Command: a BRK; Negotiate: DO TIMING-MARK; Sub: cmd
	cmd  []byte      // a COM-PORT command and its value
}

// entry is what is next: data to write, a command, or a purge of the port on the
// spot.
type entry struct {
	data    []byte // valid until done
	command command
	purge   bool
}

const (
	queueBytes    = 64 << 10 // bytes
	queueCommands = 64
)

func newQueue() *queue {
	return &queue{
		ready: make(chan struct{}, 1),
		space: make(chan struct{}, 1),
		data:  wait.Ring{Min: minBuffer, Max: queueBytes},
	}
}

// room waits for a piece of memory to read into.
func (b *queue) room(ctx context.Context, grow bool) ([]byte, error) {
	for {
		b.mu.Lock()
		seg := b.data.Free(grow)
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
func (b *queue) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Commit(n)
	b.put += uint64(n)
	post(b.ready)
}

// command puts an command in behind the data, and waits while there are too many.
func (b *queue) command(ctx context.Context, o command) error {
	for {
		b.mu.Lock()
		fits := len(b.commands) < queueCommands
		if fits {
			o.at = b.put
			b.commands = append(b.commands, o)
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

// requestPurge drops the data that is in, and makes a purge of the port come next.
func (b *queue) requestPurge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.purge, b.purging = b.put, true
	post(b.ready)
}

// purgePending reports whether a purge has come that was not yet carried out.
func (b *queue) purgePending() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.purging
}

// close lets next end when all is done.
func (b *queue) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	post(b.ready)
}

// next waits for something to do. It returns false at the end.
func (b *queue) next() (entry, bool) {
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
func (b *queue) first() (entry, bool) {
	if b.purging {
		b.purging = false
		return entry{purge: true}, true
	}
	if b.got < b.purge {
		b.drop(int(b.purge - b.got))
	}
	upTo := b.put
	if len(b.commands) > 0 {
		o := b.commands[0]
		if o.at <= b.got { // less after a purge
			b.commands = append(b.commands[:0], b.commands[1:]...)
			post(b.space)
			return entry{command: o}, true
		}
		upTo = o.at
	}
	return entry{data: b.data.Peek(int(upTo - b.got))}, upTo > b.got
}

// done takes away n bytes of the data that next returned.
func (b *queue) done(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(n)
}

func (b *queue) drop(n int) {
	b.data.Skip(n)
	b.got += uint64(n)
	post(b.space)
}
