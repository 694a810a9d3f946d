package port_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/winetest"
)

// TestUnderWine runs the tests for Windows with wine's serial ports, which are
// pseudo-terminals here.
func TestUnderWine(t *testing.T) {
	if testing.Short() {
		t.Skip("starting wine takes a while")
	}
	wine := winetest.Start(t)
	exe := filepath.Join(t.TempDir(), "port.test.exe")
	winetest.Go(t, "amd64", false, "test", "-c", "-o", exe, ".")
	echoing, silent := newPTY(t), newPTY(t)
	go echo(echoing.Port)
	for com, name := range map[string]string{"com10": echoing.Name, "com5": silent.Name} {
		link := wine.Path("dosdevices", com)
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := wine.Command(ctx, exe, "-test.v", "-test.run=TestWindows", "-test.timeout=120s")
	cmd.Env = append(cmd.Env, "RASLINE_TEST_ECHO=COM10", "RASLINE_TEST_SILENT=COM5")
	out, err := cmd.CombinedOutput()
	passed := regexp.MustCompile(`(?m)^--- PASS: TestWindows`).FindAll(out, -1)
	if err != nil || len(passed) != 5 {
		t.Fatalf("under wine: %v, %d of 5 tests passed\n%s", err, len(passed), out)
	}
}
