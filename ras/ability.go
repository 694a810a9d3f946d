package ras

import (
	"context"

	"github.com/rasline/rasline/port"
)

// The abilities that an API may have besides the six callbacks. Code that wants
// one asks the API for it with a type assertion, and works without: see the
// comment of each. No method of Call has the name of an ability of these but
// Line, which gives the same port whether the Call or its API is asked.

// ContextSender is an API whose sends end with a context.
//
// Without it Call.SendContext runs SendBuffer on a goroutine of its own. If the
// context ends first it returns, the buffer stays in use by the callback, and
// the next send of the call waits for it.
type ContextSender interface {
	// SendBufferContext is SendBuffer, and returns an error as ContextError
	// makes it when ctx ends. What was sent by then is a part of the bytes
	// from their start.
	SendBufferContext(ctx context.Context, port Handle, b Buffer, n int) error
}

// ReceiveCanceler is an API whose pending receive can be taken back.
//
// Without it Call.CancelReceive leaves the receive with the API, and the next
// receive of the call goes on with it, within a limit that the Call keeps
// itself.
type ReceiveCanceler interface {
	// CancelPosted takes back the pending receive of the port, whose event is
	// not set and whose buffer can then be freed. Bytes that arrive meanwhile
	// are kept. Without a pending receive it does nothing.
	CancelPosted(port Handle) error
}

// Returner is an API that takes bytes back which were retrieved and not used.
//
// Without it the Call keeps them: receives through a Call get them first,
// receives that go to the API directly do not get them.
type Returner interface {
	// ReturnBytes puts a copy of b in front of everything that has not been
	// retrieved. A pending receive completes with it.
	ReturnBytes(port Handle, b []byte) error
}

// Failer is an API whose port can be declared lost by code that has learnt so
// in another way, such as a watch of the carrier.
//
// Without it such code can only end the context of the run, and the callbacks
// that do not know the context go on to their own limits.
type Failer interface {
	// Fail makes every pending and later call fail with cause. Only the first
	// failure of a port counts.
	Fail(cause error)
}

// PortHolder is an API that works on a port of this program.
//
// Without it Call.Line is nil: breaks, modem lines and error counts are not
// available to the script, and it must do without.
type PortHolder interface {
	// Line returns the port, or nil. It must not be read, written or closed.
	Line() port.Port
}
