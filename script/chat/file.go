package chat

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rasline/rasline/port"
)

// maxFileText is how many bytes of an @file are read.
const maxFileText = 1023

// readFile returns the first bytes of a file. It may be a named pipe that
// has no writer yet: when ctx ends, the wait for it ends too.
func readFile(ctx context.Context, name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeNamedPipe != 0 {
		return readPipe(ctx, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileText))
}

// readPipe reads a named pipe. Opening it blocks until another process opens the other
// end, so that is what is done to free it when ctx ends.
func readPipe(ctx context.Context, name string) ([]byte, error) {
	opened := make(chan struct{})
	freed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(freed)
		for {
			if w, err := os.OpenFile(name, os.O_WRONLY|nonblock, 0); err == nil {
				w.Close()
			}
			select {
			case <-opened:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	f, err := os.Open(name)
	close(opened)
	if !stop() {
		<-freed
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	stop = context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	data, err := io.ReadAll(io.LimitReader(f, maxFileText))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return data, err
}

// SystemText returns the system's own text for what err wraps, with a capital, as
// chat(8) prints it.
func SystemText(err error) string {
	text := err.Error()
	var no errno
	switch {
	case errors.As(err, &no):
		text = no.Error()
	case errors.Is(err, port.ErrCarrierLost):
		text = syscall.EIO.Error() // which it is where a terminal was hung up
	}
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
