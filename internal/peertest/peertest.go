// Package peertest finds the programs that tests run against.
//
// Tests of this module run against programs that other people wrote. Where
// such a program is missing the test is skipped with the reason, so that
// go test works on any machine; with RASLINE_PEERS=required in the environment,
// as in the gate, it fails instead. Tests that need minutes, wine or a guest
// kernel call Heavy and run only in that case.
//
// A few peers cannot be had on every machine of the gate. They are listed in
// optional with the reason; a test that misses one of them is skipped there
// too, and is recorded in the file that RASLINE_SKIPPED names, which the gate
// prints at its end.
package peertest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// optional lists the peers that the gate does without where they are missing.
var optional = map[string]string{
	"wine32": "the 32-bit packages of wine are not available for every machine",
}

// Required reports whether a missing peer fails a test, that is whether
// RASLINE_PEERS=required.
func Required() bool { return os.Getenv("RASLINE_PEERS") == "required" }

// Need skips the test with the text of err, or fails it if peers are required.
// It does nothing if err is nil.
func Need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if Required() {
		t.Fatalf("%v (RASLINE_PEERS=required)", err)
	}
	t.Skip(err)
}

// Optional is Need for a peer of the list of optional ones: the test is skipped
// in the gate too, which reports it at its end.
func Optional(t testing.TB, name string, err error) {
	t.Helper()
	reason, ok := optional[name]
	if !ok {
		t.Fatalf("%s is not in the list of optional peers", name)
	}
	if err == nil {
		return
	}
	if file := os.Getenv("RASLINE_SKIPPED"); file != "" {
		if err := report(file, fmt.Sprintf("%s: %s: %v (%s)\n", t.Name(), name, err, reason)); err != nil {
			t.Fatal(err)
		}
	}
	t.Skip(err)
}

func report(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// Long reports whether tests run at full length, that is whether RASLINE_LONG is
// set, as in the gate before a release.
func Long() bool { return os.Getenv("RASLINE_LONG") != "" }

// Parallel lets n tests run in parallel, for a package whose tests wait for real
// time most of the time; without it as many run as there are processors. A
// TestMain calls it before m.Run. The flags -parallel and -fuzz have priority, and
// an emulator, whose tests compute, gets no more than its processors.
func Parallel(n int) {
	flag.Parse()
	given := os.Getenv("RASLINE_EMULATOR") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" || f.Name == "test.fuzz" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(n))
	}
}

// Heavy skips the test, for the given reason, unless peers are required. Tests
// that take minutes or start a wine prefix or a guest kernel call it first.
func Heavy(t testing.TB, reason string) {
	t.Helper()
	if !Required() {
		t.Skipf("%s: runs only with RASLINE_PEERS=required", reason)
	}
}

// Program returns the path of the first of the named programs that is
// installed, in PATH or in the directories for administrators, which are not in
// everyone's PATH. Without one it acts as Need.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/lib/qemu"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	Need(t, fmt.Errorf("%s is not installed", strings.Join(names, " or ")))
	return ""
}

// Self returns a command that runs the test binary again with args. Under an
// emulator, which the environment variable RASLINE_EMULATOR names, the command
// starts the emulator, since the kernel cannot run the binary by itself.
func Self(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	if emulator := os.Getenv("RASLINE_EMULATOR"); emulator != "" {
		// Under qemu-user os.Executable names the emulator's view of the
		// binary; os.Args[0] is what the emulator was given.
		if abs, err := filepath.Abs(os.Args[0]); err == nil {
			self = abs
		}
		return exec.CommandContext(ctx, emulator, append([]string{self}, args...)...)
	}
	return exec.CommandContext(ctx, self, args...)
}

// Emulated skips a test that the emulator of the gate cannot run, for the given
// reason. It does nothing on a real processor.
func Emulated(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("RASLINE_EMULATOR") != "" {
		t.Skipf("under %s: %s", os.Getenv("RASLINE_EMULATOR"), reason)
	}
}

// Pass lets time pass on the clock of a bubble of testing/synctest. It panics
// outside one, where a test would wait in real time.
func Pass(d time.Duration) {
	if time.Now().Year() > 2010 { // a bubble begins in 2000
		panic("peertest: Pass outside a bubble of testing/synctest")
	}
	time.Sleep(d)
}
