package script_test

import (
	"context"
	"errors"
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
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const (
	manyTerminals  = 1900
	manyThreads    = 16
	manyResident   = 16 << 10 // bytes each, beyond those of the far ends
	manyIdle       = time.Second
	manyIdleCPU    = 20 * time.Millisecond
	asManyChild    = "RASLINE_TEST_MANY"
	manyDescriptor = 2*manyTerminals + 200
)

// TestManyTerminals opens 1,900 pseudo-terminals, runs a script on each that
// waits, and prints what that costs. It runs in a process of its own, so that
// threads and memory of other tests do not count.
func TestManyTerminals(t *testing.T) {
	peertest.Emulated(t, "the emulator itself uses the processor while the program idles")
	if os.Getenv(asManyChild) != "" {
		waitOnMany(t)
		return
	}
	if raceEnabled {
		t.Skip("the race detector's own memory would be counted")
	}
	roomForMany(t)
	var out []byte
	var err error
	for try := 0; try == 0 || err != nil && try < 3; try++ {
		// A thread that loses its processor in a system call is replaced, so that a
		// machine that does other things costs some.
		cmd := peertest.Self(t.Context(), "-test.run=^TestManyTerminals$", "-test.v")
		cmd.Env = append(os.Environ(), asManyChild+"=1")
		out, err = cmd.CombinedOutput()
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "terminals") || strings.Contains(line, "FAIL") || strings.Contains(line, "_test.go") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// roomForMany skips the test where the system has too few descriptors or
// pseudo-terminals.
func roomForMany(t *testing.T) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < manyDescriptor {
		t.Skipf("%d descriptors are needed, the limit is %d", manyDescriptor, limit.Max)
	}
	data, err := os.ReadFile("/proc/sys/kernel/pty/max")
	if n, err2 := strconv.Atoi(strings.TrimSpace(string(data))); err != nil || err2 != nil || n < manyTerminals+100 {
		t.Skipf("%d pseudo-terminals are needed; /proc/sys/kernel/pty/max is %q", manyTerminals+100, data)
	}
}

func waitOnMany(t *testing.T) {
	ports := make([]*port.Serial, manyTerminals)
	for i := range ports {
		pair, err := pty.Open(t.Context())
		if err != nil {
			t.Fatalf("terminal %d: %v", i, err)
		}
		defer pair.Close()
		if ports[i], err = port.Open(t.Context(), pair.Name, nil); err != nil {
			t.Fatalf("terminal %d: %v", i, err)
		}
		defer ports[i].Close()
	}
	before := resident(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	results := make(chan error, len(ports))
	var waiting sync.WaitGroup
	for _, p := range ports {
		waiting.Add(1)
		wg.Go(func() {
			_, err := script.Run(ctx, p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
				d := script.NewDialog(call, nil)
				waiting.Done()
				_, err := d.WaitFor(ctx, time.Hour, script.Text("login: "), script.Text("NO CARRIER"))
				return err
			}), nil)
			results <- err
		})
	}
	waiting.Wait()
	settle()
	cpu := time.Hour
	for try := 0; cpu > manyIdleCPU && try < 10; try++ { // a slow machine still starts waits in the first
		from := cpuTime(t)
		<-time.After(manyIdle) // the time over which idling is measured
		cpu = min(cpu, cpuTime(t)-from)
	}
	threads, each := threads(t), (resident(t)-before)/manyTerminals
	fmt.Printf("%d terminals with a wait each: %d threads, %d bytes resident each, %v of CPU in %v of idling\n",
		manyTerminals, threads, each, cpu, manyIdle)
	cancel()
	wg.Wait()
	for range ports {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("a wait ended with %v", err)
		}
	}
	if threads > manyThreads || each > manyResident || cpu > manyIdleCPU {
		t.Errorf("want at most %d threads, %d bytes each, %v of CPU", manyThreads, manyResident, manyIdleCPU)
	}
}

// settle lets the goroutines reach their reads and the collector give back what
// starting them took.
func settle() {
	for last := -1; ; {
		runtime.GC()
		runtime.Gosched()
		if n := runtime.NumGoroutine(); n == last {
			return
		} else {
			last = n
		}
	}
}

// status reads a figure from /proc/self/status.
func status(t *testing.T, key string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in /proc/self/status", key)
	return 0
}

func threads(t *testing.T) int  { t.Helper(); return status(t, "Threads") }
func resident(t *testing.T) int { t.Helper(); return status(t, "VmRSS") * 1024 }

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
