package peertest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
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
