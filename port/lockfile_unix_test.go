//go:build linux || darwin || freebsd || openbsd

package port

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// deadPID returns the number of a process that is no more.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Skipf("no process can be run: %v", err)
	}
	return cmd.Process.Pid
}

func hdb(pid int) string { return fmt.Sprintf("%10d\n", pid) }

func TestTakeLockFile(t *testing.T) {
	dead := deadPID(t)
	var binaryDead, binaryLive [4]byte
	binary.NativeEndian.PutUint32(binaryDead[:], uint32(dead))
	binary.NativeEndian.PutUint32(binaryLive[:], uint32(os.Getppid()))
	tests := []struct {
		name string
		file string // what is there before, or ""
		busy string // a part of the refusal, or ""
	}{
		{"no file", "", ""},
		{"stale", hdb(dead), ""},
		{"stale, longer than ours", hdb(dead) + " uucp root 2001-01-01\n", ""},
		{"stale, four bytes", string(binaryDead[:]), ""},
		{"left behind by an earlier process of our number", hdb(os.Getpid()), ""},
		{"live", hdb(os.Getppid()), fmt.Sprintf("process %d", os.Getppid())},
		{"live, four bytes", string(binaryLive[:]), fmt.Sprintf("process %d", os.Getppid())},
		{"live, of a user who may not be signalled", hdb(1), "process 1"},
		{"names nobody", "mine!\n", "names no process"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "LCK..ttyX9")
			if tt.file != "" {
				if err := os.WriteFile(path, []byte(tt.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			l, err := takeLockFile(dir, "/dev/ttyX9")
			if tt.busy != "" {
				if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), tt.busy) {
					t.Errorf("got %v, want ErrBusy that says %q", err, tt.busy)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); string(got) != hdb(os.Getpid()) {
				t.Errorf("the file holds %q, %v; want %q", got, err, hdb(os.Getpid()))
			}
			if _, err := takeLockFile(dir, "/dev/ttyX9"); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "itself") {
				t.Errorf("the second lock in one process: %v, want ErrBusy", err)
			}
			l.release()
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestReleaseLeavesAnothersFile(t *testing.T) {
	dir := t.TempDir()
	l, err := takeLockFile(dir, "/dev/ttyX9")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(l.path), os.WriteFile(l.path, []byte(hdb(1)), 0o644)); err != nil {
		t.Fatal(err)
	}
	l.release()
	if _, err := os.Stat(l.path); err != nil {
		t.Errorf("the other's file is gone: %v", err)
	}
}

func TestStaleLockHasOneWinner(t *testing.T) {
	dead := deadPID(t)
	for range 20 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "LCK..ttyX9"), []byte(hdb(dead)), 0o644); err != nil {
			t.Fatal(err)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := takeLockFile(dir, "/dev/ttyX9"); err == nil {
					won.Add(1)
				} else if !errors.Is(err, ErrBusy) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d took the lock, want 1", won.Load())
		}
	}
}

func TestLockFileAdvice(t *testing.T) {
	_, err := takeLockFile(filepath.Join(t.TempDir(), "missing"), "/dev/ttyX9")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "LockDir") {
		t.Errorf("got %v, want advice about LockDir", err)
	}
	if l, err := takeLockFile("", "/dev/ttyX9"); l != nil || err != nil {
		t.Errorf("no LockDir: got %v, %v", l, err)
	}
}

func TestLockName(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "modem")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ device, want string }{
		{"/dev/ttyS0", "LCK..ttyS0"},
		{"/dev/pts/3", "LCK..pts_3"},
		{"ttyX9", "LCK..ttyX9"},
		{link, "LCK..null"},
	}
	for _, tt := range tests {
		if got := lockName(tt.device); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.device, got, tt.want)
		}
	}
}

func FuzzParsePID(f *testing.F) {
	for _, seed := range []string{hdb(1), hdb(99999), "", "\n", "-5\n", "1234", "\x01\x00\x00\x00", "12 uucp\n", "99999999999\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pid := parsePID(b)
		if pid < 0 {
			t.Errorf("process %d", pid)
		}
		if pid > 0 && parsePID([]byte(hdb(pid))) != pid {
			t.Errorf("process %d does not survive the HDB format", pid)
		}
	})
}
