package port

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

func TestInterruptibleEndsABlockedCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- interruptible(ctx, func() error {
			close(entered)
			_, err := unix.Poll(nil, -1) // never restarted after a signal
			return err
		})
	}()
	<-entered
	cancel()
	if err := <-done; err != unix.EINTR {
		t.Errorf("the call returned %v, want EINTR", err)
	}
}

func TestInterruptibleLeavesAQuickCallAlone(t *testing.T) {
	want := errors.New("quick")
	if err := interruptible(t.Context(), func() error { return want }); err != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

// blockingPipe returns a pipe whose reads block in the kernel and are restarted
// after a signal, as TIOCMIWAIT does and is.
func blockingPipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

// readByte stands in for TIOCMIWAIT: it blocks until something happens and
// fails on the null device.
func readByte(fd int) error {
	n, err := unix.Read(fd, make([]byte, 1))
	if n == 0 && err == nil {
		err = unix.ENOTTY
	}
	return err
}

func TestSleeperReportsAndStops(t *testing.T) {
	for range 50 {
		r, w := blockingPipe(t)
		own, err := unix.FcntlInt(uintptr(r), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		reports := make(chan error, 10)
		s := startSleeper(own, readByte, func(err error) { reports <- err })
		if s == nil {
			t.Fatal("the thread did not start")
		}
		for range 2 {
			unix.Write(w, []byte{1})
			if err := <-reports; err != nil {
				t.Fatal(err)
			}
		}
		s.stop()
		if len(reports) != 0 {
			t.Errorf("%d reports too many, the first %v", len(reports), <-reports)
		}
	}
}

func TestSleeperThatFailedStops(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	reports := make(chan error, 1)
	s := startSleeper(fd, waitForModem, func(err error) { reports <- err })
	if err := <-reports; !termios.Refused(err) {
		t.Errorf("TIOCMIWAIT on the null device: %v, want a refusal", err)
	}
	s.stop()
}

// watchedPipe returns a watch whose thread reads from a pipe, how it gets a
// descriptor of that, and the pipe's other end.
func watchedPipe(t *testing.T) (_ *lineWatch, dup func() (int, error), w int) {
	t.Helper()
	r, w := blockingPipe(t)
	return &lineWatch{wait: readByte}, func() (int, error) { return unix.Dup(r) }, w
}

func TestLineWatchSharesOneThread(t *testing.T) {
	watch, dup, w := watchedPipe(t)
	var wakes []chan struct{}
	for range 3 {
		wake := make(chan struct{}, 1)
		watch.join(wake, dup)
		wakes = append(wakes, wake)
	}
	thread := watch.thread
	if thread == nil || !watch.reporting() {
		t.Fatal("no thread waits")
	}
	unix.Write(w, []byte{1})
	for _, wake := range wakes {
		<-wake
	}
	watch.leave(wakes[0])
	watch.leave(wakes[1])
	if watch.thread != thread {
		t.Error("the thread ended while somebody still waits")
	}
	watch.leave(wakes[2])
	if watch.thread != nil {
		t.Error("the thread goes on although nobody waits")
	}
	select {
	case <-thread.over:
	default:
		t.Error("the thread was not waited for")
	}
}

func TestLineWatchOfARefusingDriver(t *testing.T) {
	watch, dup, w := watchedPipe(t)
	unix.Close(w) // makes readByte say ENOTTY
	wake := make(chan struct{}, 1)
	watch.join(wake, dup)
	<-wake
	if watch.reporting() {
		t.Error("a thread that was refused counts as reporting")
	}
	watch.leave(wake)
	watch.join(wake, dup)
	if watch.thread != nil {
		t.Error("a thread was started although the driver had refused")
	}
	watch.leave(wake)
}

func TestLineWatchComesAndGoes(t *testing.T) {
	watch, dup, _ := watchedPipe(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				wake := make(chan struct{}, 1)
				watch.join(wake, dup)
				watch.leave(wake)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("stuck")
	}
	watch.halt()
	if watch.thread != nil || len(watch.waiters) != 0 {
		t.Error("something was left behind")
	}
}
