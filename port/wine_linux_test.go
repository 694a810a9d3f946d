package port_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/pty"
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
	number := 9
	newCOM := func(p *pty.Pair) string {
		number++
		link := wine.Path("dosdevices", fmt.Sprintf("com%d", number))
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink(p.Name, link); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("COM%d", number)
	}
	echoing, silent, closing := newPTY(t), newPTY(t), newPTY(t)
	go echoAll(echoing.Port)
	go func() {
		closing.Port.Read(make([]byte, 1))
		closing.Close()
	}()
	env := []string{
		"RASLINE_TEST_ECHO=" + newCOM(echoing),
		"RASLINE_TEST_SILENT=" + newCOM(silent),
		"RASLINE_TEST_CLOSING=" + newCOM(closing),
	}
	var pairs []string
	for range porttest.Checks() {
		a, b := newPTY(t), newPTY(t)
		go relay(a.Port, b.Port)
		go relay(b.Port, a.Port)
		pairs = append(pairs, newCOM(a)+":"+newCOM(b))
	}
	env = append(env, "RASLINE_TEST_PAIRS="+strings.Join(pairs, ","))

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := wine.Command(ctx, exe, "-test.v", "-test.run=TestWindows", "-test.timeout=200s")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	passed := regexp.MustCompile(`(?m)^--- PASS: TestWindows`).FindAll(out, -1)
	if err != nil || len(passed) < 10 {
		t.Fatalf("under wine: %v, %d tests passed\n%s", err, len(passed), out)
	}
	t.Logf("%d checks of the suite passed, %d were skipped", bytes.Count(out, []byte("--- PASS: TestWindowsSuite/")), bytes.Count(out, []byte("--- SKIP: TestWindowsSuite/")))
}

// echoAll sends back what arrives, however often the peer is opened.
func echoAll(p port.Port) {
	buf := make([]byte, 4096)
	for {
		n, err := p.Read(buf)
		p.Write(buf[:n])
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			<-time.After(time.Millisecond)
		}
	}
}

// relay copies what one pseudo-terminal's user writes to the other's. A read
// fails until a process has opened the peer and after that has closed it.
func relay(from, to port.Port) {
	buf := make([]byte, 4096)
	opened := false
	for {
		n, err := from.Read(buf)
		if n > 0 {
			opened = true
			to.Write(buf[:n])
		}
		switch {
		case err == nil:
		case opened && errors.Is(err, port.ErrCarrierLost):
			to.Close()
			return
		case errors.Is(err, net.ErrClosed):
			return
		default:
			<-time.After(time.Millisecond)
		}
	}
}
