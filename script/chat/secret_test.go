package chat

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
)

// Everything a run shows is searched for everything that is secret, also in
// another letter case, while the peer echoes what it gets.
func TestSecretsAreNotShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("fromFile7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	number, other := "5551212", ras.Secret(`0800\pabc`)
	secrets := []string{"fromFile7", "0800", "marked-one", "callPass"}
	echo := "a1 FROMFILE7 2\r\nATDT5551212\r\n3 0800abc\r\nb marked-one and callPass\r\nc fromF"
	for _, end := range []string{"OK", "BUSY\r", "ERR"} {
		far := echo + end
		for cut := range len(far) {
			var report, log bytes.Buffer
			sc := scene{
				file: "TIMEOUT 5 ABORT BUSY REPORT a REPORT b REPORT c SAY 'dial \\T\\U\\n\\c'\n" +
					"'' @" + file + " '' ATDT\\T '' \\U '' \\qmarked\\-one OK-\\qmarked-one-OK ''\n",
				opts: Config{
					Echo: true, Copy: true, T: &number, U: &other, Report: &report,
					Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				},
				far:    []said{{text: far[:cut]}, {after: time.Second, text: far[cut:]}},
				params: &ras.DialParams{Password: "callPass"},
			}
			got := sc.play(t)
			shown := fmt.Sprintf("%s\n%s\n%s\n%v\n%+v", got.Stderr, log.String(), report.String(), got.err, got.err)
			for _, s := range secrets {
				if strings.Contains(strings.ToLower(shown), strings.ToLower(s)) {
					t.Fatalf("cut at %d, end %q: %q is shown in\n%s", cut, end, s, shown)
				}
			}
			if !strings.Contains(got.Sent, "fromFile7") || !strings.Contains(got.Sent, "0800abc") {
				t.Fatalf("the secrets were not sent: %q", got.Sent)
			}
		}
	}
}

// Any cut of the same bytes gives the same outcome.
func TestAnySplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name, script, far string
	}{
		{"reports and echo", `ECHO ON REPORT CON REPORT 'b\r' CON a '' x '' y ''`, "abCON 9600\rbb\rx\ny tail"},
		{"an abort", `ABORT BUSY ABORT USY ECHO ON REPORT B OK z`, "BUBUSBUSY tail OK"},
		{"a secret's echo", `ECHO ON '' '\qsesame' OK ''`, "sese\rSesame sesameOK tail"},
		{"nested near-matches", `aab-x-b '' abab ''`, "aaabababab tail"},
		{"high bits", `ECHO ON \rOK x`, "\x8d\x8a\xcf\x8d\xcf\xcb\xff tail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play := func(far []said, loose bool) outcome {
				var report strings.Builder
				sc := scene{file: tt.script, far: far, loose: loose, opts: Config{Report: &report}}
				out := sc.play(t)
				out.Stderr += report.String()
				out.err = nil
				return out
			}
			want := play(now(tt.far), false)
			if want.Status == ExitTimeout {
				t.Fatalf("the dialogue times out: %+v", want)
			}
			for range 40 {
				loose := rng.IntN(2) == 0
				far := split(rng, tt.far)
				if got := play(far, loose); got != want {
					t.Fatalf("cut as %+v (exact %t):\n got %+v\nwant %+v", far, !loose, got, want)
				}
			}
		})
	}
}

// split cuts a text into pieces that are sent at one moment.
func split(rng *rand.Rand, text string) []said {
	var out []said
	for len(text) > 0 {
		n := 1 + rng.IntN(min(len(text), 5))
		out = append(out, said{text: text[:n]})
		text = text[n:]
	}
	return out
}
