package dll

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// alive returns whether a process runs.
func alive(pid uint32) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	if err != nil {
		return false
	}
	defer windows.CloseHandle(h)
	which, _ := windows.WaitForSingleObject(h, 0)
	return which == uint32(windows.WAIT_TIMEOUT)
}

// What a DLL starts ends with it.
func TestWindowsStartedProgramEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("RASLINE_TESTPROGRAM", self)
	t.Setenv(sleepEnv, "yes")
	near, far := virtual.Pair()
	defer near.Close()
	pid := make(chan uint32, 1)
	go func() {
		b := make([]byte, 64)
		n, _ := far.Read(b)
		id, _ := strconv.Atoi(string(b[:n]))
		pid <- uint32(id)
	}()
	if _, err := script.Run(t.Context(), near, vendor(t, "misbehave.dll", nil), &script.Config{Entry: "start program"}); err != nil {
		t.Fatal(err)
	}
	if id := <-pid; id == 0 || alive(id) {
		t.Errorf("process %d, which the DLL has started, still runs", id)
	}
}

// Children that are killed at any time leave no process, no thread that waits
// and no handle.
func TestWindowsKilledChildren(t *testing.T) {
	const kills = 100
	d := vendor(t, "misbehave.dll", &Config{Grace: time.Second})
	var mu sync.Mutex
	var started []uint32
	start := d.start
	d.start = func() (process, error) {
		p, err := start()
		if err != nil {
			return nil, err
		}
		pid := uint32(p.(*childProcess).cmd.Process.Pid)
		mu.Lock()
		started = append(started, pid)
		delay := time.Duration(len(started)) * 3 * time.Millisecond
		mu.Unlock()
		time.AfterFunc(delay, p.kill)
		return p, nil
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < kills; i += 4 {
				entry := []string{"hang", "threads", "start program", "churn"}[i/4%4]
				misbehave(t.Context(), d, entry, script.Config{Timeout: 20 * time.Second})
			}
		})
	}
	wg.Wait()
	if len(started) != kills {
		t.Errorf("%d children were started, want %d", len(started), kills)
	}
	for _, pid := range started {
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

func TestWindowsRunsAtOnce(t *testing.T) {
	d := vendor(t, "misbehave.dll", nil)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := misbehave(t.Context(), d, "small buffer", script.Config{Timeout: time.Minute}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A program that does not call Main cannot be the child.
func TestWindowsProgramWithoutMain(t *testing.T) {
	d := vendor(t, "misbehave.dll", &Config{Program: filepath.Join(os.Getenv("windir"), "system32", "hostname.exe")})
	_, err := misbehave(t.Context(), d, "leak", script.Config{Timeout: time.Minute})
	if !errors.Is(err, ras.ErrUnknown) || !strings.Contains(err.Error(), "dll.Main") {
		t.Errorf("Run = %v, want an error that mentions dll.Main", err)
	}
}

func TestWindowsMainNotCalled(t *testing.T) {
	mainCalled.Store(false)
	defer mainCalled.Store(true)
	_, err := misbehave(t.Context(), vendor(t, "misbehave.dll", nil), "leak", script.Config{})
	if !errors.Is(err, ras.ErrNotSupported) {
		t.Errorf("Run = %v, want %v", err, ras.ErrNotSupported)
	}
}
