package dll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
)

// maxRequests bounds the callbacks of one child that run concurrently, each of which
// belongs to a thread of the DLL. The next one waits in the pipe.
const maxRequests = 64

// server is the callback engine of one run, in the parent. It owns the buffers and
// the receive, and answers the requests of the child's bridge, each on a goroutine
// of its own that wg counts.
//
// Locks: receiving is held for a single call of the API; mu is held for a few
// instructions and no other lock is acquired under it.
type server struct {
	ctx    context.Context // of the run; its end makes all callbacks fail
	cancel context.CancelCauseFunc
	call   *ras.Call
	cfg    *Config
	w      *messageWriter
	trace  func(record) // nil: no trace
	relay  *relay
	slots  chan struct{} // one token for each running request
	wg     sync.WaitGroup

	receiving sync.Mutex // a Call receives for one goroutine at a time
	mildComm  sync.Once  // the warning about settings that the port lacks
	mildSend  sync.Once  // the warning about a send from a posted buffer

	mu      sync.Mutex // guards what follows
	last    uint32     // the buffer number used last
	buffers map[uint32]*served
	posted  *served // the buffer of a receive that has not been retrieved
}

// served is a buffer that the child has.
type served struct {
	buf ras.Buffer
	use chan struct{} // capacity 1: a token while a request uses buf's bytes
}

// acquire waits until no other request uses the bytes of the buffer, or until the
// run ends.
func (b *served) acquire(ctx context.Context) error {
	select {
	case b.use <- struct{}{}:
		return nil
	case <-ctx.Done():
		return endCode(ctx)
	}
}

func (b *served) release() { <-b.use }

// errEnded means that the pipe ended before the child sent its result.
var errEnded = errors.New("the child process has ended")

func (s *server) read(r io.Reader) (*result, error) {
	for {
		m, err := readMessage(r)
		if err != nil && !errors.Is(err, errProtocol) {
			return nil, errEnded
		}
		if err != nil {
			return nil, err
		}
		switch m.kind {
		case mGet, mFree, mSend, mReceive, mRetrieve, mSetComm:
			s.slots <- struct{}{}
			s.wg.Go(func() {
				defer func() { <-s.slots }()
				reply := message{kind: mReply, id: m.id}
				reply.code = ras.CodeOf(s.do(m, &reply))
				s.w.write(reply) // if it fails, the next read does too
			})
		case mTrace:
			if s.trace != nil {
				s.trace(record{callback: callback(m.id), size: m.value, limit: m.limit, code: m.code})
			}
		case mDone:
			return decodeResult(m)
		case mFailed:
			var op, cause string
			if err := decodeTexts(m.data, &op, &cause); err != nil {
				return nil, err
			}
			return nil, &ras.Error{Op: op, Code: m.code, Err: errors.New(cause)}
		default:
			return nil, fmt.Errorf("%w: message %d", errProtocol, m.kind)
		}
	}
}

// do carries out a request. When the run is over, everything that needs the line
// fails with its cause; a receive is signalled instead, and fails when it is
// retrieved.
func (s *server) do(m message, reply *message) error {
	if m.kind == mGet {
		buf, err := s.call.GetBuffer(int(min(m.value, ras.MaxBuffer)))
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last++
		s.buffers[s.last] = &served{buf, make(chan struct{}, 1)}
		reply.buffer, reply.value = s.last, uint32(len(buf.Bytes()))
		return nil
	}
	var b *served
	if m.kind != mSetComm {
		s.mu.Lock()
		b = s.buffers[m.buffer]
		s.mu.Unlock()
		if b == nil {
			return ras.ErrBufferInvalid
		}
	}
	switch {
	case m.kind == mFree:
		s.relay.awaitUndone()
		if err := s.call.FreeBuffer(b.buf); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.buffers, m.buffer)
		return nil
	case m.kind == mReceive:
		return s.receive(m, b)
	case s.ctx.Err() != nil:
		return endCode(s.ctx)
	case m.kind == mSend:
		return s.send(b, m.data)
	case m.kind == mRetrieve:
		return s.retrieve(b, reply)
	default:
		if len(m.data) != 3 {
			return ras.ErrInvalidParameter
		}
		err := s.call.SetCommSettings(s.call.Port, ras.CommSettings{Size: m.value, Parity: m.data[0], StopBits: m.data[1], ByteSize: m.data[2]})
		if s.cfg.Strict || !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		s.mildComm.Do(func() {
			s.cfg.Log.Warn("the port has no parity, stop bits or data bits to set; success was reported to the DLL", slog.Int("parity", int(m.data[0])), slog.Int("stop", int(m.data[1])), slog.Int("bits", int(m.data[2])))
		})
		return nil
	}
}

// send sends from the DLL's buffer. Received data is stored in a buffer only in
// RasRetrieveBuffer, so a send from the buffer of the posted receive is harmless;
// since an API may refuse it, the bytes are then copied to another buffer.
func (s *server) send(b *served, data []byte) error {
	if err := b.acquire(s.ctx); err != nil {
		return err
	}
	defer b.release()
	if len(data) > len(b.buf.Bytes()) {
		return ras.ErrBufferTooSmall
	}
	s.mu.Lock()
	posted := s.posted == b
	s.mu.Unlock()
	if !posted || s.cfg.Strict {
		return s.call.SendContext(s.ctx, b.buf, copy(b.buf.Bytes(), data))
	}
	s.mildSend.Do(func() {
		s.cfg.Log.Warn("the DLL sends from the buffer of the receive that it has posted, which Windows does not promise to allow")
	})
	own, err := s.call.GetBuffer(len(data))
	if err != nil {
		return err
	}
	defer s.call.FreeBuffer(own)
	return s.call.SendContext(s.ctx, own, copy(own.Bytes(), data))
}

func (s *server) receive(m message, b *served) error {
	return s.relay.post(&pipeSignal{s.w, m.id}, func(ev *ras.Event) error {
		s.receiving.Lock()
		defer s.receiving.Unlock()
		limit := time.Duration(m.limit) * time.Millisecond // dwTimeOut
		if m.limit == infinite {
			limit = 0
		}
		if err := s.call.ReceiveBuffer(s.call.Port, b.buf, limit, ev); err != nil {
			return err
		}
		s.setPosted(b)
		return nil
	})
}

func (s *server) setPosted(b *served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = b
}

func (s *server) retrieve(b *served, reply *message) error {
	if err := b.acquire(s.ctx); err != nil {
		return err
	}
	defer b.release()
	s.receiving.Lock()
	n, err := s.call.RetrieveBuffer(s.call.Port, b.buf)
	if ras.CodeOf(err) != ras.ErrPending {
		s.relay.taken.Store(true)
		s.setPosted(nil)
	}
	s.receiving.Unlock()
	if err != nil {
		return err
	}
	reply.data = append([]byte(nil), b.buf.Bytes()[:n]...)
	return nil
}

// cancelReceive cancels a receive that the DLL left posted, so that the next
// executor of the call can post its own.
func (s *server) cancelReceive() {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.call.CancelReceive()
	s.setPosted(nil)
}

// infinite is the value of dwTimeOut that Win32 calls INFINITE.
const infinite = 0xFFFFFFFF

// pipeSignal reports to the child that a receive has a result.
type pipeSignal struct {
	w  *messageWriter
	id uint32
}

func (p *pipeSignal) set() { p.w.write(message{kind: mSignal, id: p.id}) }
