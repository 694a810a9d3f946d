package ras

import "time"

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
// several goroutines at once.
//
// An API may have abilities besides the six callbacks, each an interface that
// code asks for with a type assertion. Scripts that use the methods of Call, as
// package script does, give the same results without them:
//
//	ability          without it
//	ContextSender    a cancelled send returns at once and goes on in the callback
//	ReceiveCanceler  a cancelled receive stays posted; the next one takes it over
//	Returner         bytes that are given back wait in the Call, not in the API
//	Failer           a lost carrier that another watched ends the context alone
//	PortHolder       no breaks, modem lines and error counts
type API interface {
	// GetBuffer is RasGetBuffer: it grants a zeroed buffer of size bytes. A
	// size of 0 or less, or above MaxBuffer, gives MaxBuffer bytes.
	// ErrOutOfBuffers says that too many are out already.
	GetBuffer(size int) (Buffer, error)

	// FreeBuffer is RasFreeBuffer: it takes back a buffer of GetBuffer.
	// ErrBufferInvalid refuses one that is not the caller's to free, and
	// ErrAsyncRequestPending one that a receive or a send still uses.
	FreeBuffer(b Buffer) error

	// SendBuffer is RasSendBuffer: it sends the first n bytes of b and returns
	// when the port has taken all of them. ErrBufferTooSmall says that b has
	// fewer than n.
	SendBuffer(port Handle, b Buffer, n int) error

	// ReceiveBuffer is RasReceiveBuffer: it posts a receive and returns at
	// once. The event is reset, and set when at least one byte is there, when
	// the timeout has passed, or when the port has failed; RetrieveBuffer then
	// tells which. A timeout of 0 or less is no limit. One receive at a time
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
	// stop bits after earlier output has left. ErrNotSupported, which matches
	// errors.ErrUnsupported, says that the port has no such settings.
	SetCommSettings(port Handle, s CommSettings) error
}
