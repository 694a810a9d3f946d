package capture_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

func TestMain(m *testing.M) {
	if file := os.Getenv("RASLINE_TEST_RECORD"); file != "" {
		recordForEver(file)
	}
	peertest.Parallel(16)
	os.Exit(m.Run())
}

func runTool(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// TestTshark has tshark(1) as installed read a recording.
func TestTshark(t *testing.T) {
	tshark := peertest.Program(t, "tshark")
	file := filepath.Join(t.TempDir(), "line.pcapng")
	if err := os.WriteFile(file, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	summary := strings.Join(strings.Fields(runTool(t, tshark, "-r", file)), " ")
	at := 0
	for _, want := range []string{
		"STATUS_CHANGE ( CTS, DCD, DSR, RTS, DTR, /RING, /MBOK )",
		"DATA_RX_START ( CTS, DCD, DSR, RTS, DTR, /RING, /MBOK )",
		"DATA_TX_START ( CTS, DCD, DSR, RTS, DTR, /RING, /MBOK )",
		"STATUS_CHANGE",
		"SERIAL_BREAK_EVENT",
		"CAPTURE_COMPLETE",
	} {
		i := strings.Index(summary[at:], want)
		if i < 0 {
			t.Fatalf("tshark shows no %q after offset %d:\n%s", want, at, summary)
		}
		at += i + len(want)
	}
	fields := runTool(t, tshark, "-r", file, "-T", "fields", "-E", "separator=/s", "-e", "rtacser.eventtype", "-e", "rtacser.cts", "-e", "data.data", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction", "-e", "frame.comment")
	for _, want := range []string{
		fmt.Sprintf("0x02 1 %x line 0x00000001", "login: "),
		fmt.Sprintf("0x01 1 %x line 0x00000002 rasline:hidden 0 8", "********\r"),
		"line  state state=RASCS_Connected",
	} {
		if !strings.Contains(fields, want) {
			t.Errorf("tshark shows no %q:\n%s", want, fields)
		}
	}
	if all := runTool(t, tshark, "-r", file, "-V"); strings.Contains(all, "Malformed") || !strings.Contains(all, "Packet comments") {
		t.Errorf("tshark -V shows a malformed packet, or no comments:\n%s", all)
	}
}

// TestWiresharkTools reads what editcap(1) and mergecap(1) make of recordings.
func TestWiresharkTools(t *testing.T) {
	editcap, mergecap := peertest.Program(t, "editcap"), peertest.Program(t, "mergecap")
	dir := t.TempDir()
	file, other, merged := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	recording := sample(t)
	if err := os.WriteFile(file, recording, 0o600); err != nil {
		t.Fatal(err)
	}
	runTool(t, editcap, "-r", file, other, "2-3")
	edited, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := short(readAll(t, edited)), short(readAll(t, recording)[1:3]); got != want {
		t.Errorf("after editcap\n%swant\n%s", got, want)
	}
	runTool(t, mergecap, "-w", merged, file, other)
	both, err := os.ReadFile(merged)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, both)); n != len(readAll(t, recording))+2 {
		t.Errorf("after mergecap there are %d events", n)
	}
}

// recordForEver records an endless conversation and prints a line for each round.
func recordForEver(file string) {
	f, err := os.Create(file)
	if err != nil {
		panic(err)
	}
	w, err := capture.NewWriter(f, nil)
	if err != nil {
		panic(err)
	}
	a, b := virtual.Pair()
	p := capture.Record(a, w)
	buf := make([]byte, 100)
	for i := 0; ; i++ {
		fmt.Fprintf(b, "round %d\r\n", i)
		p.Read(buf)
		p.Write([]byte("ok\r"))
		b.Read(buf)
		fmt.Println(i)
	}
}

// TestKilled kills a program that records: the file has all but what passed in
// the last moments, up to a whole block.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "line.pcapng")
	cmd := peertest.Self(t.Context())
	cmd.Env = append(os.Environ(), "RASLINE_TEST_RECORD="+file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It runs until some of the recording is in the file.
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if info, err := os.Stat(file); err == nil && info.Size() > 10_000 {
			break
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		e, err := r.Next()
		if err != nil {
			if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the file ends with %v", err)
			}
			break
		}
		if e.Kind == capture.Received {
			if want := fmt.Sprintf("round %d\r\n", n); string(e.Data) != want {
				t.Fatalf("received %q, want %q", e.Data, want)
			}
			n++
		}
	}
	if n == 0 {
		t.Error("nothing of what has passed is in the file")
	}
}

// TestFullDisk records to a file system that is full.
func TestFullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full: %v", err)
	}
	defer f.Close()
	if _, err := capture.NewWriter(f, nil); !errors.As(err, new(*capture.WriteError)) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("NewWriter: %v, want a WriteError: no space left on device", err)
	}
}
