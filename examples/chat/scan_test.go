//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
)

const (
	awaited  = "CONNECT 115200/V90"
	scanSize = 1 << 20
)

// expectScript waits for its second argument on the terminal that the first one
// names.
const expectScript = `
log_user 0
set timeout 60
set line [open [lindex $argv 0] r+]
fconfigure $line -translation binary
spawn -noecho -open $line
expect -exact [lindex $argv 1]
`

// BenchmarkScan lets each program wait for a text that comes after a mebibyte
// of something else on a kernel terminal, the start of the program included,
// and the package behind this one do the same in this process, where it may
// read ahead. It reports how many times as fast as chat(8) and expect(1) each is.
func BenchmarkScan(b *testing.B) {
	ours := build(b)
	words := []string{"-S", "-t", "60", awaited}
	var chat8, expect time.Duration
	for _, s := range []struct {
		name string
		run  func(b *testing.B, terminal string) error
		took *time.Duration
	}{
		{"chat(8)", func(b *testing.B, terminal string) error { return runProgram(b, terminal, reference, words...) }, &chat8},
		{"expect", func(b *testing.B, terminal string) error {
			return runProgram(b, terminal, "expect", expectFile(b), terminal, awaited)
		}, &expect},
		{"this program", func(b *testing.B, terminal string) error { return runProgram(b, terminal, ours, words...) }, new(time.Duration)},
		{"in process", inProcess, new(time.Duration)},
	} {
		b.Run(s.name, func(b *testing.B) {
			b.SetBytes(scanSize)
			for b.Loop() {
				scan(b, s.run)
			}
			*s.took = b.Elapsed() / time.Duration(b.N)
			report(b, chat8, "x-chat(8)")
			report(b, expect, "x-expect")
		})
	}
}

func report(b *testing.B, other time.Duration, unit string) {
	if other > 0 {
		b.ReportMetric(other.Seconds()*float64(b.N)/b.Elapsed().Seconds(), unit)
	}
}

func expectFile(b *testing.B) string {
	b.Helper()
	name := filepath.Join(b.TempDir(), "scan.exp")
	if err := os.WriteFile(name, []byte(expectScript), 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

// scan lets run wait for the text on a terminal.
func scan(b *testing.B, run func(b *testing.B, terminal string) error) {
	b.Helper()
	pair, err := pty.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer pair.Close()
	keeper, err := os.OpenFile(pair.Name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer keeper.Close()
	noise := strings.Repeat("CONNECT 11520 and more of the kind.\r\n", scanSize/37+1)[:scanSize-len(awaited)]
	done := make(chan error)
	go func() {
		_, err := io.WriteString(pair.Port, noise+awaited)
		done <- err
	}()
	if err := run(b, pair.Name); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// runProgram runs a program on the terminal.
func runProgram(b *testing.B, terminal, program string, args ...string) error {
	b.Helper()
	peertest.Program(b, program)
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := start(cmd, terminal); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, stderr.String())
	}
	return nil
}

// inProcess runs the script on the terminal as a port.
func inProcess(b *testing.B, terminal string) error {
	line, err := port.Open(b.Context(), terminal, nil)
	if err != nil {
		return err
	}
	defer line.Close()
	s, err := chat.Parse([]string{awaited})
	if err != nil {
		return err
	}
	_, err = script.Run(b.Context(), line, s, nil)
	return err
}
