package dll

import (
	"context"
	"log/slog"

	"github.com/rasline/rasline/ras"
)

// callback numbers the six callbacks, in the order of the DLL's parameters.
type callback uint8

const (
	cbGet callback = iota
	cbFree
	cbSend
	cbReceive
	cbRetrieve
	cbSetComm
	callbacks // how many there are
)

var callbackNames = [callbacks]string{
	"RasGetBuffer", "RasFreeBuffer", "RasSendBuffer",
	"RasReceiveBuffer", "RasRetrieveBuffer", "RasSetCommSettings",
}

// record is one line of the trace: a callback of the DLL with its result. It never
// contains data.
type record struct {
	callback callback
	size     uint32 // bytes granted, sent or retrieved
	limit    uint32 // dwTimeOut in milliseconds
	code     ras.Code
}

// traceTo returns a function that writes records to log, or nil if no handler reads
// them.
func traceTo(ctx context.Context, log *slog.Logger) func(record) {
	if !log.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	return func(r record) {
		attrs := make([]slog.Attr, 0, 2)
		switch r.callback {
		case cbGet, cbSend, cbRetrieve:
			attrs = append(attrs, slog.Int64("size", int64(r.size)))
		case cbReceive:
			attrs = append(attrs, slog.Int64("timeout", int64(r.limit)))
		}
		attrs = append(attrs, slog.Int64("code", int64(r.code)))
		name := "unknown callback"
		if r.callback < callbacks {
			name = callbackNames[r.callback]
		}
		log.LogAttrs(ctx, slog.LevelDebug, name, attrs...)
	}
}
