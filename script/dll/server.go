package dll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/rasline/rasline/ras"
)

// maxRequests bounds the callbacks of one child that run at once, each of which
// belongs to a thread of the DLL. The next one waits in the pipe.
const maxRequests = 64

// server answers the callbacks of a child process in its parent.
type server struct {
	ctx    context.Context // of the run
	cancel context.CancelCauseFunc
	line   *line
	w      *messageWriter
	trace  func(record) // nil: not asked for
	relay  *relay
	slots  chan struct{} // one token for each running request
	wg     sync.WaitGroup

	mu      sync.Mutex
	last    uint32 // the buffer number used last
	buffers map[uint32]*served
}

// served is a buffer that the child has.
type served struct {
	buf ras.Buffer
	use turn // taken while buf's bytes are in use
}

func newServer(ctx context.Context, l *line, w *messageWriter, trace func(record)) *server {
	ctx, cancel := context.WithCancelCause(ctx)
	return &server{
		ctx: ctx, cancel: cancel, line: l, w: w, trace: trace,
		relay:   newRelay(ctx, l.cancelReceive),
		slots:   make(chan struct{}, maxRequests),
		buffers: make(map[uint32]*served),
	}
}

// errEnded says that the pipe ended before the child told its result.
var errEnded = errors.New("the child process is gone")

// serve answers requests until the child tells its result or its pipe ends,
// calls ended, and returns when no request is running any more.
func (s *server) serve(r io.Reader, ended func()) (*result, error) {
	res, err := s.read(r)
	ended()
	s.relay.stop(s.cancel)
	s.wg.Wait()
	return res, err
}

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
			s.wg.Add(1)
			go s.request(m)
		case mTrace:
			s.traced(m)
		case mDone:
			return decodeResult(m)
		case mFailed:
			return nil, &ras.Error{Op: entryPoint, Code: m.code, Err: errors.New(string(m.data))}
		default:
			return nil, fmt.Errorf("%w: message %d", errProtocol, m.kind)
		}
	}
}

func (s *server) traced(m message) {
	if s.trace != nil {
		s.trace(record{callback: callback(m.id), size: m.value, limit: m.limit, code: m.code})
	}
}

// request answers one request. A write that fails is not looked at: the pipe's
// other end is gone then, which read finds.
func (s *server) request(m message) {
	defer s.wg.Done()
	defer func() { <-s.slots }()
	reply := message{kind: mReply, id: m.id}
	reply.code = ras.CodeOf(s.do(m, &reply))
	s.w.write(reply)
}

// do carries out a request. A run that is over fails what needs the line; the
// child may not have heard of its end yet.
func (s *server) do(m message, reply *message) error {
	switch m.kind {
	case mGet:
		return s.get(m, reply)
	case mSetComm:
		return s.setComm(m)
	}
	b := s.find(m.buffer)
	switch {
	case b == nil:
		return ras.ErrBufferInvalid
	case m.kind == mFree:
		return s.free(m.buffer, b)
	case s.ctx.Err() != nil && m.kind != mReceive:
		return endCode(s.ctx)
	}
	switch m.kind {
	case mSend:
		return s.send(b, m.data)
	case mReceive:
		return s.receive(m, b)
	default:
		return s.retrieve(b, reply)
	}
}

func (s *server) find(id uint32) *served {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffers[id]
}

func (s *server) get(m message, reply *message) error {
	buf, err := s.line.api.GetBuffer(int(min(m.value, ras.MaxBuffer)))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.buffers[s.last] = &served{buf, newTurn()}
	reply.buffer, reply.value = s.last, uint32(len(buf.Bytes()))
	return nil
}

func (s *server) free(id uint32, b *served) error {
	s.relay.settle()
	if err := s.line.api.FreeBuffer(b.buf); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buffers, id)
	return nil
}

func (s *server) send(b *served, data []byte) error {
	if err := b.use.take(s.ctx); err != nil {
		return err
	}
	defer b.use.leave()
	if len(data) > len(b.buf.Bytes()) {
		return ras.ErrBufferTooSmall
	}
	return s.line.send(s.ctx, b.buf, copy(b.buf.Bytes(), data))
}

func (s *server) receive(m message, b *served) error {
	return s.relay.post(func() (signal, error) {
		return &pipeSignal{s.w, m.id}, nil
	}, func(ev *ras.Event) error {
		return s.line.api.ReceiveBuffer(s.line.port, b.buf, limitOf(m.limit), ev)
	})
}

func (s *server) retrieve(b *served, reply *message) error {
	if err := b.use.take(s.ctx); err != nil {
		return err
	}
	defer b.use.leave()
	n, err := s.line.api.RetrieveBuffer(s.line.port, b.buf)
	s.relay.retrieved(err)
	if err != nil {
		return err
	}
	reply.data = append([]byte(nil), b.buf.Bytes()[:n]...)
	return nil
}

func (s *server) setComm(m message) error {
	if len(m.data) != 3 {
		return ras.ErrInvalidParameter
	}
	return s.line.setComm(ras.CommSettings{Size: m.value, Parity: m.data[0], StopBits: m.data[1], ByteSize: m.data[2]})
}

// pipeSignal tells the child that a receive has a result.
type pipeSignal struct {
	w  *messageWriter
	id uint32
}

func (p *pipeSignal) set() { p.w.write(message{kind: mSignal, id: p.id}) }

func (p *pipeSignal) drop() {}
