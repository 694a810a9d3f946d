package dllexport

import (
	"context"
	"time"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

// host is the function pointers of RasCustomScriptExecute. Codes are as the
// host returned them. Its methods may be called from several goroutines.
type host interface {
	getBuffer(size uint32) (mem []byte, code ras.Code)
	freeBuffer(mem []byte) ras.Code
	sendBuffer(mem []byte, n uint32) ras.Code
	receiveBuffer(mem []byte, ms uint32, ev hostEvent) ras.Code
	retrieveBuffer(mem []byte) (n uint32, code ras.Code)
	setCommSettings(c rasabi.CommSettings) ras.Code // ErrNotSupported without the extension
	newEvent() (hostEvent, error)
}

// hostEvent is an auto-reset event that the host signals.
type hostEvent interface {
	// wait returns nil when the event is signalled, and the context's cause
	// when that ends first.
	wait(ctx context.Context) error

	// close gives the event up. One that the host may still signal stays open,
	// since its handle's number must not become another's.
	close(hostHasIt bool)
}

// infinite is the value of dwTimeOut for no limit.
const infinite = 0xFFFFFFFF

// milliseconds converts the limit of a receive to dwTimeOut, rounded up.
func milliseconds(limit time.Duration) uint32 {
	if limit <= 0 || limit > (infinite-1)*time.Millisecond {
		return infinite
	}
	return uint32((limit + time.Millisecond - 1) / time.Millisecond)
}
