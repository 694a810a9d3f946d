package rfc2217

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// ackWatchdog reports a peer that has vanished while sent bytes are
// unacknowledged. TCP sends keep-alive probes only while nothing is in flight,
// and by itself retransmits for a quarter of an hour. TCP_USER_TIMEOUT (tcp(7))
// does not help: it ends connections to a peer that is alive and accepts no
// data because its port is held off.
//
// Its timer runs only while bytes are in flight. A nil ackWatchdog does nothing.
type ackWatchdog struct {
	conn    *net.TCPConn
	timeout time.Duration
	lost    func(error)

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	running bool
	stopped bool
}

// ackState is what the system knows of the bytes sent.
type ackState uint8

const (
	ackIdle    ackState = iota // none is unacknowledged
	ackPending                 // some are, and the peer has acknowledged something lately
	ackLost                    // some are, and the peer does not react to repetitions
)

// newAckWatchdog returns a watchdog for c, or nil if c is not TCP or timeout is
// negative. lost is called at most once.
func newAckWatchdog(c net.Conn, timeout time.Duration, lost func(error)) *ackWatchdog {
	tcp := tcpOf(c)
	if tcp == nil || timeout < 0 {
		return nil
	}
	if timeout == 0 {
		timeout = defaultKeepAlive
	}
	return &ackWatchdog{conn: tcp, timeout: timeout, lost: lost}
}

// start starts the timer after bytes were sent.
func (w *ackWatchdog) start() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running || w.stopped {
		return
	}
	w.running = true
	if w.timer == nil {
		w.timer = time.AfterFunc(w.interval(), w.check)
	} else {
		w.timer.Reset(w.interval())
	}
}

// interval is the time between two checks.
func (w *ackWatchdog) interval() time.Duration { return max(w.timeout/4, time.Millisecond) }

// check runs when the timer fires.
func (w *ackWatchdog) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	switch ackStateOf(w.conn, w.timeout) {
	case ackPending:
		w.timer.Reset(w.interval())
	case ackLost:
		w.stopped = true
		go w.lost(syscall.ETIMEDOUT) // which may wait for a lock under which start is called
	default:
		w.running = false
	}
}

// stop stops the timer for good.
func (w *ackWatchdog) stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
