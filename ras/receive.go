package ras

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rasline/rasline/port"
)

const (
	// grace is how long a receive looks for bytes that had come in time when
	// nobody read for it before its limit passed.
	grace = time.Millisecond

	// emptyReads is how often a port may return 0, nil in a row.
	emptyReads = 100
)

// receive is the one receive of a session: posted by ReceiveBuffer, read for by
// a driver, taken by RetrieveBuffer. It belongs to the session's mutex, but for
// storage, which belongs to the driver while driven is set.
type receive struct {
	posted   bool
	done     bool // the event was set; what follows tells why
	expired  bool // the limit passed without data
	lost     bool // the device lost characters; told once
	driven   bool // a goroutine reads for it, or is about to
	halt     bool // the driver shall leave without a result
	buf      *buffer
	ev       *Event
	deadline instant // zero: no limit

	storage []byte
	room    int     // what the running read may take
	streams bool    // the last read filled its room
	unread  []byte  // the part of storage that was not retrieved yet
	armed   instant // the port's read deadline; zero: none
	watch   watch
	exit    chan struct{} // closed when the driver leaves, if Close waits for it
}

// open reports whether the receive is posted and has no result yet.
func (r *receive) open() bool { return r.posted && !r.done }

// finish gives an open receive its result and sets its event.
func (r *receive) finish() {
	if r.open() {
		r.done = true
		r.ev.Set()
	}
}

// ReceiveBuffer implements API.
func (s *Session) ReceiveBuffer(h Handle, b Buffer, timeout time.Duration, ev *Event) error {
	background, other, err := s.post(h, b, timeout, ev)
	if err != nil {
		return err
	}
	if background {
		s.driveInBackground()
	}
	if other != nil {
		other.driveInBackground()
	}
	return nil
}

func (s *Session) post(h Handle, b Buffer, timeout time.Duration, ev *Event) (background bool, other *Session, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.check(opReceive, h, b)
	if err != nil {
		return false, nil, err
	}
	if ev == nil || ev.ch == nil {
		return false, nil, &Error{Op: opReceive, Code: ErrInvalidHandle, Err: errors.New("no event: make one with NewEvent")}
	}
	if s.rx.open() {
		return false, nil, &Error{Op: opReceive, Code: ErrAsyncRequestPending}
	}
	ev.Reset()
	s.rx.posted, s.rx.done, s.rx.expired, s.rx.halt = true, false, false, false
	s.rx.buf, s.rx.ev, s.rx.deadline = own, ev, 0
	background, other = ev.arm(s)
	switch {
	case len(s.rx.unread) > 0 || s.rx.lost || s.cause != nil:
		s.rx.finish()
	case timeout > 0:
		s.rx.deadline = now().add(timeout)
	}
	return background, other, nil
}

// RetrieveBuffer implements API.
func (s *Session) RetrieveBuffer(h Handle, b Buffer) (int, error) {
	n, pending, err := s.retrieve(h, b)
	if pending {
		s.driveInBackground() // a script that polls gets its bytes as well
	}
	return n, err
}

func (s *Session) retrieve(h Handle, b Buffer) (n int, pending bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.check(opRetrieve, h, b)
	switch {
	case err != nil:
		return 0, false, err
	case s.rx.open():
		return 0, true, &Error{Op: opRetrieve, Code: ErrPending}
	case !s.rx.posted:
		return 0, false, s.nothingPosted()
	}
	s.rx.posted = false
	switch {
	case s.rx.lost:
		s.rx.lost = false
		return 0, false, &Error{Op: opRetrieve, Code: ErrOverrun, Err: port.ErrOverrun}
	case s.rx.expired:
		s.stats.Timeouts++
		return 0, false, &Error{Op: opRetrieve, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	case len(s.rx.unread) > 0:
		return s.handOver(own), false, nil
	}
	return 0, false, s.failure(opRetrieve)
}

func (s *Session) nothingPosted() error {
	if s.cause != nil {
		return s.failure(opRetrieve)
	}
	return &Error{Op: opRetrieve, Code: ErrInvalidParameter, Err: errors.New("no receive is posted")}
}

// handOver is the one copy that a byte makes in a session.
func (s *Session) handOver(b *buffer) int {
	n := copy(b.data, s.rx.unread)
	s.rx.unread = s.rx.unread[n:]
	s.stats.Receives++
	s.stats.Received += uint64(n)
	return n
}

// claim makes the caller the driver of the receive that was posted with e, or
// of any if e is nil. s.mu is held.
func (s *Session) claim(e *Event) bool {
	if !s.drivable(e) {
		return false
	}
	s.rx.driven, s.rx.halt = true, false
	return true
}

func (s *Session) drivable(e *Event) bool {
	return s.rx.open() && !s.rx.driven && !s.closed && (e == nil || s.rx.ev == e)
}

// undriven reports whether a receive posted with e waits for a driver.
func (s *Session) undriven(e *Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drivable(e)
}

// driveInBackground sees to it that somebody reads for the open receive.
func (s *Session) driveInBackground() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claim(nil) {
		go s.loop()
	}
}

// driveHere reads for the receive that was posted with e until it has a result
// or ctx ends. It reports false if there is nothing to read for.
func (s *Session) driveHere(ctx context.Context, e *Event) bool {
	s.mu.Lock()
	if !s.claim(e) {
		s.mu.Unlock()
		return false
	}
	s.rx.watch.begin(ctx)
	if ctx.Err() != nil {
		s.rx.halt = true
	}
	into, ok := s.readyToRead()
	s.mu.Unlock()
	if ok {
		s.readOn(into)
	}
	return true
}

func (s *Session) readContextEnded(done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rx.driven && s.rx.watch.on(done) {
		s.haltRead()
	}
}

// haltRead makes the driver leave. s.mu is held, so that no driver can set a
// later deadline in between.
func (s *Session) haltRead() {
	s.rx.halt = true
	if s.rx.driven {
		s.rx.armed = longAgo
		s.port.SetReadDeadline(past)
	}
}

// stopReading halts the driver for good and returns a channel that is closed
// when it has left. s.mu is held.
func (s *Session) stopReading() <-chan struct{} {
	s.rx.posted = false
	exited := make(chan struct{})
	if !s.rx.driven {
		close(exited)
		return exited
	}
	s.rx.exit = exited
	s.haltRead()
	return exited
}

// drive reads until the receive has a result or the driver is told to leave.
func (s *Session) drive() {
	if into, ok := s.beforeRead(); ok {
		s.readOn(into)
	}
}

// readOn is drive from the first read on.
func (s *Session) readOn(into []byte) {
	for empty, ok := 0, true; ok; into, ok = s.beforeRead() {
		n, err := s.port.Read(into)
		if n == 0 && err == nil {
			if empty++; empty >= emptyReads {
				err = io.ErrNoProgress
			}
		}
		if s.afterRead(n, err) {
			return
		}
	}
}

// beforeRead sets the deadline and returns the room for the bytes, or false if
// the driver has to leave.
func (s *Session) beforeRead() ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readyToRead()
}

func (s *Session) readyToRead() ([]byte, bool) {
	if s.rx.halt || !s.rx.open() {
		s.leave()
		return nil, false
	}
	if err := s.armForRead(); err != nil {
		s.fail(err)
		s.leave()
		return nil, false
	}
	s.rx.room = len(s.rx.buf.data)
	if s.rx.streams {
		s.rx.room = max(s.rx.room, s.cfg.ReadAhead)
	}
	if cap(s.rx.storage) < s.rx.room {
		s.rx.storage = make([]byte, s.rx.room)
	}
	return s.rx.storage[:s.rx.room], true
}

// armForRead keeps a deadline that is set already if it comes no later than the
// one wanted: when it passes, the driver finds that its time has not come and
// sets the right one. That way a series of waits sets hardly any.
func (s *Session) armForRead() error {
	want, armed := s.rx.deadline, s.rx.armed
	if want == 0 && armed == 0 {
		return nil
	}
	now := now()
	if want != 0 {
		want = max(want, now.add(grace))
	}
	if armed > now && (want == 0 || armed <= want) {
		return nil
	}
	s.rx.armed = want
	return s.port.SetReadDeadline(want.time(now))
}

// afterRead takes the result of a Read and reports whether the driver has left.
func (s *Session) afterRead(n int, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rx.streams = n >= len(s.rx.buf.data)
	if n > 0 {
		s.queue(n)
	}
	switch {
	case errors.Is(err, port.ErrOverrun):
		s.rx.lost = true
	case err != nil && !isTimeout(err):
		s.fail(err)
	case err != nil && n == 0 && !s.rx.halt && s.due():
		s.rx.expired = true
	case n == 0:
		return false // woken early, or told to leave
	}
	s.rx.finish()
	s.leave()
	return true
}

// queue puts the n bytes just read behind those that Unreceive brought.
func (s *Session) queue(n int) {
	if len(s.rx.unread) == 0 {
		s.rx.unread = s.rx.storage[:n]
		return
	}
	s.rx.unread = append(s.rx.unread, s.rx.storage[:n]...)
}

// due reports whether the receive's limit has passed.
func (s *Session) due() bool {
	return s.rx.deadline != 0 && now() >= s.rx.deadline
}

// leave ends the driver's term. An open receive that others wait for gets a new
// driver.
func (s *Session) leave() {
	s.rx.driven = false
	s.rx.watch.end()
	if s.rx.exit != nil {
		close(s.rx.exit)
		s.rx.exit = nil
		return
	}
	if s.rx.open() && s.rx.ev.waiters.Load() > 0 && s.claim(nil) {
		go s.loop()
	}
}

func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
