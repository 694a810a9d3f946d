package ras_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rasline/rasline/ras"
)

func TestCodesMatchTheTable(t *testing.T) {
	data, err := os.ReadFile("testdata/raserror.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(data)) {
		col := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		n, err := strconv.ParseUint(col[0], 10, 32)
		if err != nil || len(col) != 3 {
			t.Fatalf("bad row %q", line)
		}
		c := ras.Code(n)
		if c.Name() != col[1] || c.Text() != col[2] || !c.Known() {
			t.Errorf("code %d is %q, %q; want %q, %q", n, c.Name(), c.Text(), col[1], col[2])
		}
		rows++
	}
	if rows != 347 {
		t.Errorf("the table has %d rows, want 347", rows)
	}
}

// TestCodesAreGenerated fails when codes.go or codetable.go were edited by hand
// or the table was changed without generating them.
func TestCodesAreGenerated(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gencodes.go", "testdata/raserror.tsv"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(to), 0o755)
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to run the generator with")
	}
	cmd := exec.Command(tool, "run", "gencodes.go")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gencodes: %v\n%s", err, out)
	}
	for _, name := range []string{"codes.go", "codetable.go"} {
		want, _ := os.ReadFile(filepath.Join(dir, name))
		got, _ := os.ReadFile(name)
		if string(got) != string(want) {
			t.Errorf("%s is not what gencodes.go makes: run go generate", name)
		}
	}
}

func TestCodeNames(t *testing.T) {
	tests := []struct {
		code ras.Code
		n    uint32
		name string
	}{
		{ras.ErrPending, 600, "PENDING"},
		{ras.ErrInvalidPortHandle, 601, "ERROR_INVALID_PORT_HANDLE"},
		{ras.ErrRequestTimeout, 638, "ERROR_REQUEST_TIMEOUT"},
		{ras.ErrLinkFailure, 829, "ERROR_LINK_FAILURE"},
		{ras.ErrCancelled, 1223, "ERROR_CANCELLED"},
		{ras.Code(947), 947, "ERROR_947"},
	}
	for _, tt := range tests {
		if uint32(tt.code) != tt.n || tt.code.Name() != tt.name {
			t.Errorf("got %d %s, want %d %s", uint32(tt.code), tt.code.Name(), tt.n, tt.name)
		}
	}
	if got := ras.ErrRequestTimeout.Error(); !strings.HasPrefix(got, "error 638 ERROR_REQUEST_TIMEOUT: ") {
		t.Errorf("Error() = %q", got)
	}
	if ras.Code(947).Known() {
		t.Error("947 is not assigned")
	}
}

func TestCodeMatchesStandardErrors(t *testing.T) {
	tests := []struct {
		code  ras.Code
		match error
	}{
		{ras.ErrRequestTimeout, os.ErrDeadlineExceeded},
		{ras.ErrNotSupported, errors.ErrUnsupported},
		{ras.ErrPortDisconnected, net.ErrClosed},
	}
	for _, tt := range tests {
		for _, other := range tests {
			if got, want := errors.Is(tt.code, other.match), tt.match == other.match; got != want {
				t.Errorf("errors.Is(%v, %v) = %v, want %v", tt.code.Name(), other.match, got, want)
			}
		}
	}
}

func TestConnStateNames(t *testing.T) {
	tests := []struct {
		state ras.ConnState
		n     uint32
		name  string
	}{
		{ras.StateOpenPort, 0, "RASCS_OpenPort"},
		{ras.StateAllDevicesConnected, 4, "RASCS_AllDevicesConnected"},
		{ras.StateProjected, 18, "RASCS_Projected"},
		{ras.StateSubEntryConnected, 22, "RASCS_SubEntryConnected"},
		{ras.StateApplySettings, 24, "RASCS_ApplySettings"},
		{ras.StateInteractive, 0x1000, "RASCS_Interactive"},
		{ras.StateInvokeEapUI, 0x1004, "RASCS_InvokeEapUI"},
		{ras.StateConnected, 0x2000, "RASCS_Connected"},
		{ras.StateDisconnected, 0x2001, "RASCS_Disconnected"},
		{ras.ConnState(25), 25, "RASCS_25"},
	}
	for _, tt := range tests {
		if uint32(tt.state) != tt.n || tt.state.String() != tt.name {
			t.Errorf("got %d %v, want %d %s", uint32(tt.state), tt.state, tt.n, tt.name)
		}
	}
	if !ras.StateInteractive.Paused() || ras.StateConnected.Paused() || !ras.StateDisconnected.Final() {
		t.Error("Paused or Final is wrong")
	}
}
