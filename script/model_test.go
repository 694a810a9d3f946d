package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// modelSteps is the number of steps of TestModel, five times that in the gate.
// RASLINE_STEPS sets another, and RASLINE_SEED its seed.
const modelSteps = 200_000

// TestModel runs random scripts (waits, polls, cancels, watches that wait, raw
// receives, calls over decorators, sequences, several Runs on one port) on a
// stream that is cut at random, and holds every byte against a model of the
// stream: none is lost, doubled or out of order. What is sent arrives in order;
// a send that was cancelled is a prefix.
func TestModel(t *testing.T) {
	steps, seed := modelSteps, rand.Uint64()
	if peertest.Required() {
		steps *= 5
	}
	if raceEnabled {
		steps /= 20
	}
	if s := os.Getenv("RASLINE_STEPS"); s != "" {
		steps, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("RASLINE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("seed %d", seed)
	start := time.Now()
	for done := 0; done < steps && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, seed)
			defer func() {
				m.near.Close()
				m.far.Close()
				close(m.queue)
				m.feeder.Wait()
			}()
			for range 20 {
				m.run()
			}
			m.end()
			done += m.steps
		})
		if t.Failed() {
			t.Logf("RASLINE_SEED=%d RASLINE_STEPS=1 repeats it", seed)
		}
	}
	t.Logf("%d steps in %v", steps, time.Since(start).Round(time.Millisecond))
}

// model is a port, and what is known of its stream.
type model struct {
	*testing.T
	rnd       *rand.Rand
	near, far *virtual.Port
	line      port.Port // near, or a Result's Port
	steps     int
	stream    []byte // everything that the peer has sent
	pos       int    // what of it the script has consumed
	sent      []byte // what the script has sent
	optional  [][2]int
	heard     chan []byte
	queue     chan []byte // what the peer has still to send
	feeder    sync.WaitGroup
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{T: t, rnd: rand.New(rand.NewPCG(seed, 0)), heard: make(chan []byte, 1),
		queue: make(chan []byte, 100)}
	m.near, m.far = virtual.Pair(virtual.BufferSize(1 << 14))
	m.line = m.near
	pause := rand.New(rand.NewPCG(seed, 1))
	m.feeder.Go(func() {
		for piece := range m.queue {
			<-time.After(time.Duration(pause.IntN(3)) * time.Millisecond)
			m.far.Write(piece)
		}
	})
	go func() {
		var all []byte
		b := make([]byte, 1000)
		for {
			n, err := m.far.Read(b)
			if all = append(all, b[:n]...); err != nil {
				m.heard <- all
				return
			}
		}
	}()
	return m
}

// end compares what the peer has received.
func (m *model) end() {
	synctest.Wait()
	m.near.Close()
	got := <-m.heard
	m.far.Close()
	if !m.prefixes(got, 0, 0) {
		m.Errorf("the peer received %q; the script sent %q, of which %v may be cut", got, m.sent, m.optional)
	}
}

// prefixes reports whether got is m.sent[at:] with the ends of cancelled sends,
// from the given one on, left out.
func (m *model) prefixes(got []byte, at, cut int) bool {
	if cut == len(m.optional) {
		return bytes.Equal(got, m.sent[at:])
	}
	from, to := m.optional[cut][0], m.optional[cut][1]
	if !bytes.HasPrefix(got, m.sent[at:from]) {
		return false
	}
	got = got[from-at:]
	for n := to - from; n >= 0; n-- {
		if bytes.HasPrefix(got, m.sent[from:from+n]) && m.prefixes(got[n:], to, cut+1) {
			return true
		}
	}
	return false
}

// feed lets the peer send up to n bytes, in pieces that arrive one after the
// other in the next milliseconds.
func (m *model) feed(n int) {
	if len(m.stream)-m.pos > 3000 || len(m.queue) > 50 {
		return
	}
	text := make([]byte, m.rnd.IntN(n+1))
	for i := range text {
		text[i] = "abc\r\n"[m.rnd.IntN(5)]
	}
	m.stream = append(m.stream, text...)
	for len(text) > 0 && len(m.queue) < cap(m.queue)-1 {
		k := 1 + m.rnd.IntN(len(text))
		m.queue <- text[:k]
		text = text[k:]
	}
	if len(text) > 0 {
		m.queue <- text
	}
}

// consumed checks that b is next in the stream.
func (m *model) consumed(what string, b []byte) {
	if !bytes.HasPrefix(m.stream[m.pos:], b) {
		m.Fatalf("%s consumed %q, but %q comes next", what, b, m.stream[m.pos:min(m.pos+len(b)+10, len(m.stream))])
	}
	m.pos += len(b)
}

// run is one Run of one to three executors.
func (m *model) run() {
	var list []script.Executor
	for range 1 + m.rnd.IntN(3) {
		list = append(list, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			m.script(ctx, call, 0)
			return nil
		}))
	}
	res, err := script.Run(m.Context(), m.line, script.Sequence(list...), &script.Config{Exact: m.rnd.IntN(4) == 0})
	if err != nil || res.Leaks > 0 {
		m.Fatalf("Run: %v, %d leaks", err, res.Leaks)
	}
	if n := len(res.Unread); n > 0 && !bytes.HasPrefix(m.stream[m.pos:], res.Unread) {
		m.Fatalf("unread %q, but %q comes next", res.Unread, m.stream[m.pos:])
	}
	switch m.rnd.IntN(3) {
	case 0:
		m.line = m.near
	case 1:
		m.line = res.Port()
	case 2:
		b := make([]byte, m.rnd.IntN(20)+1)
		p := res.Port()
		p.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, _ := p.Read(b)
		m.consumed("Result.Port", b[:n])
	}
}

// script does a few things on a call, some of them through another call over it.
func (m *model) script(ctx context.Context, call *ras.Call, depth int) {
	d := script.NewDialog(call, nil)
	if m.rnd.IntN(2) == 0 {
		defer d.Close()
	}
	for range 5 + m.rnd.IntN(20) {
		m.steps++
		m.feed(40)
		switch m.rnd.IntN(12) {
		case 0, 1, 2:
			m.waitFor(ctx, d, time.Second)
		case 3:
			m.waitFor(ctx, d, time.Duration(1+m.rnd.IntN(5))*time.Millisecond)
		case 4:
			short, cancel := context.WithTimeout(ctx, time.Duration(m.rnd.IntN(5))*time.Millisecond)
			m.waitFor(short, d, 0)
			cancel()
		case 5:
			m.nextByte(ctx, d)
		case 6:
			m.readUntil(ctx, d)
		case 7:
			m.watch(ctx, call, d)
		case 8:
			m.raw(ctx, call)
		case 9:
			m.receive(ctx, call)
		case 10:
			m.send(ctx, d)
		case 11:
			if depth < 3 {
				names := slices.Sorted(maps.Keys(decorations))
				m.script(ctx, decorations[names[m.rnd.IntN(len(names))]](call), depth+1)
			}
		}
	}
}

// pattern returns a text that often arrives.
func (m *model) pattern() string {
	if rest := m.stream[m.pos:]; len(rest) > 0 && m.rnd.IntN(3) > 0 {
		from := m.rnd.IntN(len(rest))
		return string(rest[from:min(len(rest), from+1+m.rnd.IntN(4))])
	}
	return string("abc\r\n"[m.rnd.IntN(5)]) + string("abc\r\n"[m.rnd.IntN(5)])
}

// first returns the patterns that complete first in what the peer has sent, and
// where; none if none does.
func (m *model) first(p []script.Pattern) (index, end int) {
	index, end = -1, len(m.stream)+1
	for i, p := range p {
		text := []byte(p.(script.Text))
		if at := bytes.Index(m.stream[m.pos:], text); at >= 0 && m.pos+at+len(text) < end {
			index, end = i, m.pos+at+len(text)
		}
	}
	return index, end
}

func (m *model) waitFor(ctx context.Context, d *script.Dialog, limit time.Duration) {
	p := []script.Pattern{script.Text(m.pattern()), script.Text(m.pattern())}
	index, end := m.first(p)
	got, err := d.WaitFor(ctx, limit, p...)
	switch {
	case err == nil:
		if index < 0 || got.Index != index || m.pos+len(got.Before)+len(got.Text) != end {
			m.Fatalf("WaitFor(%q) found %d after %q%q, want %d at %d of %q", p, got.Index, got.Before, got.Text, index, end-m.pos, m.stream[m.pos:])
		}
		m.consumed("WaitFor", append(slices.Clone(got.Before), got.Text...))
	case !errors.Is(err, ras.ErrRequestTimeout):
		m.Fatal(err)
	case index >= 0 && limit >= time.Second:
		m.Fatalf("WaitFor(%q) did not find %d at %d of %q: %v", p, index, end-m.pos, m.stream[m.pos:], err)
	}
}

func (m *model) nextByte(ctx context.Context, d *script.Dialog) {
	b, err := d.NextByte(ctx, time.Duration(m.rnd.IntN(200))*time.Millisecond+time.Millisecond)
	if err == nil {
		m.consumed("NextByte", []byte{b})
		if m.rnd.IntN(2) == 0 {
			if err := d.Unread([]byte{b}); err != nil {
				m.Fatal(err)
			}
			m.pos--
		}
	} else if !errors.Is(err, ras.ErrRequestTimeout) {
		m.Fatal(err)
	}
}

func (m *model) readUntil(ctx context.Context, d *script.Dialog) {
	var out bytes.Buffer
	got, err := d.ReadUntil(ctx, &out, time.Duration(1+m.rnd.IntN(100))*time.Millisecond, script.Text(m.pattern()))
	m.consumed("ReadUntil", append(out.Bytes(), got.Text...))
	if err != nil && !errors.Is(err, ras.ErrRequestTimeout) {
		m.Fatal(err)
	}
}

// watch waits with a watch that consumes a byte or two in its own way.
func (m *model) watch(ctx context.Context, call *ras.Call, d *script.Dialog) {
	var outer []byte
	mark := 0
	w := d.Watch(script.Text(m.pattern()), func(got script.Match) error {
		all := append(slices.Clone(got.Before), got.Text...)
		m.consumed("a watch", all[mark:])
		mark = len(all)
		outer = all
		switch m.rnd.IntN(3) {
		case 0:
			m.nextByte(ctx, d)
		case 1:
			m.raw(ctx, call)
			m.receive(ctx, call)
		case 2:
			m.waitFor(ctx, script.NewDialog(call, nil), 50*time.Millisecond)
		}
		return nil
	})
	defer w.Stop()
	got, err := d.WaitFor(ctx, 200*time.Millisecond, script.Text(m.pattern()))
	switch {
	case err == nil:
		m.consumed("a wait with a watch", append(slices.Clone(got.Before), got.Text...)[mark:])
	case errors.Is(err, ras.ErrRequestTimeout):
		m.pos -= len(outer) // what the wait has read is given back
		m.stream = slices.Concat(m.stream[:m.pos], outer, m.stream[m.pos+len(outer):])
	default:
		m.Fatal(err)
	}
}

// raw receives in the manner of the Windows documentation.
func (m *model) raw(ctx context.Context, call *ras.Call) {
	b, err := call.GetBuffer(m.rnd.IntN(30))
	if err != nil {
		m.Fatal(err)
	}
	ev := ras.NewEvent()
	if err := call.ReceiveBuffer(call.Port, b, time.Duration(m.rnd.IntN(20))*time.Millisecond, ev); err != nil {
		m.Fatal(err)
	}
	if m.rnd.IntN(3) == 0 {
		select {
		case <-ev.C():
			ev.Set()
		case <-time.After(time.Duration(m.rnd.IntN(5)) * time.Millisecond):
		}
		if err := call.CancelReceive(); err != nil {
			m.Fatal(err)
		}
	} else {
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		err := ev.Wait(short)
		cancel()
		if err != nil {
			if err := call.CancelReceive(); err != nil {
				m.Fatal(err)
			}
		} else {
			n, err := call.RetrieveBuffer(call.Port, b)
			if errors.Is(err, ras.ErrPending) {
				err = call.CancelReceive()
			}
			if err != nil && !errors.Is(err, ras.ErrRequestTimeout) {
				m.Fatal(err)
			}
			use := m.rnd.IntN(n + 1)
			m.consumed("a raw receive", b.Bytes()[:use])
			if err := call.Unread(b.Bytes()[use:n]); err != nil {
				m.Fatal(err)
			}
		}
	}
	if err := call.FreeBuffer(b); err != nil {
		m.Fatal(err)
	}
}

// receive receives without a buffer, and gives a part back.
func (m *model) receive(ctx context.Context, call *ras.Call) {
	b := make([]byte, 1+m.rnd.IntN(30))
	short, cancel := context.WithTimeout(ctx, time.Duration(m.rnd.IntN(10))*time.Millisecond)
	defer cancel()
	n, err := call.Receive(short, b, time.Duration(m.rnd.IntN(10))*time.Millisecond)
	if err != nil && (n > 0 || !errors.Is(err, ras.ErrRequestTimeout)) {
		m.Fatalf("Receive: %d, %v", n, err)
	}
	use := m.rnd.IntN(n + 1)
	m.consumed("Receive", b[:use])
	if err := call.Unread(b[use:n]); err != nil {
		m.Fatal(err)
	}
}

func (m *model) send(ctx context.Context, d *script.Dialog) {
	text := fmt.Appendf(nil, "<%d>", m.steps)
	from := len(m.sent)
	m.sent = append(m.sent, text...)
	short, cancel := context.WithTimeout(ctx, time.Duration(m.rnd.IntN(3))*time.Millisecond)
	defer cancel()
	if m.rnd.IntN(2) == 0 {
		short = ctx
	}
	if err := d.Send(short, text); err != nil {
		if short == ctx {
			m.Fatal(err)
		}
		m.optional = append(m.optional, [2]int{from, len(m.sent)})
	}
}
