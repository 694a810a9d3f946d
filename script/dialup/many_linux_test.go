package dialup_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
)

const (
	manyConns    = 1900
	fewConns     = 100
	manyThreads  = 16       // more than with fewConns
	manyResident = 16 << 10 // bytes each, with a Read that waits
	manyIdle     = time.Second
	perLook      = 10 * time.Microsecond // of CPU; four looks a second at each carrier
	asManyChild  = "RASLINE_TEST_MANY_CONNS"
)

// TestManyConnections makes 1,900 connections whose carrier is watched, with a Read
// that waits on each, prints what that costs, and drops all carriers. It runs in a
// process of its own, so that threads and memory of other tests do not count. Its
// lines are virtual, since the pseudo-terminals of Linux have no modem lines.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	peertest.Emulated(t, "the emulator's own threads and memory would be counted")
	if os.Getenv(asManyChild) != "" {
		holdMany(t)
		return
	}
	if testing.Short() {
		t.Skip("idles for seconds, several times")
	}
	cmd := peertest.Self(t.Context(), "-test.run=^TestManyConnections$", "-test.v")
	cmd.Env = append(os.Environ(), asManyChild+"=1")
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "connections") || strings.Contains(line, "_test.go") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func holdMany(t *testing.T) {
	few := lowest(3, func() int {
		h := hold(t, fewConns)
		defer h.drop(t)
		return procStatus(t, "Threads")
	})
	h := hold(t, manyConns)
	cpu := cpuTime(t)
	<-time.After(manyIdle) // the time over which idling is measured
	cpu = cpuTime(t) - cpu
	threads := procStatus(t, "Threads")
	fmt.Printf("%d connections with the carrier watched: %d threads (%d for %d), %d bytes resident each, %v of CPU in %v of idling\n",
		manyConns, threads, few, fewConns, h.resident, cpu, manyIdle)
	h.drop(t)
	if raceEnabled {
		return // the race detector's own cost would be counted
	}
	looks := manyConns * 4 * int(manyIdle/time.Second)
	if threads > few+manyThreads || h.resident > manyResident || cpu > time.Duration(looks)*perLook {
		t.Errorf("want at most %d threads, %d bytes each, %v of CPU", few+manyThreads, manyResident, time.Duration(looks)*perLook)
	}
}

// held are connections with their lines.
type held struct {
	conns    []*dialup.Conn
	far      []*virtual.Port
	reads    sync.WaitGroup
	resident int // bytes for each connection
}

// hold makes connections and waits until they idle.
func hold(t *testing.T, n int) *held {
	t.Helper()
	h := new(held)
	near := make([]*virtual.Port, n)
	for i := range near {
		var far *virtual.Port
		near[i], far = virtual.Pair()
		must(t, far.SetLines(port.DTR, port.DTR)) // which is DCD at the near end
		h.far = append(h.far, far)
	}
	runtime.GC()
	before := procStatus(t, "VmRSS") * 1024
	for i := range near {
		c, err := dialup.Dial(t.Context(), &dialup.Entry{Port: "line"}, &dialup.Config{
			Open: func(context.Context, string, *portname.Config) (port.Port, error) { return near[i], nil },
		})
		must(t, err)
		h.conns = append(h.conns, c)
		h.reads.Go(func() {
			_, err := c.Read(make([]byte, 64))
			wantErr(t, "Read", err, port.ErrCarrierLost)
		})
	}
	runtime.GC()
	<-time.After(500 * time.Millisecond) // two checks of each carrier
	h.resident = (procStatus(t, "VmRSS")*1024 - before) / n
	return h
}

// drop drops all carriers, waits until each connection has ended by that, and
// closes them.
func (h *held) drop(t *testing.T) {
	t.Helper()
	for _, far := range h.far {
		must(t, far.SetLines(port.DTR, 0))
	}
	h.reads.Wait()
	for i, c := range h.conns {
		<-c.Done()
		if _, ok := c.Err().(*modem.CarrierError); !ok {
			t.Fatalf("ended with %v", c.Err())
		}
		must(t, c.Close())
		h.far[i].Close()
	}
}

// lowest returns the least of several measurements.
func lowest(tries int, f func() int) int {
	least := f()
	for range tries - 1 {
		least = min(least, f())
	}
	return least
}

// procStatus reads a figure from /proc/self/status.
func procStatus(t *testing.T, key string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	must(t, err)
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			must(t, err)
			return n
		}
	}
	t.Fatalf("no %s in /proc/self/status", key)
	return 0
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestThousandDials leaks no goroutine and no descriptor, whether a dial
// connects, fails or is cancelled.
func TestThousandDials(t *testing.T) {
	before := runtime.NumGoroutine()
	p := newPeer(t)
	dial := func(i int) {
		e := &dialup.Entry{Name: "peer", Port: p.name}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		switch i % 3 {
		case 1: // a modem that never answers
			e.Dialer = &modem.Dialer{Config: &modem.Config{CommandTimeout: time.Millisecond}}
			e.Params.PhoneNumber = "1"
			e.Timeout = 2 * time.Millisecond
		case 2:
			cancel()
		}
		c, err := dialup.Dial(ctx, e, nil)
		if (err == nil) != (i%3 == 0) {
			t.Fatalf("dial %d: %v", i, err)
		}
		if c == nil {
			return
		}
		if i%2 == 0 {
			f, _, err := c.Detach()
			must(t, err)
			must(t, f.Close())
		}
		must(t, c.Close())
	}
	for i := range 6 { // what is set up once
		dial(i)
	}
	wantGoroutines(t, before)
	files := descriptors(t)
	for i := range 1000 {
		dial(i)
	}
	wantGoroutines(t, before)
	if n := descriptors(t); n > files {
		t.Errorf("%d descriptors before, %d after", files, n)
	}
}
