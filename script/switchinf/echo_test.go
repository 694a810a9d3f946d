package switchinf_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/switchinf"
)

// TestBothReadings answers commands with and without their echo. Whether the
// bytes after a command are its echo cannot be known, so both readings are tried.
func TestBothReadings(t *testing.T) {
	const last = "\nCOMMAND=x<cr>\nNoResponse\n"
	for _, tt := range []struct {
		name, step, in string
		after          time.Duration // until the script goes on; -1: never
		left           string
	}{
		{"CR without echo", "COMMAND=<cr>\nOK=<cr><lf>login:", "\r\nlogin:", 0, ""},
		{"CR with echo", "COMMAND=<cr>\nOK=<cr><lf>login:", "\r\r\nlogin:", 0, ""},
		{"CR with CR LF as echo", "COMMAND=<cr>\nOK=<cr><lf>login:", "\r\n\r\nlogin:", 0, ""},
		{"CR, and the answer follows the echo", "COMMAND=<cr>\nOK=login:", "\r\nlogin:", 0, ""},
		{"CR, and the LF belongs to the answer", "COMMAND=<cr>\nOK=<lf>login:", "\r\nlogin:", 0, ""},
		{"CR and a modem with ATE0", "COMMAND=<cr>\nOK=<cr><lf>OK<cr><lf>", "\r\nOK\r\n", 0, ""},
		{"CR and a line end alone", "COMMAND=<cr>\nOK=<cr><lf>", "\r\n", 0, ""},
		{"CR LF without echo", "COMMAND=<cr><lf>\nOK=<cr><lf>login:", "\r\nlogin:", 0, ""},
		{"CR LF with echo", "COMMAND=<cr><lf>\nOK=<cr><lf>login:", "\r\n\r\nlogin:", 0, ""},
		{"a modem with echo", "COMMAND=ATZ<cr>\nOK=<cr><lf>OK<cr><lf>", "ATZ\r\r\nOK\r\n", 0, ""},
		{"a modem without echo", "COMMAND=ATZ<cr>\nOK=<cr><lf>OK<cr><lf>", "\r\nOK\r\n", 0, ""},
		{"a part of the name is the answer", "COMMAND=joe<cr>\nOK=jo,", "jo, welcome", 0, " welcome"},
		{"a part of the echo", "COMMAND=joe<cr>\nOK=Xpassword", "joXpassword", 0, ""},
		{"the answer is the command", "COMMAND=PPP<cr>\nOK=<match>\"PPP\"", "PPP session", 0, " session"},
		{"the answer is the command, then silence", "COMMAND=PPP<cr>\nOK=<match>\"PPP\"", "PPP", time.Second, ""},
		{"the echo is like the answer", "COMMAND=PPP<cr>\nOK=<match>\"PPP\"", "PPP\r\nPPP session", 0, " session"},
		{"an echo is no answer", "COMMAND=PPP<cr>\nOK=<match>\"PPP\"", "PPP\r\n", -1, ""},
		{"an echo is nothing to ignore", "COMMAND=PPP<cr>\nOK=<ignore>", "PPP\r\n", -1, ""},
		{"an answer like a part of the command", "COMMAND=aab<cr>\nOK=<match>\"a\"", "a\nx", 0, "\nx"},
		{"LOOP on the echo of a CR", "COMMAND=<cr>\nLOOP=<cr><lf>\nOK=login:", "\r\nlogin:", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.in); size++ {
				inBubble(t, func(t *testing.T, near, far *virtual.Port) {
					for rest := tt.in; rest != ""; {
						n := min(size, len(rest))
						io.WriteString(far, rest[:n])
						rest = rest[n:]
					}
					res, err := script.Run(t.Context(), near, compile(t, "x.inf", "[x]\n"+tt.step+last, nil), nil)
					if tt.after < 0 {
						wantFailure(t, err, ras.ErrRequestTimeout, "no expected response")
						return
					}
					if err != nil || res.Duration != tt.after || string(res.Unread) != tt.left {
						t.Errorf("pieces of %d: %v after %v, %q unread; want success after %v, %q", size, err, res.Duration, res.Unread, tt.after, tt.left)
					}
				})
			}
		})
	}
}

// The diagnostics of a PAD that does not echo (article Q154629) reach the user.
func TestDiagnosticsWithoutEcho(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		io.WriteString(far, "\r\nCLR NC C:5 D:0\r\n")
		e := compile(t, "x.inf", "[x]\nCOMMAND=<cr>\nOK=<match>\"active\"\nERROR_DIAGNOSTICS=<cr><lf><Diagnostics>\n", nil)
		_, err := script.Run(t.Context(), near, e, nil)
		if f := wantFailure(t, err, ras.ErrFromDevice, `the device refused: "CLR NC C:5 D:0"`); f.Diagnostics != "CLR NC C:5 D:0" {
			t.Errorf("diagnostics %q", f.Diagnostics)
		}
	})
}

// A failure names what was awaited as the file has it, and no callback.
func TestTimeoutNamesTheResponses(t *testing.T) {
	const src = "[A]\nCOMMAND=x<cr>\nOK=<match>\"login:\"\nLOOP=<ignore>  \nERROR=\x1b[2J\n"
	for _, limit := range []time.Duration{0, 5 * time.Second} {
		inBubble(t, func(t *testing.T, near, far *virtual.Port) {
			io.WriteString(far, "hello")
			_, err := script.Run(t.Context(), near, compile(t, "u.inf", src, &switchinf.Config{Quiet: time.Hour}), &script.Config{Timeout: limit})
			want := `u.inf:2: [A]: wait for OK=<match>"login:" or LOOP=<ignore> or ERROR=\x1b[2J: no expected response was received within 1m0s; received last: "hello"`
			if limit > 0 {
				want = `u.inf:2: [A]: wait for OK=<match>"login:" or LOOP=<ignore> or ERROR=\x1b[2J: error 638 ERROR_REQUEST_TIMEOUT: the run's limit of 5s has passed; received last: "hello"`
			}
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if strings.Contains(err.Error(), "RasRetrieve") || strings.Contains(err.Error(), "listen") {
				t.Errorf("the message has the name of a callback: %v", err)
			}
		})
	}
}
