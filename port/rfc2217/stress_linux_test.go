package rfc2217_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// fuzzTime returns how long the fuzzing clients are at work.
func fuzzTime() time.Duration {
	switch {
	case peertest.Long():
		return 5 * time.Minute
	case testing.Short():
		return 100 * time.Millisecond
	}
	return time.Second
}

// fuzzClient connects, sends a mixture of everything that is wrong, reads some
// of the answers or none, and leaves in one of several ways.
func fuzzClient(addr string, r *rand.Rand) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Duration(r.IntN(300)) * time.Millisecond))
	pieces := [][]byte{
		post, agreement, {255}, {255, 250, 44}, {255, 240}, {255, 250, 44, 12, 3, 255, 240}, {255, 250, 44, 5, 9, 255, 240},
		{255, 250, 44, 1, 0, 0, 0x25, 0x80, 255, 240}, {255, 246}, {255, 243}, {255, 250, 44, 8, 255, 240}, {255, 253, 6},
		{0x16, 3, 1, 0, 5}, bytes.Repeat([]byte{255}, 1000), bytes.Repeat([]byte("x"), 100_000), bytes.Repeat([]byte{255, 253, 99}, 1000),
	}
	for range r.IntN(20) {
		p := pieces[r.IntN(len(pieces))]
		if r.IntN(4) == 0 {
			p = make([]byte, r.IntN(2000))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
		}
		if _, err := c.Write(p); err != nil {
			break
		}
		if r.IntN(3) == 0 {
			c.Read(make([]byte, r.IntN(1000)+1))
		}
	}
	switch r.IntN(3) {
	case 0:
		c.(*net.TCPConn).SetLinger(0)
	case 1:
		c.(*net.TCPConn).CloseWrite()
	}
}

// descriptors returns the number of open files of the process.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestFuzzingClients has twenty clients send rubbish to a server while its owner
// works, and then a thousand connect: the owner notices nothing, and the process
// has the goroutines, the descriptors and the memory that it had.
func TestFuzzingClients(t *testing.T) {
	shared, far := virtual.Pair()
	server := &rfc2217.Server{}
	addr := serve(t, server, shared)
	owner := dial(t, addr, nil)
	settled := func() (goroutines, files int, heap uint64) {
		for range 100 { // the last connections are closing
			runtime.GC()
			goroutines, files = runtime.NumGoroutine(), descriptors(t)
			<-time.After(20 * time.Millisecond)
			if runtime.NumGoroutine() == goroutines && descriptors(t) == files {
				break
			}
		}
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		return goroutines, files, mem.HeapAlloc
	}
	work := func(i int) {
		t.Helper()
		pass(t, owner, far, "from the owner \xff"+strconv.Itoa(i))
		pass(t, far, owner, "from the device \xff"+strconv.Itoa(i))
		want := port.Lines(0)
		if i%2 == 0 {
			want = port.RTS
		}
		if err := owner.SetLines(port.RTS, want); err != nil {
			t.Errorf("SetLines: %v", err)
		}
	}
	work(0)
	goroutines, files, heap := settled()

	ctx := time.After(fuzzTime())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 20 {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fuzzClient(addr, r)
				}
			}
		})
	}
	rounds := 0
	for done := false; !done; rounds++ {
		select {
		case <-ctx:
			done = true
		default:
			work(rounds)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("the owner did %d rounds meanwhile", rounds)

	for range 1000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte{telnet.IAC, telnet.WILL, telnet.ComPort})
		c.Close()
	}
	work(1)
	late := time.Now().Add(limit)
	for {
		g, f, h := settled()
		if g <= goroutines && f <= files && h <= heap+1<<20 {
			t.Logf("%d goroutines, %d descriptors, %d KiB of heap; before %d, %d, %d", g, f, h>>10, goroutines, files, heap>>10)
			break
		}
		if time.Now().After(late) {
			t.Fatalf("%d goroutines, %d descriptors, %d KiB of heap; before %d, %d, %d", g, f, h>>10, goroutines, files, heap>>10)
		}
	}

	// And the same without an owner: some of the clients get the port.
	owner.Close()
	drained := make(chan struct{})
	go func() {
		io.Copy(io.Discard, far)
		close(drained)
	}()
	for i := range 20 {
		r := rand.New(rand.NewPCG(uint64(i), 2))
		wg.Go(func() {
			for range 5 {
				fuzzClient(addr, r)
			}
		})
	}
	wg.Wait()
	var err error
	for end := time.Now().Add(2 * limit); time.Now().Before(end); {
		if owner, err = rfc2217.Dial(bounded(t), addr, nil); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("the owner does not get the port back: %v", err)
	}
	defer owner.Close()
	far.SetReadDeadline(time.Now())
	<-drained
	far.SetReadDeadline(time.Time{})
	work(2)
}
