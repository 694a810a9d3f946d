//go:build unix

package chat

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func makePipe(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	return name
}

// A named pipe is waited for, as another program may ask the user for what it
// writes there.
func TestReadPipe(t *testing.T) {
	name := makePipe(t)
	done := make(chan error)
	go func() { done <- os.WriteFile(name, []byte("sesame\n"), 0) }()
	got, err := readFile(t.Context(), name)
	if err != nil || string(got) != "sesame\n" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReadPipeCancelled(t *testing.T) {
	cause := errors.New("SIGTERM")
	t.Run("nobody writes", func(t *testing.T) {
		name := makePipe(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() {
			_, err := readFile(ctx, name)
			done <- err
		}()
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("error %v, want %v", err, cause)
		}
	})
	t.Run("somebody writes nothing", func(t *testing.T) {
		name := makePipe(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() {
			_, err := readFile(ctx, name)
			done <- err
		}()
		w, err := os.OpenFile(name, os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("error %v, want %v", err, cause)
		}
	})
}
