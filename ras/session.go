package ras

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/internal/handles"
	"github.com/rasline/rasline/port"
)

// The Windows names of the callbacks, for errors and logs.
const (
	opGet      = "RasGetBuffer"
	opFree     = "RasFreeBuffer"
	opSend     = "RasSendBuffer"
	opReceive  = "RasReceiveBuffer"
	opRetrieve = "RasRetrieveBuffer"
	opSetComm  = "RasSetCommSettings"
)

// The names of what the callbacks lack.
const (
	opReturn = "return bytes"
	opCancel = "cancel receive"
)

const (
	defaultBuffers     = 32
	defaultSendTimeout = time.Minute
	closeLimit         = 5 * time.Second // for a port whose deadlines do not free its calls
)

// past is a deadline that frees a blocked call immediately.
var past = time.Unix(1, 0)

// Config holds the settings of a Session. The zero Config and a nil one work.
type Config struct {
	// Buffers is how many buffers may be granted at a time; GetBuffer then returns
	// ErrOutOfBuffers. Default, and for 0 or less: 32.
	Buffers int

	// SendTimeout bounds one SendBuffer, so that a line that is held off by
	// flow control cannot hold the script for ever: it ends with
	// ErrRequestTimeout and the port stays usable. Default, and for 0: one minute.
	// Negative: no limit.
	SendTimeout time.Duration

	// ReadAhead lets one read of the port return this many bytes while data
	// streams in, that is when the read before filled the posted buffer. What
	// the buffer has no room for completes the next receives. Default, and for
	// less than the size of the buffer: a read returns what the buffer has room for
	// and nothing more.
	ReadAhead int

	// Log gets warnings about misuse (leaks, a receive left pending) and, at
	// debug level, failures. It never gets data. Its handler must not use the
	// session, which may hold its lock. Default: no log.
	Log *slog.Logger
}

// Stats are the counts of a Session.
type Stats struct {
	Received  uint64 // bytes handed over by RetrieveBuffer and not given back
	Sent      uint64 // bytes accepted by the port
	Receives  uint64 // receives that ended with data
	Timeouts  uint64 // receives that ended without
	Sends     uint64 // calls of SendBuffer that succeeded
	Leaked    int    // buffers that were still out at Close
	Cancelled bool   // whether a receive was pending at Close
}

// lastHandle numbers the sessions of the process, as Windows does in steps of 4.
// It begins at a random number of 31 bits, since the handle is how a Call over a
// decorator finds the state of its run: a Call on an API of the user's own, whose
// handles are small numbers as a rule, must not be mistaken for one on a session.
var lastHandle atomic.Uintptr

func init() { lastHandle.Store(1<<30 + 4*rand.N[uintptr](1<<26)) }

// Session gives a script the callbacks over a port. It implements API and all
// of its abilities.
//
// A session reads the port only while a receive is posted, and then at most as
// many bytes as the posted buffer holds, or Config.ReadAhead; everything else
// stays in the port, in order. It sets the port's deadlines while it is in use,
// and no other code may read, write or set deadlines then. It never closes the
// port.
//
// On a port that is known to obey deadlines (port.Interruptible) the session
// reads on the goroutine that waits and ends a blocked call by a deadline in
// the past. On any other port it reads and writes on goroutines of its own,
// which a limit or a cancel leaves in the port: a read continues for the next
// receive, and the next send waits for the write. It sets no write
// deadline there before Close, since a write that times out ruins some
// connections, those of crypto/tls for one.
//
// The first failure of the port sticks: every later call repeats its cause. A
// panic of the port is such a failure, with ErrPortOrDevice; on the goroutine of
// a caller it continues to the caller.
// All methods may be called from several goroutines concurrently.
//
// Locks: mu guards the fields below it and is never held during a call of the
// port that can block. What keeps such calls apart are rxReader, who reads the
// port, and transmit.held, the right to write to it or to change its settings.
type Session struct {
	handle Handle
	port   port.Port
	cfg    Config
	obeys  bool          // the port is port.Interruptible
	loop   func()        // readOn, as a value made once
	dead   chan struct{} // closed when cause is set
	done   chan struct{} // closed by Close
	shared *callState    // of the calls on this session

	mu     sync.Mutex
	pool   pool
	rx     receive
	tx     transmit
	cause  *Error // the first failure
	closed bool
	stats  Stats
}

var (
	_ API             = (*Session)(nil)
	_ ContextSender   = (*Session)(nil)
	_ ReceiveCanceler = (*Session)(nil)
	_ Returner        = (*Session)(nil)
	_ Failer          = (*Session)(nil)
	_ PortHolder      = (*Session)(nil)
	_ BytesReceiver   = (*Session)(nil)
	_ BytesSender     = (*Session)(nil)
)

// NewSession makes a session on p; a nil cfg means the zero Config. A nil port
// gives a session whose calls fail with ErrPortNotOpen.
func NewSession(p port.Port, cfg *Config) *Session {
	s := &Session{
		handle: Handle(lastHandle.Add(4)),
		port:   p,
		obeys:  interruptible(p),
		tx:     transmit{handed: make(chan struct{}, 1)},
		dead:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	if cfg != nil {
		s.cfg = *cfg
	}
	if s.cfg.Buffers <= 0 {
		s.cfg.Buffers = defaultBuffers
	}
	if s.cfg.SendTimeout == 0 {
		s.cfg.SendTimeout = defaultSendTimeout
	}
	if s.cfg.Log == nil {
		s.cfg.Log = slog.New(slog.DiscardHandler)
	}
	s.shared = &callState{slot: handles.Register(uintptr(s.handle)), api: s}
	s.shared.slot.Value = s.shared
	s.loop = s.readOn
	s.rx.mayReturn = maxUnread
	s.rx.watch.ended, s.rx.limit.fire = s.readContextEnded, s.readLimitPassed
	s.tx.watch.ended, s.tx.limit.fire = s.writeContextEnded, s.writeLimitPassed
	if p == nil {
		s.port = nowhere{}
		s.Fail(ErrPortNotOpen)
	}
	return s
}

// interruptible reports whether a deadline is known to free the calls of p
// without harm.
func interruptible(p port.Port) bool {
	switch p := p.(type) {
	case port.Interruptible:
		return p.Interruptible()
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// Handle returns the handle that the callbacks of this session take.
func (s *Session) Handle() Handle { return s.handle }

// Format prints the handle and no data, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "session %d", s.handle) }

// Line returns the port, for the abilities that the callbacks do not have; see
// Call.Line.
func (s *Session) Line() port.Port { return s.port }

// Stats returns the counts up to now.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// GetBuffer implements API.
func (s *Session) GetBuffer(size int) (Buffer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.pool.grants) >= s.cfg.Buffers {
		return nil, &Error{Op: opGet, Code: ErrOutOfBuffers}
	}
	if size <= 0 || size > MaxBuffer {
		size = MaxBuffer
	}
	return s.pool.get(s, size), nil
}

// FreeBuffer implements API.
func (s *Session) FreeBuffer(b Buffer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &Error{Op: opFree, Code: ErrInvalidPortHandle, Err: errClosed}
	}
	own, err := s.own(opFree, b)
	if err != nil {
		return err
	}
	switch {
	case own.sending > own.left || s.rx.state == rxPosted && s.rx.buf == own:
		return &Error{Op: opFree, Code: ErrAsyncRequestPending}
	case own.left > 0:
		own.late = true // the end of the send frees it
	default:
		s.pool.put(own)
	}
	return nil
}

// panicked returns the failure of a port of which a call has panicked with v, or,
// if v is nil, with a value that its caller gets.
func (s *Session) panicked(v any) error {
	if v == nil {
		return errPanicked
	}
	return fmt.Errorf("%w: %s", errPanicked, s.shared.masker.MaskText(fmt.Sprint(v)))
}

// own returns the grant that b is if this session granted it and it was not freed.
func (s *Session) own(op string, b Buffer) (*grant, error) {
	own, ok := b.(*grant)
	if !ok || own == nil || own.owner != s || !own.out || own.late {
		return nil, &Error{Op: op, Code: ErrBufferInvalid}
	}
	return own, nil
}

var (
	errTooMuch = &Error{Op: opReturn, Code: ErrBufferTooSmall, Err: errors.New("more than 64 KiB would wait to be received again")}

	errClosed = errors.New("the script has returned")
	errHandle = errors.New("not the handle of this session")

	errPanicked = errors.New("a call of the port has panicked")

	// errNotHere is for a port that must not be used on the goroutine of the
	// caller.
	errNotHere = &Error{Op: "direct transfer", Code: ErrNotSupported, Err: errors.ErrUnsupported}
)

// check makes the checks that are first in every call: the handle, then the
// buffer.
func (s *Session) check(op string, h Handle, b Buffer) (*grant, error) {
	if err := s.checkHandle(op, h); err != nil {
		return nil, err
	}
	return s.own(op, b)
}

func (s *Session) checkHandle(op string, h Handle) error {
	switch {
	case s.closed:
		return &Error{Op: op, Code: ErrInvalidPortHandle, Err: errClosed}
	case h != s.handle:
		return &Error{Op: op, Code: ErrInvalidPortHandle, Err: errHandle}
	}
	return nil
}

// Fail ends the session's use of the port with a cause of the caller's: a
// cancel by the user, a limit of the host, a carrier that another watched. The
// pending receive is completed, blocked sends return, and all later calls
// repeat the cause, whose code is Cause(err). Only the first failure counts.
func (s *Session) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(Cause(err), err)
}

// fail makes code and its cause the sticky failure. s.mu is held.
func (s *Session) fail(code Code, err error) {
	if s.cause != nil {
		return
	}
	s.cause = &Error{Op: "port", Code: code, Err: err}
	if c, ok := err.(Code); ok && c == code {
		s.cause.Err = nil // the code's own text is enough
	}
	close(s.dead)
	s.cfg.Log.Debug("ras: port failed", "code", code.Name(), "cause", err)
	s.rx.complete(rxReady)
	s.haltRead()
	s.haltWrite()
}

// failure returns the sticky cause as the error of op. s.mu is held.
func (s *Session) failure(op string) error {
	return &Error{Op: op, Code: s.cause.Code, Err: s.cause.Err}
}

// Close ends the session: a pending receive is cancelled without touching its
// event, buffers that are still out are freed and counted, and every later call
// fails with ErrInvalidPortHandle (GetBuffer with ErrOutOfBuffers), a call of
// Event.Wait that waits for the session included. The port stays open, without
// deadlines; bytes that were received and not retrieved are in Unread. A second
// Close does nothing.
//
// The error reports that the port did not end a call within five seconds of a
// deadline that ended it; bytes which such a read returns later are lost.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.stats.Cancelled = s.rx.state == rxPosted
	ev := s.rx.ev
	exited := s.stopReading()
	s.haltWrite()
	if !s.obeys && s.tx.held {
		s.port.SetWriteDeadline(past) // the port is not used for sending again
	}
	s.mu.Unlock()
	if ev != nil {
		ev.disarm(s)
	}
	err := s.awaitCalls(exited)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rx.watch.release()
	s.tx.watch.release()
	s.rx.limit.stop()
	s.tx.limit.stop()
	s.stats.Leaked = s.pool.drop()
	if s.stats.Leaked > 0 {
		s.cfg.Log.Warn("ras: the script left buffers unfreed", "buffers", s.stats.Leaked)
	}
	if s.stats.Cancelled {
		s.cfg.Log.Warn("ras: the script left a receive pending")
	}
	if reset := s.port.SetDeadline(time.Time{}); reset != nil && s.cause == nil { // one that has failed may refuse
		code, reset := refusal(reset)
		err = errors.Join(err, &Error{Op: "close", Code: code, Err: reset})
	}
	return err
}

// awaitCalls waits until no call of the port is running on behalf of the
// session, which is closed.
func (s *Session) awaitCalls(exited <-chan struct{}) error {
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-exited:
	case <-limit.C:
		return &Error{Op: "close", Code: ErrPortOrDevice,
			Err: errors.New("the port's Read ignores its deadline, and what it returns is lost: use port.FromStream for a stream without deadlines")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tx.held {
		return nil
	}
	s.tx.waiting++
	s.mu.Unlock()
	select {
	case <-s.tx.handed:
		s.mu.Lock()
		s.handOver() // to sends that still wait, and find the session closed
	case <-limit.C:
		s.mu.Lock()
		s.giveUpTurn()
		return &Error{Op: "close", Code: ErrPortOrDevice,
			Err: errors.New("the port's Write ignores its deadline: use port.FromStream for a stream without deadlines")}
	}
	return nil
}

// Unread returns a copy of the bytes that were received and not retrieved, in
// order. After Close it is what the next reader of the port must get first.
func (s *Session) Unread() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.rx.unread...)
}

// ReturnBytes implements Returner: it puts a copy of bytes that were retrieved
// and not used in front of all others, for the next receive. A pending receive
// completes with them. It fails with ErrBufferTooSmall if more than 64 KiB that
// were given back would wait; bytes that are given to a session before it has
// received any are those of another one, and may be more.
func (s *Session) ReturnBytes(h Handle, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkHandle(opReturn, h); err != nil {
		return err
	}
	if s.rx.returned == 0 && s.stats.Receives == 0 {
		s.rx.mayReturn = max(maxUnread, len(b))
	}
	if s.rx.returned+len(b) > s.rx.mayReturn {
		return errTooMuch
	}
	if len(b) > 0 {
		s.rx.returned += len(b)
		s.rx.unread = append(append(make([]byte, 0, len(b)+len(s.rx.unread)), b...), s.rx.unread...)
		s.stats.Received -= min(s.stats.Received, uint64(len(b))) // they are handed over again
		s.rx.complete(rxReady)
		s.haltRead()
	}
	return nil
}

// CancelPosted implements ReceiveCanceler: it cancels a pending receive,
// whose event is not set. Bytes that arrive meanwhile are kept for the next
// receive. Without a pending receive it does nothing.
func (s *Session) CancelPosted(h Handle) error {
	s.mu.Lock()
	if err := s.checkHandle(opCancel, h); err != nil || s.rx.state != rxPosted {
		s.mu.Unlock()
		return err
	}
	if !s.obeys {
		s.rx.state = rxIdle // the read continues for the next receive
		s.mu.Unlock()
		return nil
	}
	exited := s.stopReading()
	s.mu.Unlock()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-exited:
		return nil
	case <-limit.C:
		return &Error{Op: opCancel, Code: ErrPortOrDevice, Err: errors.New("the port's Read ignores its deadline")}
	}
}

// nowhere is the port of a session that has none.
type nowhere struct{}

func (nowhere) Read([]byte) (int, error)         { return 0, ErrPortNotOpen }
func (nowhere) Write([]byte) (int, error)        { return 0, ErrPortNotOpen }
func (nowhere) Close() error                     { return nil }
func (nowhere) SetDeadline(time.Time) error      { return nil }
func (nowhere) SetReadDeadline(time.Time) error  { return nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }
