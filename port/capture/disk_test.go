package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

func TestFailingFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &fullDisk{room: 600}
		var log bytes.Buffer
		w, err := capture.NewWriter(full, &capture.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		a, b := virtual.Pair()
		p := capture.Record(a, w)
		defer b.Close()
		const rounds = 50
		for i := range rounds {
			fmt.Fprintf(b, "line %2d\r\n", i)
			if _, err := io.ReadFull(p, make([]byte, 9)); err != nil {
				t.Fatal(err)
			}
			peertest.Pass(time.Second)
		}
		p.Close()
		err = w.Close()
		var lost *capture.WriteError
		if !errors.As(err, &lost) || !errors.Is(err, errFull) {
			t.Fatalf("Close: %v, want a WriteError that matches %v", err, errFull)
		}
		if !strings.Contains(log.String(), "disk full") {
			t.Errorf("the log has %q", log.String())
		}
		r, err := capture.NewReader(bytes.NewReader(full.kept))
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for {
			if _, err = r.Next(); err != nil {
				break
			}
			whole++
		}
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the file ends with %v", err)
		}
		if all := rounds + 2; whole == 0 || whole+int(lost.Lost) != all {
			t.Errorf("%d events in the file and %d lost, want %d in all", whole, lost.Lost, all)
		}
	})
}

var errFull = errors.New("disk full")

// fullDisk accepts a number of bytes.
type fullDisk struct {
	room int
	kept []byte
}

func (f *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	f.kept = append(f.kept, b[:n]...)
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

// TestStuckFile has a disk that does not return: the line works on, and what does
// not fit into memory is counted.
func TestStuckFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, w, p, far := newStuckLine(t)
		buf := make([]byte, 4096)
		start := time.Now()
		const rounds = 1000
		for range rounds {
			far.Write(buf)
			if _, err := io.ReadFull(p, buf); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("the line was held up for %v", d)
		}
		close(stuck.free)
		peertest.Pass(time.Second)
		far.Write([]byte("at the end"))
		p.Read(buf)
		p.Close()
		err := w.Close()
		var lost *capture.WriteError
		if !errors.As(err, &lost) || lost.Lost == 0 || lost.Err != nil {
			t.Fatalf("Close: %v, want a WriteError that counts what was lost", err)
		}
		events := readAll(t, stuck.kept.Bytes())
		got := short(events)
		if want := fmt.Sprintf("lost (%d events lost)", lost.Lost); !strings.Contains(got, want) || !strings.Contains(got, "at the end") {
			t.Errorf("the file has no %q, or not what followed:\n%.200s", want, got)
		}
		if all := rounds + 4; len(events)+int(lost.Lost) != all {
			t.Errorf("%d events in the file and %d lost, want %d in all", len(events), lost.Lost, all)
		}
	})
}

// newStuckLine returns a line that is recorded on a disk which does not return
// from a write before free is closed.
func newStuckLine(t *testing.T) (disk *stuckDisk, w *capture.Writer, p port.Port, far *virtual.Port) {
	t.Helper()
	disk = &stuckDisk{free: make(chan struct{})}
	w, err := capture.NewWriter(disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	disk.on = true
	near, far := virtual.Pair()
	t.Cleanup(func() { far.Close() })
	return disk, w, capture.Record(near, w), far
}

type stuckDisk struct {
	on   bool
	free chan struct{}
	kept bytes.Buffer
}

func (s *stuckDisk) Write(b []byte) (int, error) {
	if s.on {
		<-s.free
	}
	return s.kept.Write(b)
}
