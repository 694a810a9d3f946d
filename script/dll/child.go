package dll

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/rasline/rasline/ras"
)

// invoker calls a DLL in this process.
type invoker func(ctx context.Context, j *job, l *line, trace func(record)) (*result, error)

// runChild is the life of a child process: it says hello, gets its job, runs it
// with invoke and tells the result. gone is called when the parent's pipe ends,
// even while the DLL runs.
func runChild(r io.Reader, w io.Writer, invoke invoker, gone func()) error {
	out := &messageWriter{w: w}
	if err := out.write(message{kind: mHello, value: protocolVersion}); err != nil {
		return err
	}
	m, err := readMessage(r)
	if err != nil {
		return err
	}
	if m.kind != mStart {
		return fmt.Errorf("%w: message %d where the job was due", errProtocol, m.kind)
	}
	j, err := decodeJob(m.data)
	clear(m.data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	api := newClient(out)
	go func() {
		api.read(r, func(code ras.Code) { cancel(code) })
		gone()
	}()
	l := &line{api: api, port: j.port, strict: true, log: slog.New(slog.DiscardHandler)}
	return out.write(finalMessage(invoke(ctx, j, l, traceOver(out, m.value))))
}

// traceOver returns a function that sends the trace to the parent, or nil if
// the parent's flags do not ask for it.
func traceOver(out *messageWriter, flags uint32) func(record) {
	if flags&flagTrace == 0 {
		return nil
	}
	return func(r record) {
		out.write(message{kind: mTrace, id: uint32(r.callback), value: r.size, limit: r.limit, code: r.code})
	}
}

func finalMessage(res *result, err error) message {
	if err != nil {
		return message{kind: mFailed, code: ras.CodeOf(err), data: []byte(causeOf(err).Error())}
	}
	return message{kind: mDone, code: res.code, value: uint32(res.leaked), data: encodeResult(res)}
}

// causeOf leaves out the code, which travels beside the text.
func causeOf(err error) error {
	if e, ok := err.(*ras.Error); ok && e.Err != nil {
		return e.Err
	}
	return err
}
