package guest

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/port/capture"
)

// TestRecording records a login at the host over the joined UARTs, up to the
// first frame of its pppd. The log has the recording: testdata/captures has one
// that was made so.
func TestRecording(t *testing.T) {
	inGuest(t)
	startHost(t)
	dir := t.TempDir()
	path, password := filepath.Join(dir, "guest-pppd.pcapng"), filepath.Join(dir, "password")
	writeFile(t, password, "open-sesame\n")
	out, err := exec.CommandContext(within(t, patience), "/bin/rasdial", "-port", uart, "-mode", "115200,8N1,none",
		"-user", "guest", "-password-file", password, "-hangup", "none", "-record", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := os.ReadFile(path)
	must(t, err)
	if bytes.Contains(file, []byte("open-sesame")) {
		t.Error("the password is in the recording")
	}
	r, err := capture.NewReader(bytes.NewReader(file))
	must(t, err)
	var received []byte
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		if e.Kind == capture.Received {
			received = append(received, e.Data...)
		}
	}
	// The login ends with the bytes that show the frame; what of the rest is read
	// depends on how fast it arrives.
	for _, want := range []string{"login: ", "Welcome. PPP starts now.", "~\xff}#"} {
		if !bytes.Contains(received, []byte(want)) {
			t.Errorf("the recording has no %q: received %q", want, received)
		}
	}
	text := base64.StdEncoding.EncodeToString(file)
	var lines strings.Builder
	for len(text) > 0 {
		n := min(len(text), 100)
		lines.WriteString("RECORDING " + text[:n] + "\n")
		text = text[n:]
	}
	t.Log("\n" + lines.String())
}
