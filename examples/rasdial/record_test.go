package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/examples/internal/demo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/capture"
)

// notes returns the notes of a recording, and what was sent and received.
func notes(t *testing.T, path string) (notes, data []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			return notes, data
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case capture.Note:
			notes = append(notes, e.Note)
		case capture.Sent:
			data = append(data, "> "+string(e.Data))
		case capture.Received:
			data = append(data, "< "+string(e.Data))
		case capture.LinesChanged:
			data = append(data, e.Lines.String())
		}
	}
}

// TestRecord records the demonstration and plays it back, to the same login with
// another password and to others.
func TestRecord(t *testing.T) { onFakeTime(t, testRecord) }

func testRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.pcapng")
	rasdial(t, t.Context(), "-record", path).expect(t, exitOK, "RASCS_Disconnected +hung up by DTR")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 && os.PathSeparator == '/' {
		t.Errorf("the file has mode %v, want 0600", info.Mode())
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(file), demo.Password) {
		t.Error("the password is in the recording")
	}
	noted, data := notes(t, path)
	all := strings.Join(noted, "\n")
	for _, want := range []string{"state=RASCS_OpenPort", "state=RASCS_DeviceConnected", "555-0100 CONNECT", "waiting for=", "limit=1m0s", "matched pattern=0", "state=RASCS_Connected", "state=RASCS_Disconnected"} {
		if !strings.Contains(all, want) {
			t.Errorf("the notes have no %q:\n%s", want, all)
		}
	}
	all = strings.Join(data, "\n")
	if !strings.Contains(all, "DCD") { // at the same instant as CONNECT, before or after it
		t.Errorf("the recording has no DCD:\n%q", all)
	}
	at := 0
	for _, want := range []string{"> ATDT5550100\r", "CONNECT 9600", "login: ", "> guest\r", "Password: ", "> ********\r", "Welcome.", "~\xff}#"} {
		i := strings.Index(all[at:], want)
		if i < 0 {
			t.Fatalf("the recording has no %q after offset %d:\n%q", want, at, all)
		}
		at += i
	}

	rasdial(t, t.Context(), "-record", path).expect(t, exitUsage, "-record: .*demo.pcapng exists already")

	replay := []string{"-port", "replay:" + path, "-dial", "555-0100", "-password-file", file1(t, "any other")}
	rasdial(t, t.Context(), append(replay, "-user", "guest")...).expect(t, exitOK, "RASCS_Disconnected +hung up by DTR, DCD has fallen")
	rasdial(t, t.Context(), append(replay, "-user", "joe")...).expect(t, exitFailed,
		`diverges at event \d+ \(offset \d+, after .*s\): "guest\\r" is sent there, and "joe\\r" was sent`)
}

// file1 writes a file with one line.
func file1(t *testing.T, line string) string { return file(t, "line", line+"\n") }

// TestReplayNamesThePlaceInTheScript plays a recording to a script that waits for
// what is not in it, and to one that sends something else.
func TestReplayNamesThePlaceInTheScript(t *testing.T) { onFakeTime(t, testReplayPlace) }

func testReplayPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.pcapng")
	rasdial(t, t.Context(), "-record", path).expect(t, exitOK, "RASCS_Disconnected")
	script := file(t, "other.scp", "proc main\n  transmit \"ATX^M\"\n  waitfor \"OK\"\nendproc\n")
	again := filepath.Join(t.TempDir(), "again.pcapng")
	r := rasdial(t, t.Context(), "-port", "replay:"+path, "-script", script, "-hangup", "none", "-record", again)
	r.expect(t, exitFailed, "error 629 ERROR_REMOTE_DISCONNECTION")
	if noted, _ := notes(t, again); !strings.Contains(strings.Join(noted, "\n"), "other.scp:2") {
		t.Errorf("the notes do not name the place in the script: %q", noted)
	}
	if !strings.Contains(r.stderr, "other.scp:2") || !strings.Contains(r.stderr, "the recording diverges at event") {
		t.Errorf("the errors do not name the places in the script and in the recording")
	}
}

// TestReplayThatIsLeftEarly plays recordings to scripts that send nothing: they have
// not done what the recorded script did, and there is no carrier that they lose.
func TestReplayThatIsLeftEarly(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "demo.pcapng")
		rasdial(t, t.Context(), "-record", path).expect(t, exitOK, "RASCS_Disconnected")
		script := file(t, "none.scp", "proc main\n  delay 1\nendproc\n")
		for _, recorded := range []string{path, recordedSer2net} {
			for _, hangup := range []string{"none", "dtr", "ath"} {
				r := rasdial(t, t.Context(), "-port", "replay:"+recorded, "-script", script, "-hangup", hangup)
				r.expect(t, exitFailed, "the recording diverges at event [0-9]+ ")
			}
		}
	})
}

// TestTsharkReadsTheDemonstration lists a recording with tshark(1).
func TestTsharkReadsTheDemonstration(t *testing.T) {
	t.Parallel()
	tshark := peertest.Program(t, "tshark")
	path := filepath.Join(t.TempDir(), "demo.pcapng")
	rasdial(t, t.Context(), "-record", path).expect(t, exitOK, "RASCS_Disconnected")
	out, err := exec.CommandContext(t.Context(), tshark, "-r", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DATA_TX_START", "DATA_RX_START", "CAPTURE_COMPLETE", "CTS, DCD, DSR, RTS, DTR", "CTS, /DCD, DSR, RTS, /DTR"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("tshark shows no %q:\n%s", want, out)
		}
	}
}

// The recordings of real sessions: of TestLoginOverSer2net, which makes it if
// RASLINE_RECORD is set, and of TestRecording of package
// internal/integration/guest, whose log has it.
var (
	recordedSer2net = filepath.Join("..", "..", "testdata", "captures", "ser2net.pcapng")
	recordedPPPD    = filepath.Join("..", "..", "testdata", "captures", "guest-pppd.pcapng")
)

// wakingSCP is scpLogin for a host that waits to be woken.
func wakingSCP() string {
	return strings.Replace(scpLogin, "proc main\n", "proc main\n  delay 1\n  transmit \"^M\"\n", 1)
}

// TestRecordedSer2net runs the script of TestLoginOverSer2net at its recording.
func TestRecordedSer2net(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		args := []string{"-port", "replay:" + recordedSer2net, "-mode", "57600,8N1", "-script", file(t, "login.scp", wakingSCP()),
			"-user", "joe", "-password-file", file1(t, "another"), "-timeout", "60s"}
		rasdial(t, t.Context(), args...).expect(t, exitOK, "joe logged in")
		r := rasdial(t, t.Context(), append(args, "-user", "jim")...)
		r.expect(t, exitFailed, "ERROR_REMOTE_DISCONNECTION")
		if !strings.Contains(r.stderr, "the recording diverges at event") || !strings.Contains(r.stderr, "login.scp:") {
			t.Error("the errors do not name the places in the script and in the recording")
		}
	})
}

// TestRecordedPPPD logs in at the recorded host in the guest and leaves the first
// frame of its pppd for ours.
func TestRecordedPPPD(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		r := rasdial(t, t.Context(), "-port", "replay:"+recordedPPPD, "-user", "guest", "-password-file", file1(t, "another"), "-hangup", "none", "-v")
		r.expect(t, exitOK, `guest logged in after .*, \d+ bytes wait for PPP`)
		if !strings.Contains(r.stderr, "PPP starts now.") {
			t.Error("the login of the recording does not show")
		}
	})
}
