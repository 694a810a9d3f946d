package rfc2217

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// vigil notices that the far end of a connection has vanished while bytes are
// under way to it. Keep-alive probes are sent only while none are, and by itself
// the system goes on for a quarter of an hour. A far end that is alive and takes
// nothing, because its port is held off, must not be mistaken for one that has
// vanished, as it would be by TCP_USER_TIMEOUT (tcp(7)).
//
// A vigil costs nothing while no bytes are under way.
type vigil struct {
	conn  *net.TCPConn
	limit time.Duration
	lost  func(error)

	mu    sync.Mutex
	timer *time.Timer
	on    bool // the timer runs
	over  bool
}

// state is what the system says of the bytes under way.
type state uint8

const (
	atRest   state = iota // none are
	underWay              // the far end has acknowledged something lately
	vanished              // it has not, in spite of repetitions
)

// newVigil returns a vigil for c, or nil if there is nothing to watch: c is not
// TCP, or limit is negative. lost is called at most once.
func newVigil(c net.Conn, limit time.Duration, lost func(error)) *vigil {
	tcp := tcpOf(c)
	if tcp == nil || limit < 0 {
		return nil
	}
	if limit == 0 {
		limit = defaultKeepAlive
	}
	return &vigil{conn: tcp, limit: limit, lost: lost}
}

// tcpOf returns the TCP connection under c, or nil.
func tcpOf(c net.Conn) *net.TCPConn {
	if wrapped, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = wrapped.NetConn()
	}
	tcp, _ := c.(*net.TCPConn)
	return tcp
}

// begin tells that bytes have been sent. A nil vigil does nothing.
func (v *vigil) begin() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.on || v.over {
		return
	}
	v.on = true
	if v.timer == nil {
		v.timer = time.AfterFunc(v.pause(), v.look)
	} else {
		v.timer.Reset(v.pause())
	}
}

// pause is the time between two looks.
func (v *vigil) pause() time.Duration { return max(v.limit/4, time.Millisecond) }

// look is the timer's.
func (v *vigil) look() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		return
	}
	switch stateOf(v.conn, v.limit) {
	case underWay:
		v.timer.Reset(v.pause())
	case vanished:
		v.over = true
		go v.lost(syscall.ETIMEDOUT)
	default:
		v.on = false
	}
}

// end frees the timer.
func (v *vigil) end() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
	if v.timer != nil {
		v.timer.Stop()
	}
}
