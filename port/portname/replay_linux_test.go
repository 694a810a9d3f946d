package portname

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReplayOfAFIFO has a FIFO that no process writes to, which os.Open would wait
// for whatever the context.
func TestReplayOfAFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := Open(t.Context(), "replay:"+path, nil); err == nil {
		p.Close()
		t.Error("a FIFO was opened as a recording")
	} else if !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}
