package dll

import (
	"io"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
)

// client is the ras.API of the child process: every call goes to the parent
// over the pipe and waits for the answer. read must run for that.
type client struct {
	w *messageWriter

	mu     sync.Mutex
	last   uint32                  // the id used last
	calls  map[uint32]chan message // requests without an answer
	events map[uint32]*ras.Event   // of posted receives, by the id of the request
	ended  bool                    // the parent is gone
}

var _ ras.API = (*client)(nil)

// remoteBuffer is a buffer of the parent's and a copy of it on this side.
type remoteBuffer struct {
	id   uint32
	data []byte
}

func (b *remoteBuffer) Bytes() []byte { return b.data }

func newClient(w *messageWriter) *client {
	return &client{w: w, calls: make(map[uint32]chan message), events: make(map[uint32]*ras.Event)}
}

// read takes what the parent says until the pipe ends, and calls cancelled for
// the end of the run.
func (c *client) read(r io.Reader, cancelled func(ras.Code)) {
	defer c.end()
	for {
		m, err := readMessage(r)
		if err != nil {
			return
		}
		switch m.kind {
		case mReply:
			c.answer(m)
		case mSignal:
			c.signal(m.id)
		case mCancel:
			cancelled(m.code)
		}
	}
}

func (c *client) answer(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.calls[m.id]; ch != nil {
		delete(c.calls, m.id)
		ch <- m
	}
}

// signal sets the event of a receive.
func (c *client) signal(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev := c.events[id]; ev != nil {
		delete(c.events, id)
		ev.Set()
	}
}

func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for id, ch := range c.calls {
		delete(c.calls, id)
		close(ch)
	}
}

// call sends a request and waits for its answer. The event, if not nil, is set
// when the parent signals the request's id, unless the answer is an error.
func (c *client) call(cb callback, m message, ev *ras.Event) (message, error) {
	ch, err := c.begin(&m, ev)
	if err == nil {
		err = c.w.write(m)
	}
	if err != nil {
		return message{}, &ras.Error{Op: callbackNames[cb], Code: ras.ErrPortDisconnected, Err: err}
	}
	reply, ok := <-ch
	switch {
	case !ok:
		return message{}, failure(cb, ras.ErrPortDisconnected)
	case reply.code != ras.Success:
		c.forget(m.id)
		return message{}, failure(cb, reply.code)
	}
	return reply, nil
}

// begin gives the request an id and notes who waits for what.
func (c *client) begin(m *message, ev *ras.Event) (<-chan message, error) {
	ch := make(chan message, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, io.ErrClosedPipe
	}
	c.last++
	m.id = c.last
	c.calls[m.id] = ch
	if ev != nil {
		c.events[m.id] = ev
	}
	return ch, nil
}

func (c *client) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.events, id)
}

// GetBuffer implements ras.API.
func (c *client) GetBuffer(size int) (ras.Buffer, error) {
	m, err := c.call(cbGet, message{kind: mGet, value: uint32(min(max(size, 0), ras.MaxBuffer))}, nil)
	if err != nil {
		return nil, err
	}
	return &remoteBuffer{m.buffer, make([]byte, min(m.value, ras.MaxBuffer))}, nil
}

// FreeBuffer implements ras.API.
func (c *client) FreeBuffer(b ras.Buffer) error {
	_, err := c.call(cbFree, message{kind: mFree, buffer: idOf(b)}, nil)
	return err
}

// SendBuffer implements ras.API.
func (c *client) SendBuffer(_ ras.Handle, b ras.Buffer, n int) error {
	m := message{kind: mSend, buffer: idOf(b), data: b.Bytes()[:n]}
	_, err := c.call(cbSend, m, nil)
	return err
}

// ReceiveBuffer implements ras.API.
func (c *client) ReceiveBuffer(_ ras.Handle, b ras.Buffer, timeout time.Duration, ev *ras.Event) error {
	m := message{kind: mReceive, buffer: idOf(b), limit: uint32(timeout / time.Millisecond)}
	_, err := c.call(cbReceive, m, ev)
	return err
}

// RetrieveBuffer implements ras.API.
func (c *client) RetrieveBuffer(_ ras.Handle, b ras.Buffer) (int, error) {
	m, err := c.call(cbRetrieve, message{kind: mRetrieve, buffer: idOf(b)}, nil)
	if err != nil {
		return 0, err
	}
	return copy(b.Bytes(), m.data), nil
}

// SetCommSettings implements ras.API.
func (c *client) SetCommSettings(_ ras.Handle, s ras.CommSettings) error {
	m := message{kind: mSetComm, value: s.Size, data: []byte{s.Parity, s.StopBits, s.ByteSize}}
	_, err := c.call(cbSetComm, m, nil)
	return err
}

// idOf returns the parent's number of a buffer, and one that the parent never
// gives for any other Buffer.
func idOf(b ras.Buffer) uint32 {
	if r, ok := b.(*remoteBuffer); ok {
		return r.id
	}
	return 0
}
