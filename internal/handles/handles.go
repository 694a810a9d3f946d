// Package handles finds the state that belongs to the handle of a port.
//
// A script may wrap the callbacks and make a new Call of them itself; all that
// such a Call has in common with the one it was made from is the handle. The
// host of a run, which knows that the handle is its own, registers it here, and
// the Calls on it find each other's state.
package handles

import (
	"sync"
	"weak"
)

// Slot holds what the users of one handle share.
type Slot struct {
	Mutex sync.Mutex // guards Value
	Value any
}

var (
	mu    sync.Mutex // guards what follows
	slots = map[uintptr]weak.Pointer[Slot]{}
	swept int // len(slots) after entries without a slot were removed last
)

// Register returns a new slot for the handle h, which must be unique in the
// process while the slot exists. The slot is removed when it is collected as
// garbage, so the owner of the handle keeps it.
func Register(h uintptr) *Slot {
	mu.Lock()
	defer mu.Unlock()
	if len(slots) > 2*swept+64 {
		for h, p := range slots {
			if p.Value() == nil {
				delete(slots, h)
			}
		}
		swept = len(slots)
	}
	s := new(Slot)
	slots[h] = weak.Make(s)
	return s
}

// Release removes the slot of h if it is s.
func Release(h uintptr, s *Slot) {
	mu.Lock()
	defer mu.Unlock()
	if slots[h].Value() == s {
		delete(slots, h)
	}
}

// Find returns the slot of h, or nil if the handle is not registered.
func Find(h uintptr) *Slot {
	mu.Lock()
	defer mu.Unlock()
	return slots[h].Value()
}
