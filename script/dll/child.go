package dll

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rasline/rasline/ras"
)

// invoker calls the DLL of a job with the callbacks of b. The end of ctx cancels
// the windows of the DLL. An error means that the DLL was not called or did not
// return; it is a *ras.Error.
type invoker func(ctx context.Context, j *job, b *bridge) (*result, error)

// runChild runs in a child process: it sends a hello, receives its job, runs it
// with invoke and sends the result. gone is called when the parent's pipe ends,
// even while the DLL runs.
func runChild(r io.Reader, w io.Writer, newSystem func(strict bool) system, invoke invoker, gone func()) error {
	out := &messageWriter{w: w}
	if err := out.write(message{kind: mHello, value: protocolVersion}); err != nil {
		return err
	}
	m, err := readMessage(r)
	if err != nil {
		return err
	}
	if m.kind != mStart {
		return fmt.Errorf("%w: message %d, want the job", errProtocol, m.kind)
	}
	j, err := decodeJob(m.data)
	clear(m.data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	b := &bridge{
		port: j.port, w: out, sys: newSystem(m.value&flagStrict != 0), traced: m.value&flagTrace != 0,
		blocks: make(map[uintptr]*block), calls: make(map[uint32]chan message), signals: make(map[uint32]signal),
	}
	go func() { // ends with the pipe, or the process
		b.read(r, func(code ras.Code) { cancel(code) })
		gone()
	}()
	res, err := invoke(ctx, j, b)
	leaked, damaged := b.close()
	var failed *ras.Error
	switch {
	case errors.As(err, &failed):
		return out.write(message{kind: mFailed, code: failed.Code, data: appendTexts(nil, failed.Op, fmt.Sprint(failed.Err))})
	case err != nil:
		return err
	}
	return out.write(message{kind: mDone, code: res.code, value: uint32(leaked), limit: uint32(damaged), data: encodeResult(res)})
}
