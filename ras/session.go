package ras

import (
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

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

const (
	defaultBuffers     = 32
	defaultSendTimeout = time.Minute
	closeLimit         = 5 * time.Second // for a port whose deadlines do not free its calls
)

// past is a deadline that frees a blocked call at once, and longAgo how a session
// notes that it has set it.
var past = time.Unix(1, 0)

const longAgo instant = math.MinInt64

// Config holds the settings of a Session. The zero Config and a nil one work.
type Config struct {
	// Buffers is how many buffers may be out at once; GetBuffer then returns
	// ErrOutOfBuffers. Default, and for 0 or less: 32.
	Buffers int

	// SendTimeout bounds one SendBuffer, so that a line that is held off by
	// flow control cannot hold the script for ever: it ends with
	// ErrRequestTimeout and the port lives on. Default, and for 0: one minute.
	// Negative: no limit.
	SendTimeout time.Duration

	// ReadAhead lets one read of the port take this many bytes while data
	// streams in, that is when the read before filled the posted buffer. What
	// the buffer has no room for completes the next receives. Default, and for
	// less than the size of the buffer: a read takes what the buffer holds and
	// nothing more.
	ReadAhead int

	// Log gets warnings about misuse (leaks, a receive left pending) and, at
	// debug level, failures. It never gets data. Default: no log.
	Log *slog.Logger
}

// Stats are the counts of a Session.
type Stats struct {
	Received  uint64 // bytes handed over by RetrieveBuffer
	Sent      uint64 // bytes taken by the port
	Receives  uint64 // receives that ended with data
	Timeouts  uint64 // receives that ended without
	Sends     uint64 // calls of SendBuffer that succeeded
	Leaked    int    // buffers that were still out at Close
	Cancelled bool   // whether a receive was pending at Close
}

// handles numbers the sessions of the process, as Windows does in steps of 4.
var handles atomic.Uintptr

// Session gives a script the callbacks over a port. It implements API.
//
// A session reads the port only while a receive is posted, and then at most as
// many bytes as the posted buffer holds, or Config.ReadAhead; everything else
// stays in the port, in order. It sets the port's deadlines while it lives, and no one else may read,
// write or set deadlines then. It never closes the port.
//
// The first failure of the port sticks: every later call repeats its cause.
// All methods may be called from several goroutines at once. A session has no
// goroutine of its own unless a receive is posted whose event is watched
// through Event.C.
type Session struct {
	handle  Handle
	port    port.Port
	cfg     Config
	loop    func() // drive, as a value made once
	sending chan struct{}
	dead    chan struct{} // closed when cause is set

	mu     sync.Mutex // guards all below; never held while a call blocks
	pool   pool
	rx     receive
	tx     transmit
	cause  *Error // the first failure
	closed bool
	stats  Stats
}

var _ API = (*Session)(nil)

// NewSession makes a session on p; a nil cfg means the zero Config. A nil port
// gives a session whose calls fail with ErrPortNotOpen.
func NewSession(p port.Port, cfg *Config) *Session {
	s := &Session{
		handle:  Handle(handles.Add(4)),
		port:    p,
		sending: make(chan struct{}, 1),
		dead:    make(chan struct{}),
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
	s.loop = s.drive
	s.rx.watch.ended = s.readContextEnded
	s.tx.watch.ended = s.writeContextEnded
	if p == nil {
		s.port = nowhere{}
		s.Fail(ErrPortNotOpen)
	}
	return s
}

// Handle returns the handle that the callbacks of this session take.
func (s *Session) Handle() Handle { return s.handle }

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
	if s.closed || len(s.pool.out) >= s.cfg.Buffers {
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
	if s.inUse(own) {
		return &Error{Op: opFree, Code: ErrAsyncRequestPending}
	}
	s.pool.put(own)
	return nil
}

// own returns the buffer behind b if this session granted it and has it out.
func (s *Session) own(op string, b Buffer) (*buffer, error) {
	own, ok := b.(*buffer)
	if !ok || own == nil || own.owner != s || !own.out {
		return nil, &Error{Op: op, Code: ErrBufferInvalid}
	}
	return own, nil
}

// inUse reports whether a pending receive or a running send uses b.
func (s *Session) inUse(b *buffer) bool {
	return b.sending > 0 || s.rx.open() && s.rx.buf == b
}

var (
	errClosed = errors.New("the script has returned")
	errHandle = errors.New("not the handle of this session")
)

// check makes the checks that come first in every call: the handle, then the
// buffer.
func (s *Session) check(op string, h Handle, b Buffer) (*buffer, error) {
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
	s.fail(err)
}

func (s *Session) fail(err error) {
	if s.cause != nil {
		return
	}
	s.cause = &Error{Op: "port", Code: Cause(err), Err: err}
	if c, ok := err.(Code); ok && c == s.cause.Code {
		s.cause.Err = nil // the code says it all
	}
	close(s.dead)
	s.cfg.Log.Debug("ras: port failed", "code", s.cause.Code.Name(), "cause", err)
	s.rx.finish()
	s.haltRead()
	s.haltWrite()
}

// failure returns the sticky cause as the error of op. s.mu is held.
func (s *Session) failure(op string) error {
	return &Error{Op: op, Code: s.cause.Code, Err: s.cause.Err}
}

// Close ends the session: a pending receive is cancelled without touching its
// event, buffers that are still out are freed and counted, and every later call
// fails with ErrInvalidPortHandle (GetBuffer with ErrOutOfBuffers). The port
// stays open, without deadlines; bytes that were received and not retrieved are
// in Unread. A second Close does nothing.
//
// The error says that the port did not stop a call that was running within five
// seconds of being told to.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.stats.Cancelled = s.rx.open()
	ev := s.rx.ev
	exited := s.stopReading()
	s.haltWrite()
	s.mu.Unlock()
	if ev != nil {
		ev.disarm(s)
	}
	err := s.settle(exited)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rx.watch.release()
	s.tx.watch.release()
	s.stats.Leaked = s.pool.drop()
	s.warnAboutLeftovers()
	return errors.Join(err, s.resetDeadlines())
}

// settle waits until no call of the port is running on behalf of the session.
func (s *Session) settle(exited <-chan struct{}) error {
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-exited:
	case <-limit.C:
		return &Error{Op: "close", Code: ErrPortOrDevice, Err: errors.New("the port's Read ignores its deadline")}
	}
	select {
	case s.sending <- struct{}{}:
		<-s.sending // those who still wait for their turn see that we are closed
	case <-limit.C:
		return &Error{Op: "close", Code: ErrPortOrDevice, Err: errors.New("the port's Write ignores its deadline")}
	}
	return nil
}

func (s *Session) warnAboutLeftovers() {
	if s.stats.Leaked > 0 {
		s.cfg.Log.Warn("ras: the script left buffers unfreed", "buffers", s.stats.Leaked)
	}
	if s.stats.Cancelled {
		s.cfg.Log.Warn("ras: the script left a receive pending")
	}
}

// resetDeadlines leaves the port as the session found it. A port that has
// failed may refuse, which nobody needs to know.
func (s *Session) resetDeadlines() error {
	if s.cause != nil {
		s.port.SetDeadline(time.Time{})
		return nil
	}
	return s.port.SetDeadline(time.Time{})
}

// Unread returns a copy of the bytes that were received and not retrieved, in
// order. After Close it is what the next reader of the port must get first.
func (s *Session) Unread() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.rx.unread...)
}

// Unreceive puts a copy of bytes that were retrieved and not used back in
// front of all others, for whoever receives next. A pending receive completes
// with them.
func (s *Session) Unreceive(b []byte) {
	if len(b) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rx.unread = append(append(make([]byte, 0, len(b)+len(s.rx.unread)), b...), s.rx.unread...)
	s.rx.finish()
	s.haltRead()
}

// CancelReceive takes back a pending receive, which a script that gives up a
// wait and goes on needs; its event is not set. Bytes that arrive meanwhile
// are kept for the next receive. There is no such callback in Windows, where a
// receive that was posted stays posted.
func (s *Session) CancelReceive() {
	s.mu.Lock()
	if !s.rx.open() || s.closed {
		s.mu.Unlock()
		return
	}
	exited := s.stopReading()
	s.mu.Unlock()
	select {
	case <-exited:
	case <-time.After(closeLimit):
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
