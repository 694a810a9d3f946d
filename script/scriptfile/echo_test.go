package scriptfile_test

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scriptfile"
)

// logins wait for two prompts and for a third text that is not received.
var logins = map[string]string{
	"x.scp": "proc main\nwaitfor \"ogin:\" until 5\ntransmit $USERID\ntransmit \"^M\"\nwaitfor \"word:\" until 5\n" +
		"transmit $PASSWORD, raw\ntransmit \"^M\"\nwaitfor \"PPP\"\nendproc\n",
	"x.chat":      "TIMEOUT 3 ogin: \\T word: \\U PPP ''\n",
	"x.runscript": "expect \"ogin:\"\nsend $(LOGIN)\nexpect \"word:\"\nsend $(PASS)\nexpect {\n\"PPP\"\ntimeout 5\n}\n",
	"x.inf": "[A]\nCOMMAND=\nOK=<match>\"ogin:\"\nCOMMAND=<username><cr>\nOK=<match>\"word:\"\n" +
		"COMMAND=<password><cr>\nOK=<match>\"PPP\"\nERROR_DIAGNOSTICS=No<diagnostics>\n",
}

// An echo of the password that is cut, wrapped, damaged or corrected shows
// nothing of it in the log or in the error, in any language. The user's name and
// what else the peer sends are shown.
func TestPartialEchoes(t *testing.T) {
	const password = "Xy7QzW9kLm"
	for name, src := range logins {
		for _, echo := range []string{
			"Xy7QzW9k\r\nLogin incorrect\r\n", "Xy7Qz\r\nW9kLm\r\nbad\r\n", "Xy7Qz?9kLm\r\nbad\r\n", "Xy7QzWW\b9kLm\r\nbad\r\n",
			"Xy7QzW9kLm\r\nbad\r\n", "xy7qzw9klm\r\nbad\r\n", "Xy7QzW",
		} {
			s, err := scriptfile.Load(name, []byte(src), nil)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer far.Close()
				defer near.Close()
				go func() {
					io.WriteString(far, "login: ")
					readLine(far)
					io.WriteString(far, "No such joe? Password: ")
					readLine(far)
					io.WriteString(far, echo)
				}()
				var log bytes.Buffer
				_, err := script.Run(t.Context(), near, s.Executor(), &script.Config{
					Timeout: 20e9, Params: &ras.DialParams{UserName: "joe", Password: password},
					Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				})
				near.Close()
				synctest.Wait() // for the record of the limit that passed
				shown := log.String() + err.Error()
				for i := range len(password) - 3 {
					if strings.Contains(strings.ToLower(shown), strings.ToLower(password[i:i+4])) {
						t.Fatalf("%s, echo %q: %q shows in\n%s", name, echo, password[i:i+4], shown)
					}
				}
				if !strings.Contains(shown, "joe") {
					t.Errorf("%s: the name does not show in\n%s", name, shown)
				}
			})
		}
	}
}

// readLine reads up to a CR.
func readLine(p io.Reader) {
	for b := make([]byte, 1); b[0] != '\r'; {
		if _, err := p.Read(b); err != nil {
			return
		}
	}
}
