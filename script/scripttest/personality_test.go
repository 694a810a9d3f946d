package scripttest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port/virtual"
)

// talk sends lines to a modem of the personality and returns what it sends
// within a second of each.
func talk(t *testing.T, cfg ModemConfig, lines ...string) (answers []string) {
	t.Helper()
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		cfg.Dial = func(context.Context, string) Answer {
			a, _ := virtual.Pair()
			return Answer{Far: a, Connect: "CONNECT 9600"}
		}
		if cfg.Connects != nil {
			cfg.Connects[`+CGDATA="PPP",1`] = cfg.Dial(t.Context(), "")
		}
		m := NewModem(far, &cfg)
		defer m.Close()
		for _, l := range lines {
			near.got = nil
			near.send(l)
			near.port.SetReadDeadline(time.Now().Add(time.Second))
			for near.read() == nil {
			}
			answers = append(answers, string(near.got))
		}
	})
	return answers
}

func TestPersonalities(t *testing.T) {
	if _, ok := PersonalityOf("Tcpser"); !ok {
		t.Error("there is no tcpser")
	}
	if _, ok := PersonalityOf("unknown"); ok {
		t.Error("there is an unknown personality")
	}
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"hayes", []string{"ATI0\r", "ATV0\r", "ATH\r"}, []string{"ATI0\r\r\n249\r\n\r\nOK\r\n", "ATV0\r0\r", "ATH\r0\r"}},
		{"usr", []string{"ATV0DT1\r"}, []string{"ATV0DT1\r13\r"}},
		{"tcpser", []string{"ATE0V0S3?\r", "ATDT2\r", "ATS3?\r", "ATS3?\r"}, []string{"ATE0V0S3?\r013\r\n\r\n0\r\n", "\r\n7\r\n", "\r\n0\r\n", "013\r\n\r\n0\r\n"}},
		{"retrowifi", []string{"ATE0\r", "ATH\r", "ATDTa.example:23\r", "+", "ATH\r"}, []string{"ATE0\r\r\nOK\r\n", "\r\nERROR\r\n", "\r\nCONNECT 9600\r\n", "", ""}},
		{"zimodem", []string{"ATV0E0\r"}, []string{"ATV0E0\r\r\n0\r\n"}},
		{"cellular", []string{"AT+CSQ\r", "AT^SYSINFO\r"}, []string{"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n", "AT^SYSINFO\r\r\n^SYSINFO: 2,3,0,5,1\r\n\r\nOK\r\n"}},
		{"numeric only", []string{"ATV1\r", "AT&FV1\r", "ATI3\r"}, []string{"ATV1\r0\r", "AT&FV1\r0\r", "ATI3\rrasline test modem\r\n0\r"}},
		{"quiet", []string{"AT\r", "ATS3?\r", "ATQ0\r"}, []string{"AT\r", "ATS3?\r\r\n013\r\n", "ATQ0\r\r\nOK\r\n"}},
		{"no echo", []string{"ATE1\r", "AT\r"}, []string{"\r\nOK\r\n", "\r\nOK\r\n"}},
		{"bare CR", []string{"ATDT1\r"}, []string{"ATDT1\r\rCONNECT 9600\r"}},
		{"three-wire", []string{"AT\r"}, []string{"AT\r\r\nOK\r\n"}},
	} {
		p, ok := PersonalityOf(tt.name)
		if !ok {
			t.Errorf("there is no personality %q", tt.name)
			continue
		}
		cfg := ModemConfig{Personality: p, Numbers: map[string]Answer{"2": {Result: "BUSY"}}}
		if got := talk(t, cfg, tt.lines...); strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if len(Personalities()) != 11 {
		t.Errorf("%d personalities: add the new one to this test", len(Personalities()))
	}
}

// The lines of transcripts of real modems are answered, by what the
// configuration defines or by the modem itself.
func TestExtendedServesEveryCommand(t *testing.T) {
	cfg := ModemConfig{Profile: "E0", Extended: map[string]string{
		"^SYSINFO": "^SYSINFO: 2,3,0,5,1", "&Q5": "", "+CSQ": "+CSQ: 18,99", "#BND?": "#BND: 0", "$QCRSSI": "x",
		`+CGDCONT=1,"IP","NET"`: "", "I4": "settings",
	}}
	for line, want := range map[string]string{
		"AT^SYSINFO":                       "\r\n^SYSINFO: 2,3,0,5,1\r\n\r\nOK\r\n",
		"AT&Q5":                            "\r\nOK\r\n",
		"AT#BND?":                          "\r\n#BND: 0\r\n\r\nOK\r\n",
		"AT$QCRSSI":                        "\r\nx\r\n\r\nOK\r\n",
		"AT+CSQ;+CSQ":                      "\r\n+CSQ: 18,99\r\n\r\n+CSQ: 18,99\r\n\r\nOK\r\n",
		`AT+CGDCONT=1,"IP","net"`:          "\r\nOK\r\n",
		"ATI4":                             "\r\nsettings\r\n\r\nOK\r\n",
		"ATQ0 V1 S0=0 &C1 &D2 +FCLASS=0":   "\r\nOK\r\n",
		"AT&F1V1X4&A3&B1&H1&R2&S1S95=47E0": "\r\nOK\r\n",
		"ATB0M1L3W2%E2%C3\\N3&K3&Y0":       "\r\nOK\r\n",
		"AT+MS=V34;+IFC=2,2;+IPR=0;+GCAP":  "\r\nOK\r\n",
		"ATS7=45S0=0":                      "\r\nOK\r\n",
		"ATS0=2S0?":                        "\r\n002\r\n\r\nOK\r\n",
		"AT+XYZ":                           "\r\nERROR\r\n",
		"ATY9":                             "\r\nERROR\r\n",
	} {
		if got := talk(t, cfg, line+"\r"); got[0] != want {
			t.Errorf("%s: got %q, want %q", line, got[0], want)
		}
	}
}

func TestPromptsConnectsAndObey(t *testing.T) {
	cfg := ModemConfig{
		Profile:  "E0",
		Prompts:  map[string]string{"+CMGS=": "+CMGS: 7"},
		Connects: map[string]Answer{},
		Obey: func(command string) (info, result string, ok bool) {
			return "", "+CME ERROR: 16", command == `+CPIN="1234"`
		},
	}
	got := talk(t, cfg, "AT+CMGS=\"1\"\r", "hello\x1A", "AT+CMGS=\"1\"\r", "x\x1B", "AT+CPIN=\"1234\"\r", "AT+CGDATA=\"PPP\",1\r")
	want := []string{"\r\n> ", "\r\n+CMGS: 7\r\n\r\nOK\r\n", "\r\n> ", "\r\nOK\r\n", "\r\n+CME ERROR: 16\r\n", "\r\nCONNECT 9600\r\n"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// A fault doubles an answer, or lets a text follow it.
func TestFaultsAfterAnAnswer(t *testing.T) {
	cfg := ModemConfig{Profile: "E0", Faults: []Fault{
		{Command: "AT+GMI", Again: 50 * time.Millisecond},
		{Command: "AT+GMM", Then: "\r\n+X: 1\r\n", ThenAfter: time.Millisecond},
	}}
	got := talk(t, cfg, "AT+GMI\r", "AT+GMM\r")
	const answer = "\r\nrasline\r\n\r\nOK\r\n"
	if got[0] != answer+answer || got[1] != "\r\ntest modem\r\n\r\nOK\r\n\r\n+X: 1\r\n" {
		t.Errorf("got %q", got)
	}
}
