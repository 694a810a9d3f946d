package peertest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestOptionalIsReported(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skipped")
	t.Setenv("RASLINE_SKIPPED", file)
	t.Setenv("RASLINE_PEERS", "required")
	ok := t.Run("skips", func(t *testing.T) {
		Optional(t, "wine32", errors.New("no wine"))
		t.Error("the test went on without its peer")
	})
	got, err := os.ReadFile(file)
	want := "TestOptionalIsReported/skips: wine32: no wine (" + optional["wine32"] + ")\n"
	if !ok || err != nil || string(got) != want {
		t.Errorf("reported %q (%v), want %q", got, err, want)
	}
}

func TestHeavyNeedsPeers(t *testing.T) {
	t.Setenv("RASLINE_PEERS", "")
	t.Run("skips", func(t *testing.T) {
		Heavy(t, "a guest kernel")
		t.Error("a heavy test ran without RASLINE_PEERS=required")
	})
	t.Setenv("RASLINE_PEERS", "required")
	ran := false
	t.Run("runs", func(t *testing.T) {
		Heavy(t, "a guest kernel")
		ran = true
	})
	if !ran {
		t.Error("a heavy test was skipped with RASLINE_PEERS=required")
	}
}

func TestParallel(t *testing.T) {
	parallel := flag.Lookup("test.parallel").Value
	was, given := parallel.String(), false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	t.Cleanup(func() { flag.Set("test.parallel", was) })
	t.Setenv("RASLINE_EMULATOR", "qemu")
	Parallel(1234)
	if got := parallel.String(); got != was {
		t.Errorf("%s tests run in parallel under an emulator, want %s", got, was)
	}
	t.Setenv("RASLINE_EMULATOR", "")
	Parallel(1234)
	if got := parallel.String(); given && got != was || !given && got != "1234" {
		t.Errorf("%s tests run in parallel, of %s before; the flag was given: %v", got, was, given)
	}
	Parallel(5678)
	if got := parallel.String(); got == "5678" {
		t.Error("Parallel has replaced what the flag specifies")
	}
}

func TestProgramLooksBesidesPATH(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := os.Stat("/usr/sbin/ldconfig"); err != nil {
		if _, err := os.Stat("/sbin/ldconfig"); err != nil {
			t.Skip("this system has no ldconfig to find")
		}
	}
	if path := Program(t, "no-such-program", "ldconfig"); filepath.Base(path) != "ldconfig" {
		t.Errorf("Program found %q", path)
	}
}

// TestPass holds that Pass takes no real time.
func TestPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		Pass(time.Hour)
		if took := time.Since(start); took != time.Hour {
			t.Errorf("%v have passed", took)
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("Pass waits in real time")
		}
	}()
	Pass(0)
}
