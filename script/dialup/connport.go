package dialup

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rasline/rasline/port"
)

// connPort is the port of a Conn, which Handover replaces by another one on the same
// device while the methods of the Conn may be called. It has every ability that
// port.Forward has.
type connPort struct{ now atomic.Pointer[port.Forward] }

func (l *connPort) set(p port.Port) { l.now.Store(&port.Forward{Port: p}) }

func (l *connPort) Read(b []byte) (int, error)         { return l.now.Load().Read(b) }
func (l *connPort) Write(b []byte) (int, error)        { return l.now.Load().Write(b) }
func (l *connPort) Close() error                       { return l.now.Load().Close() }
func (l *connPort) SetDeadline(t time.Time) error      { return l.now.Load().SetDeadline(t) }
func (l *connPort) SetReadDeadline(t time.Time) error  { return l.now.Load().SetReadDeadline(t) }
func (l *connPort) SetWriteDeadline(t time.Time) error { return l.now.Load().SetWriteDeadline(t) }
func (l *connPort) Abilities() port.Abilities          { return l.now.Load().Abilities() }
func (l *connPort) Name() string                       { return l.now.Load().Name() }
func (l *connPort) Hide(text string)                   { l.now.Load().Hide(text) }
func (l *connPort) Interruptible() bool                { return l.now.Load().Interruptible() }
func (l *connPort) Mode() (port.Mode, error)           { return l.now.Load().Mode() }
func (l *connPort) SetMode(m port.Mode) error          { return l.now.Load().SetMode(m) }
func (l *connPort) Lines() (port.Lines, error)         { return l.now.Load().Lines() }
func (l *connPort) SetLines(mask, values port.Lines) error {
	return l.now.Load().SetLines(mask, values)
}
func (l *connPort) SetBreak(on bool) error                { return l.now.Load().SetBreak(on) }
func (l *connPort) Drain(ctx context.Context) error       { return l.now.Load().Drain(ctx) }
func (l *connPort) Discard(d port.Direction) error        { return l.now.Load().Discard(d) }
func (l *connPort) Stats() (port.Stats, error)            { return l.now.Load().Stats() }
func (l *connPort) Queued() (in, out int, err error)      { return l.now.Load().Queued() }
func (l *connPort) Detach() (*os.File, error)             { return l.now.Load().Detach() }
func (l *connPort) SyscallConn() (syscall.RawConn, error) { return l.now.Load().SyscallConn() }

func (l *connPort) SendBreak(ctx context.Context, d time.Duration) error {
	return l.now.Load().SendBreak(ctx, d)
}

func (l *connPort) WaitLines(ctx context.Context, mask port.Lines) (port.Lines, error) {
	return l.now.Load().WaitLines(ctx, mask)
}
