package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/internal/winetest"
)

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(winetest.TempDir(t), "new", "rasline.log")
	one, other := &logFile{path: path}, &logFile{path: path} // of two processes
	record := []byte(strings.Repeat("x", 999) + "\n")
	for i := range 3000 {
		if i%2 == 0 {
			one.Write(record)
		} else {
			other.Write(record)
		}
	}
	for _, name := range []string{path, path + ".old"} {
		info, err := os.Stat(name)
		if err != nil || info.Size() > maxLog || info.Size() == 0 {
			t.Errorf("%s: %v, %v; want at most %d bytes", name, info, err, maxLog)
		}
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 2 {
		t.Errorf("%d files, want the log and one older", len(files))
	}
}

func TestLogThatCannotBeWritten(t *testing.T) {
	dir := winetest.TempDir(t)
	write(t, dir, "file", "")
	for _, path := range []string{"", dir, filepath.Join(dir, "file", "rasline.log")} {
		if n, err := (&logFile{path: path}).Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("Write to %q = %d, %v; want it to be dropped", path, n, err)
		}
	}
}

func TestErrorsGoToTheEventLog(t *testing.T) {
	var file, debug, events bytes.Buffer
	log := newLog(&file, &debug, &events)
	log.With("entry", "Work").WithGroup("g").Error("the script failed", "error", "x")
	log.Warn("PPP misses bytes")
	if !strings.Contains(file.String(), "level=ERROR") || !strings.Contains(file.String(), "PPP misses") || file.String() != debug.String() {
		t.Errorf("file %q, debug output %q; want both records in both", file.String(), debug.String())
	}
	if got, want := events.String(), "msg=\"the script failed\" entry=Work g.error=x\n"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}
