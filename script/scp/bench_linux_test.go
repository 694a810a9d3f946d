package scp

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/script"
)

const (
	streamed = 64 << 20
	lastText = "Welcome to the end"
)

var streamBlock = bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, 0123456789 times.\r\n"), 1024)

// BenchmarkWaitfor looks for texts of which one comes after 64 MiB on a kernel
// pseudo-terminal. "×bare-rate" is how fast that is as a part of the rate at
// which a bare non-blocking descriptor reads the same, in the same run.
func BenchmarkWaitfor(b *testing.B) {
	for _, bm := range []struct {
		name  string
		texts int
		word  string
	}{{"1", 1, ", matchcase"}, {"1fold", 1, ""}, {"16", 16, ", matchcase"}, {"16fold", 16, ""}} {
		b.Run(bm.name, func(b *testing.B) { benchmarkWaitfor(b, waitScript(b, bm.texts, bm.word)) })
	}
}

// waitScript waits for n texts, the last of which comes.
func waitScript(b *testing.B, n int, word string) *Program {
	b.Helper()
	var list []string
	for i := range n - 1 {
		list = append(list, fmt.Sprintf("\"prompt number %d>\"%s then wrong", i, word))
	}
	list = append(list, fmt.Sprintf("%q%s then out", lastText, word))
	prog, err := Parse("b.scp", []byte(body("waitfor "+strings.Join(list, ",\n"), "wrong: halt", "out:")))
	if err != nil {
		b.Fatal(err)
	}
	return prog
}

func benchmarkWaitfor(b *testing.B, prog *Program) {
	pair, err := pty.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer pair.Close()
	now := make(chan struct{})
	defer close(now)
	go stream(pair.Port, now)
	bare := openBare(b, pair.Name)
	line, err := port.Open(b.Context(), pair.Name, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer line.Close()
	var ours, theirs time.Duration
	b.SetBytes(streamed)
	for b.Loop() {
		b.StopTimer()
		start := time.Now()
		now <- struct{}{}
		readBare(b, bare)
		theirs += time.Since(start)
		b.StartTimer()
		start = time.Now()
		now <- struct{}{}
		if _, err := script.Run(b.Context(), line, prog, nil); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
	}
	b.ReportMetric(float64(theirs)/float64(ours), "×bare-rate")
}

// stream sends the text whenever it is told to.
func stream(far io.Writer, now <-chan struct{}) {
	for range now {
		for sent := 0; sent < streamed; sent += len(streamBlock) {
			if _, err := far.Write(streamBlock); err != nil {
				return
			}
		}
		io.WriteString(far, lastText)
	}
}

// openBare opens the terminal without any code of ours.
func openBare(b *testing.B, name string) *os.File {
	b.Helper()
	fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	b.Cleanup(func() { f.Close() })
	return f
}

// readBare reads until the last text has come, which it knows by counting.
func readBare(b *testing.B, f *os.File) {
	b.Helper()
	total := (streamed+len(streamBlock)-1)/len(streamBlock)*len(streamBlock) + len(lastText)
	buf := make([]byte, 4096)
	for n := 0; n < total; {
		k, err := f.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		n += k
	}
}
