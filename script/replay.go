package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"time"
	"weak"

	"github.com/rasline/rasline/port"
)

// leftover is what a run left unread, shared by the ports that Result.Port
// returns and by the next Run on the port: the first to read gets the bytes.
type leftover struct {
	mu    sync.Mutex
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
	sync.Mutex
	pointers map[weak.Pointer[byte]]kept
	values   map[port.Port]kept
	swept    int // len(pointers) after dead entries were removed last
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
	port.Port
	rest *leftover
}

var (
	_ port.ModeSetter      = (*replay)(nil)
	_ port.LineController  = (*replay)(nil)
	_ port.Breaker         = (*replay)(nil)
	_ port.BreakSetter     = (*replay)(nil)
	_ port.Drainer         = (*replay)(nil)
	_ port.Counter         = (*replay)(nil)
	_ port.QueueCounter    = (*replay)(nil)
	_ port.Detacher        = (*replay)(nil)
	_ port.AbilityReporter = (*replay)(nil)
	_ port.Named           = (*replay)(nil)
	_ port.Hider           = (*replay)(nil)
	_ port.Interruptible   = (*replay)(nil)
)

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

// Abilities reports what the port underneath can do.
func (r *replay) Abilities() port.Abilities { return port.AbilitiesOf(r.Port) }

// Name returns the name of the port underneath, or its type.
func (r *replay) Name() string {
	if p, ok := r.Port.(port.Named); ok {
		return p.Name()
	}
	return fmt.Sprintf("%T", r.Port)
}

// Hide masks text in what the port underneath keeps, if it keeps anything.
func (r *replay) Hide(text string) {
	if p, ok := r.Port.(port.Hider); ok {
		p.Hide(text)
	}
}

// Interruptible reports what the port underneath does.
func (r *replay) Interruptible() bool {
	p, ok := r.Port.(port.Interruptible)
	return ok && p.Interruptible()
}

func (r *replay) unsupported(op string) error {
	return &port.OpError{Op: op, Port: r.Name(), Err: errors.ErrUnsupported}
}

func (r *replay) Mode() (port.Mode, error) {
	if p, ok := r.Port.(port.ModeSetter); ok {
		return p.Mode()
	}
	return port.Mode{}, r.unsupported("mode")
}

func (r *replay) SetMode(m port.Mode) error {
	if p, ok := r.Port.(port.ModeSetter); ok {
		return p.SetMode(m)
	}
	return r.unsupported("set mode")
}

func (r *replay) Lines() (port.Lines, error) {
	if p, ok := r.Port.(port.LineController); ok {
		return p.Lines()
	}
	return 0, r.unsupported("lines")
}

func (r *replay) SetLines(mask, values port.Lines) error {
	if p, ok := r.Port.(port.LineController); ok {
		return p.SetLines(mask, values)
	}
	return r.unsupported("set lines")
}

func (r *replay) WaitLines(ctx context.Context, mask port.Lines) (port.Lines, error) {
	if p, ok := r.Port.(port.LineController); ok {
		return p.WaitLines(ctx, mask)
	}
	return 0, r.unsupported("wait lines")
}

func (r *replay) SendBreak(ctx context.Context, d time.Duration) error {
	if p, ok := r.Port.(port.Breaker); ok {
		return p.SendBreak(ctx, d)
	}
	return r.unsupported("send break")
}

func (r *replay) SetBreak(on bool) error {
	if p, ok := r.Port.(port.BreakSetter); ok {
		return p.SetBreak(on)
	}
	return r.unsupported("set break")
}

// Queued counts the kept bytes among those received.
func (r *replay) Queued() (in, out int, err error) {
	p, ok := r.Port.(port.QueueCounter)
	if !ok {
		return 0, 0, r.unsupported("queued")
	}
	in, out, err = p.Queued()
	if err == nil {
		in += r.rest.len()
	}
	return in, out, err
}

// Detach is refused while there are kept bytes, which the file does not have.
func (r *replay) Detach() (*os.File, error) {
	p, ok := r.Port.(port.Detacher)
	if !ok {
		return nil, r.unsupported("detach")
	}
	if n := r.rest.len(); n > 0 {
		return nil, &port.OpError{Op: "detach", Port: r.Name(), Err: fmt.Errorf("%d bytes that were received wait to be read first", n)}
	}
	return p.Detach()
}

func (r *replay) Drain(ctx context.Context) error {
	if p, ok := r.Port.(port.Drainer); ok {
		return p.Drain(ctx)
	}
	return r.unsupported("drain")
}

// Discard of the input drops the kept bytes as well.
func (r *replay) Discard(d port.Direction) error {
	if d&port.Input != 0 {
		r.rest.take()
	}
	if p, ok := r.Port.(port.Drainer); ok {
		return p.Discard(d)
	}
	return r.unsupported("discard")
}

func (r *replay) Stats() (port.Stats, error) {
	if p, ok := r.Port.(port.Counter); ok {
		return p.Stats()
	}
	return port.Stats{}, r.unsupported("stats")
}
