package ras

import (
	"context"
	"time"

	"github.com/rasline/rasline/port"
)

// MaxBuffer is the size in bytes of the largest buffer that GetBuffer grants.
const MaxBuffer = 1500

// Handle names the port of one connection to the callbacks, as hPort does. The
// zero Handle is never valid.
type Handle uintptr

// Buffer is memory that GetBuffer granted for sending or receiving.
type Buffer interface {
	// Bytes returns the memory. Its length is the size that was granted.
	// It must not be used after FreeBuffer.
	Bytes() []byte
}

// API is the set of callbacks that RAS hands to a custom script. Session
// implements it over a port, package dllexport over the function pointers of a
// real Windows host, and it may be implemented outside this module, as a
// decorator or over something else.
//
// Every error matches a Code with errors.Is. All methods may be called from
// several goroutines concurrently.
//
// An API may have abilities besides the six callbacks, each an interface that
// code finds with a type assertion. Scripts that use the methods of Call, as
// package script does, give the same results without them:
//
//	ability          without it
//	ContextSender    a cancelled send returns immediately and continues in the callback
//	ReceiveCanceler  a cancelled receive stays posted and serves the next one
//	Returner         bytes that are given back wait in the Call, not in the API
//	Failer           a lost carrier that another watched ends the context alone
//	PortHolder       no breaks, modem lines and error counts
//	BytesReceiver    Call.Receive needs a buffer and five more callbacks
//	BytesSender      Call.Send needs a buffer and three callbacks
//
// An ability whose method returns an error that matches errors.ErrUnsupported, and
// has done nothing, is treated as missing in that call. So a decorator may have all
// abilities and forward those that the API below it has.
type API interface {
	// GetBuffer is RasGetBuffer: it grants a zeroed buffer of size bytes. A
	// size of 0 or less, or above MaxBuffer, gives MaxBuffer bytes.
	// ErrOutOfBuffers means that too many are granted already.
	GetBuffer(size int) (Buffer, error)

	// FreeBuffer is RasFreeBuffer: it frees a buffer of GetBuffer.
	// ErrBufferInvalid refuses one that is not the caller's to free, and
	// ErrAsyncRequestPending one that a receive or a send still uses.
	FreeBuffer(b Buffer) error

	// SendBuffer is RasSendBuffer: it sends the first n bytes of b and returns
	// when the port has accepted all of them. ErrBufferTooSmall means that b has
	// fewer than n.
	SendBuffer(port Handle, b Buffer, n int) error

	// ReceiveBuffer is RasReceiveBuffer: it posts a receive and returns
	// immediately. The event is reset, and set when at least one byte has
	// arrived, when the timeout has passed, or when the port has failed;
	// RetrieveBuffer then reports which. A timeout of 0 or less is no limit. One receive at a time
	// can be pending: a second gets ErrAsyncRequestPending.
	ReceiveBuffer(port Handle, b Buffer, timeout time.Duration, ev *Event) error

	// RetrieveBuffer is RasRetrieveBuffer: it moves received bytes into b and
	// returns their number, which is 0 with every error. What b has no room
	// for stays first in line for the next receive. Before the event is set it
	// returns ErrPending, after a timeout ErrRequestTimeout, and with no
	// receive posted ErrInvalidParameter; on a port that failed the cause of
	// the failure.
	RetrieveBuffer(port Handle, b Buffer) (n int, err error)

	// SetCommSettings is RasSetCommSettings: it sets data bits, parity and
	// stop bits after earlier output has been transmitted. ErrNotSupported, which
	// matches errors.ErrUnsupported, means that the port has no such settings.
	SetCommSettings(port Handle, s CommSettings) error
}

// The abilities that an API may have besides the six callbacks. Code that uses
// one finds it with a type assertion, and works without: see the comment of each.
// No method of Call has the name of an ability of these but Line, which returns
// the same port for the Call and for its API.

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

// ReceiveCanceler is an API whose pending receive can be cancelled.
//
// Without it Call.CancelReceive leaves the receive with the API, and the next
// receive of the call continues with it, within a limit that the Call keeps
// itself.
type ReceiveCanceler interface {
	// CancelPosted cancels the pending receive of the port, whose event is
	// not set and whose buffer can then be freed. Bytes that arrive meanwhile
	// are kept. Without a pending receive it does nothing.
	CancelPosted(port Handle) error
}

// Returner is an API that accepts bytes which were retrieved and not used.
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
// that do not know the context continue to their own limits.
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

// BytesReceiver is an API that receives into memory of the caller, on the
// goroutine of the caller.
//
// Without it Call.Receive gets a buffer, posts a receive with it, waits for the
// event, retrieves and frees the buffer: what a decorator that forwards the six
// callbacks alone sees of each receive.
type BytesReceiver interface {
	// ReceiveCanceler and Returner end a ReceiveBytes that runs on another
	// goroutine: the first with an error that matches ErrInvalidParameter, as
	// RetrieveBuffer returns it without a receive, the second with the bytes.
	ReceiveCanceler
	Returner

	// ReceiveBytes is ReceiveBuffer and, when the event is set, RetrieveBuffer:
	// it waits for bytes, moves at most len(b) of them into b and returns their
	// number, with the same limits and errors. It is the one receive of the
	// port until it returns. If ctx ends first it returns an error as ContextError
	// makes it, no receive is pending and no byte is lost. b must not be empty,
	// and is the caller's again when it returns.
	//
	// An error that matches errors.ErrUnsupported means that it has done
	// nothing, and that the callbacks must be used for this receive.
	ReceiveBytes(ctx context.Context, port Handle, b []byte, timeout time.Duration) (n int, err error)
}

// BytesSender is an API that sends from memory of the caller.
//
// Without it Call.Send copies the bytes to a buffer, sends that and frees it.
type BytesSender interface {
	// SendBytes is SendBuffer with bytes of the caller, which are the caller's
	// again when it returns, and a context as in ContextSender. All bytes go
	// under one limit: send no more than MaxBuffer.
	//
	// An error that matches errors.ErrUnsupported means that it has done
	// nothing, and that the callbacks must be used for this send.
	SendBytes(ctx context.Context, port Handle, b []byte) error
}
