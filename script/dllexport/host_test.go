package dllexport

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// sessionHost is a host made of a ras.Session, which behaves as the Windows one
// is documented, with the liberties that the documentation leaves.
type sessionHost struct {
	s *ras.Session
	habits

	mu       sync.Mutex
	buffers  map[*byte]ras.Buffer
	events   int // that are open
	receives int
}

// habits are what a host may do as it likes.
type habits struct {
	neverSignals bool // when the limit of a receive passes
	zeroBytes    bool // stand for a time-out, with success
	bigBuffers   bool // are granted, and filled, whatever was asked for
	noExtension  bool // RasSetCommSettings is missing
	oneBuffer    bool // is all that there is
}

func (h *sessionHost) getBuffer(size uint32) ([]byte, ras.Code) {
	if h.bigBuffers {
		size = ras.MaxBuffer
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.oneBuffer && len(h.buffers) == 1 {
		return nil, ras.ErrOutOfBuffers
	}
	b, err := h.s.GetBuffer(int(size))
	if err != nil {
		return nil, ras.CodeOf(err)
	}
	h.buffers[&b.Bytes()[0]] = b
	return b.Bytes(), 0
}

func (h *sessionHost) find(mem []byte) ras.Buffer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buffers[&mem[0]]
}

func (h *sessionHost) freeBuffer(mem []byte) ras.Code {
	err := h.s.FreeBuffer(h.find(mem))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.buffers, &mem[0])
	}
	return ras.CodeOf(err)
}

func (h *sessionHost) sendBuffer(mem []byte, n uint32) ras.Code {
	return ras.CodeOf(h.s.SendBuffer(h.s.Handle(), h.find(mem), int(n)))
}

func (h *sessionHost) receiveBuffer(mem []byte, ms uint32, ev hostEvent) ras.Code {
	h.mu.Lock()
	h.receives++
	h.mu.Unlock()
	limit := time.Duration(ms) * time.Millisecond
	if ms == infinite || h.neverSignals {
		limit = 0
	}
	return ras.CodeOf(h.s.ReceiveBuffer(h.s.Handle(), h.find(mem), limit, ev.(*sessionEvent).ev))
}

func (h *sessionHost) retrieveBuffer(mem []byte) (uint32, ras.Code) {
	n, err := h.s.RetrieveBuffer(h.s.Handle(), h.find(mem))
	if h.zeroBytes && errors.Is(err, ras.ErrRequestTimeout) {
		return 0, 0
	}
	return uint32(n), ras.CodeOf(err)
}

func (h *sessionHost) setCommSettings(c rasabi.CommSettings) ras.Code {
	if h.noExtension {
		return ras.ErrNotSupported
	}
	return ras.CodeOf(h.s.SetCommSettings(h.s.Handle(), ras.CommSettings{
		Size: c.Size(), Parity: c.Parity(), StopBits: c.StopBits(), ByteSize: c.ByteSize(),
	}))
}

func (h *sessionHost) newEvent() (hostEvent, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events++
	return &sessionEvent{h, ras.NewEvent()}, nil
}

type sessionEvent struct {
	h  *sessionHost
	ev *ras.Event
}

func (e *sessionEvent) wait(ctx context.Context) error { return e.ev.Wait(ctx) }

func (e *sessionEvent) close(hostHasIt bool) {
	e.h.mu.Lock()
	defer e.h.mu.Unlock()
	if !hostHasIt {
		e.h.events--
	}
}

var everyHabit = map[string]habits{
	"as documented":           {},
	"never signals a limit":   {neverSignals: true},
	"zero bytes for a limit":  {zeroBytes: true},
	"big buffers":             {bigBuffers: true},
	"no extension structure":  {noExtension: true},
	"one buffer":              {oneBuffer: true},
	"one big buffer":          {oneBuffer: true, bigBuffers: true},
	"all liberties at a time": {neverSignals: true, zeroBytes: true, bigBuffers: true, noExtension: true},
}

// visit is one run of an executor on a host with certain habits.
type visit struct {
	t      *testing.T
	host   *sessionHost
	far    *virtual.Port
	params rasabi.DialParams
	log    *slog.Logger
	result Result
}

// onEveryHost runs f in a bubble for each kind of host.
func onEveryHost(t *testing.T, f func(v *visit)) {
	for name, habit := range everyHabit {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { onHost(t, habit, f) })
		})
	}
}

func onHost(t *testing.T, habit habits, f func(v *visit)) {
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	s := ras.NewSession(near, nil)
	v := &visit{
		t:      t,
		host:   &sessionHost{s: s, habits: habit, buffers: make(map[*byte]ras.Buffer)},
		far:    far,
		params: rasabi.NewDialParams(rasabi.Native, rasabi.Windows7),
		log:    slog.New(slog.DiscardHandler),
	}
	v.params.SetText(rasabi.UserName, "ann")
	v.params.SetText(rasabi.Password, "secret")
	f(v)
	if err := s.Close(); err != nil {
		t.Errorf("close the host: %v", err)
	}
}

// run runs e as the host would.
func (v *visit) run(ctx context.Context, e script.ExecutorFunc) ras.Code {
	return registration{e, v.log, func(r Result) { v.result = r }}.run(ctx, &invocation{
		host: v.host, port: v.host.s.Handle(), entry: "Work", params: v.params,
		userName: func() string { return "windows user" },
	})
}

func (v *visit) text(f rasabi.Field) string {
	v.t.Helper()
	s, err := v.params.Text(f)
	if err != nil {
		v.t.Error(err)
	}
	return s
}
