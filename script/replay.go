package script

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"sync"
	"weak"

	"github.com/rasline/rasline/port"
)

// leftover is what a run left unread, shared by the ports that Result.Port
// returns and by the next Run on the port: the first to read gets the bytes.
type leftover struct {
	mu    sync.Mutex // guards bytes
	bytes []byte
}

func (l *leftover) read(b []byte) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := copy(b, l.bytes)
	l.bytes = l.bytes[n:]
	return n
}

func (l *leftover) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.bytes)
}

// take returns all bytes that are left.
func (l *leftover) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bytes
	l.bytes = nil
	return b
}

// leftovers finds the Result of the last Run on a port that left bytes. A port
// that is a pointer is known by its address and not kept alive; one of another
// type, such as a struct that embeds a port, is kept until the bytes are read. A
// value that cannot be compared is not known again.
var leftovers = struct {
	sync.Mutex // guards the fields below; acquired before that of a leftover
	pointers   map[weak.Pointer[byte]]kept
	values     map[port.Port]kept
	swept      int // len(pointers) after dead entries were removed last
}{pointers: make(map[weak.Pointer[byte]]kept), values: make(map[port.Port]kept)}

// kept is what one Run left: the bytes, and the Result, whose owner may have set
// Unread to nil.
type kept struct {
	rest   *leftover
	result weak.Pointer[Result]
}

// portKey returns the address of p, or false if p is no pointer.
func portKey(p port.Port) (weak.Pointer[byte], bool) {
	v := reflect.ValueOf(p)
	if v.Kind() != reflect.Pointer || v.Type().Elem().Size() == 0 {
		return weak.Pointer[byte]{}, false
	}
	return weak.Make((*byte)(v.UnsafePointer())), true
}

// keepLeftover registers the unread bytes of a result for the next Run.
func keepLeftover(res *Result) *leftover {
	if len(res.Unread) == 0 || res.port == nil {
		return nil
	}
	rest := &leftover{bytes: bytes.Clone(res.Unread)}
	k := kept{rest, weak.Make(res)}
	leftovers.Lock()
	defer leftovers.Unlock()
	key, ok := portKey(res.port)
	if !ok {
		if reflect.ValueOf(res.port).Comparable() {
			leftovers.values[res.port] = k
		}
		return rest
	}
	if len(leftovers.pointers) > 2*leftovers.swept+16 {
		for key := range leftovers.pointers {
			if key.Value() == nil {
				delete(leftovers.pointers, key)
			}
		}
		leftovers.swept = len(leftovers.pointers)
	}
	leftovers.pointers[key] = k
	return rest
}

// takeLeftover returns the port below those of Result.Port, and what the last Run
// on it left and nothing has read.
func takeLeftover(p port.Port) (below port.Port, unread []byte) {
	for {
		r, ok := p.(*replay)
		if !ok {
			break
		}
		p, unread = r.Port, append(unread, r.rest.take()...)
	}
	if p == nil {
		return nil, unread
	}
	leftovers.Lock()
	defer leftovers.Unlock()
	var k kept
	if key, ok := portKey(p); ok {
		k = leftovers.pointers[key]
		delete(leftovers.pointers, key)
	} else if reflect.ValueOf(p).Comparable() {
		k = leftovers.values[p]
		delete(leftovers.values, p)
	}
	if res := k.result.Value(); k.rest == nil || res != nil && res.Unread == nil {
		return p, unread
	}
	return p, append(unread, k.rest.take()...)
}

// replay is a port that gives some bytes before those of the line.
type replay struct {
	port.Forward
	rest *leftover
}

// Read gives the kept bytes first, whatever the deadline: they have arrived.
func (r *replay) Read(b []byte) (int, error) {
	if n := r.rest.read(b); n > 0 {
		return n, nil
	}
	return r.Port.Read(b)
}

// Close closes the port and drops the kept bytes.
func (r *replay) Close() error {
	r.rest.take()
	return r.Port.Close()
}

// Queued counts the kept bytes among those received.
func (r *replay) Queued() (in, out int, err error) {
	in, out, err = r.Forward.Queued()
	if err == nil {
		in += r.rest.len()
	}
	return in, out, err
}

// Detach is refused while there are kept bytes, which the file does not have.
func (r *replay) Detach() (*os.File, error) {
	p, ok := r.Port.(port.Detacher)
	if !ok {
		return nil, r.Unsupported("detach")
	}
	if n := r.rest.len(); n > 0 {
		return nil, &port.OpError{Op: "detach", Port: r.Name(), Err: fmt.Errorf("%d bytes that were received wait to be read first", n)}
	}
	return p.Detach()
}

// Discard of the input drops the kept bytes as well.
func (r *replay) Discard(d port.Direction) error {
	if d&port.Input != 0 {
		r.rest.take()
	}
	return r.Forward.Discard(d)
}
