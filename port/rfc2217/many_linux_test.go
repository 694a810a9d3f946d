package rfc2217_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/rasline/rasline/port/rfc2217"
)

// TestManyPorts has 1,000 remote ports in one process, each with a Read posted,
// and prints what they cost together with their far sides, which are in the same
// process: first as little of a server as answers at all, and then our own.
func TestManyPorts(t *testing.T) {
	tests := []struct {
		name string
		addr func(t *testing.T) string
		kib  float64 // of heap and stacks, at most, for a port and its far side
	}{
		{"clients", fakeTCP, 32},
		{"clients and served ports", func(t *testing.T) string {
			return serve(t, &rfc2217.Server{}, newFastPort([]byte("x")))
		}, 128},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const count = 1000
			addrs := make([]string, count)
			for i := range addrs {
				addrs[i] = tt.addr(t)
			}
			before := usage(t)
			ports := make([]*rfc2217.Port, count)
			blocked := make(chan error, count)
			for i := range ports {
				ports[i] = dial(t, addrs[i], nil)
				go func() {
					_, err := ports[i].Read(make([]byte, 1))
					blocked <- err
				}()
			}
			now := usage(t)
			kib := float64(now.rss-before.rss) / count
			t.Logf("%d: %d OS threads, %.1f KiB of resident memory, %.1f of them heap and stacks, and %.1f goroutines each",
				count, now.threads, kib, float64(now.live-before.live)/count, float64(now.goroutines-before.goroutines)/count)
			if more := now.threads - before.threads; more > 16 {
				t.Errorf("%d OS threads more, want at most 16", more)
			}
			if live := float64(now.live-before.live) / count; live > tt.kib && !raceEnabled {
				t.Errorf("%.1f KiB of heap and stacks each, want at most %v", live, tt.kib)
			}
			for _, p := range ports {
				p.Close()
			}
			for range ports {
				if err := <-blocked; !errors.Is(err, net.ErrClosed) {
					t.Fatalf("Read when the port was closed: %v", err)
				}
			}
		})
	}
}

// fakeTCP returns the address of a server that acknowledges everything.
func fakeTCP(t *testing.T) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		l.Close()
		defer c.Close()
		f := &fake{conn: c, option: agree, comPort: echo, writing: make(chan struct{}, 1)}
		f.serve()
	}()
	return l.Addr().String()
}

// used is what a process uses: rss is resident, live what the heap and the
// stacks hold, both in KiB.
type used struct{ threads, rss, live, goroutines int }

func usage(t *testing.T) used {
	t.Helper()
	debug.FreeOSMemory() // what earlier tests have left
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	u := used{goroutines: runtime.NumGoroutine(), live: int(mem.HeapInuse+mem.StackInuse) >> 10}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		value, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
		switch name {
		case "Threads":
			u.threads = value
		case "VmRSS":
			u.rss = value
		}
	}
	return u
}
