package modem

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
)

func TestParseResult(t *testing.T) {
	tests := []struct {
		in   string
		want Result
		ok   bool
	}{
		{"OK", Result{Outcome: OK, Text: "OK"}, true},
		{" ok ", Result{Outcome: OK, Text: "ok"}, true},
		{"0", Result{Outcome: OK, Text: "OK", Numeric: true}, true},
		{"ERROR", Result{Outcome: Failed, Text: "ERROR"}, true},
		{"+CME ERROR: 10", Result{Outcome: Failed, Text: "+CME ERROR: 10"}, true},
		{"CONNECT", Result{Outcome: Connect, Text: "CONNECT"}, true},
		{"CONNECT 115200", Result{Outcome: Connect, Text: "CONNECT 115200", Rate: 115200}, true},
		{"CONNECT 33600/ARQ/V34/LAPM/V42BIS", Result{Outcome: Connect, Text: "CONNECT 33600/ARQ/V34/LAPM/V42BIS",
			Rate: 33600, Protocols: []string{"ARQ", "V34", "LAPM", "V42BIS"}}, true},
		{"CONNECT 49333 V42bis", Result{Outcome: Connect, Text: "CONNECT 49333 V42bis",
			Rate: 49333, Protocols: []string{"V42bis"}}, true},
		{"CONNECT 1200TX/75RX", Result{Outcome: Connect, Text: "CONNECT 1200TX/75RX",
			Rate: 1200, Protocols: []string{"1200TX", "75RX"}}, true},
		{"CONNECT FAX", Result{Outcome: Connect, Text: "CONNECT FAX", Protocols: []string{"FAX"}}, true},
		{"CONNECT 2000000000", Result{Outcome: Connect, Text: "CONNECT 2000000000", Rate: 2000000000}, true},
		{"1", Result{Outcome: Connect, Text: "CONNECT", Numeric: true}, true},
		{"10", Result{Outcome: Connect, Text: "CONNECT 2400", Numeric: true, Rate: 2400}, true},
		{"NO CARRIER", Result{Outcome: NoCarrier, Text: "NO CARRIER"}, true},
		{"3", Result{Outcome: NoCarrier, Text: "NO CARRIER", Numeric: true}, true},
		{"NO DIALTONE", Result{Outcome: NoDialtone, Text: "NO DIALTONE"}, true},
		{"NO DIAL TONE", Result{Outcome: NoDialtone, Text: "NO DIAL TONE"}, true},
		{"6", Result{Outcome: NoDialtone, Text: "NO DIALTONE", Numeric: true}, true},
		{"BUSY", Result{Outcome: Busy, Text: "BUSY"}, true},
		{"7", Result{Outcome: Busy, Text: "BUSY", Numeric: true}, true},
		{"NO ANSWER", Result{Outcome: NoAnswer, Text: "NO ANSWER"}, true},
		{"8", Result{Outcome: NoAnswer, Text: "NO ANSWER", Numeric: true}, true},
		{"VOICE", Result{Outcome: Voice, Text: "VOICE"}, true},
		{"DELAYED 00:01:30", Result{Outcome: Delayed, Text: "DELAYED 00:01:30", Wait: 90 * time.Second}, true},
		{"BLACKLISTED", Result{Outcome: Blacklisted, Text: "BLACKLISTED"}, true},
		{"RING", Result{Outcome: Ring, Text: "RING"}, true},
		{"RINGING", Result{Outcome: Ongoing, Text: "RINGING"}, true},
		{"CARRIER 33600", Result{Outcome: Ongoing, Text: "CARRIER 33600"}, true},
		{"CONNECTED", Result{Text: "CONNECTED"}, false},
		{"OKAY", Result{Text: "OKAY"}, false},
		{"FROBNICATED", Result{Text: "FROBNICATED"}, false},
		{"000", Result{Text: "000"}, false},
		{"99", Result{Text: "99"}, false},
		{"1234", Result{Text: "1234"}, false},
		{"", Result{}, false},
	}
	for _, tt := range tests {
		got, ok := ParseResult(tt.in)
		if ok != tt.ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseResult(%q)\ngot  %+v, %v\nwant %+v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseResultOfOnesOwn(t *testing.T) {
	c := &Config{
		Codes:   map[int]string{43: "CONNECT 14400/V32", 7: "NO ANSWER"},
		Results: map[string]Outcome{"Call Rejected": Busy},
	}
	tests := []struct {
		in   string
		want Outcome
		rate int
	}{
		{"43", Connect, 14400},
		{"7", NoAnswer, 0},
		{"CALL REJECTED", Busy, 0},
		{"BUSY", Busy, 0},
	}
	for _, tt := range tests {
		if got, ok := parseResult(tt.in, c); !ok || got.Outcome != tt.want || got.Rate != tt.rate {
			t.Errorf("%q: got %+v, %v; want %v at %d", tt.in, got, ok, tt.want, tt.rate)
		}
	}
}

// The embedded table must be read whole: each line gives a row.
func TestResultFile(t *testing.T) {
	lines := 0
	for line := range strings.Lines(resultFile) {
		if !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	if lines != len(table) || lines == 0 {
		t.Fatalf("%d lines gave %d rows", lines, len(table))
	}
	codes := map[int]string{}
	for i, r := range table {
		if r.outcome == Unknown {
			t.Errorf("%q has no known outcome", r.text)
		}
		if other, ok := codes[r.code]; ok && r.code >= 0 {
			t.Errorf("%q and %q have the same number", r.text, other)
		}
		codes[r.code] = r.text
		if got, _ := ParseResult(r.text); got.Outcome != r.outcome {
			t.Errorf("%q is read as %v, want %v: an earlier line hides it", r.text, got.Outcome, table[i].outcome)
		}
	}
}

func TestOutcomeCodes(t *testing.T) {
	tests := []struct {
		outcome Outcome
		want    ras.Code
	}{
		{Connect, 0}, {Busy, 676}, {Voice, 677}, {NoAnswer, 678}, {NoCarrier, 679}, {NoDialtone, 680},
		{Failed, 651}, {Unknown, 652}, {TimedOut, 638}, {Delayed, 774}, {Blacklisted, 775},
		{OK, 702}, {Ring, 702}, {Ongoing, 702}, {Outcome(200), 652},
	}
	for _, tt := range tests {
		if got := tt.outcome.Code(); got != tt.want {
			t.Errorf("%v: code %d, want %d", tt.outcome, got, tt.want)
		}
		err := &CommandError{Command: "ATD1", Err: &OutcomeError{Result{Outcome: tt.outcome}}}
		if !errors.Is(err, tt.want) || tt.outcome.Explain() == "" {
			t.Errorf("%v: the error %v does not match %d", tt.outcome, err, tt.want)
		}
	}
}

func FuzzParseResult(f *testing.F) {
	for _, r := range table {
		f.Add(r.text)
	}
	for _, s := range []string{"", "0", "19", "007", "CONNECT 33600/ARQ/V34", "CONNECT ////", "CONNECT 9999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := ParseResult(s)
		if ok != (r.Outcome != Unknown) {
			t.Errorf("%q: outcome %v, known %v", s, r.Outcome, ok)
		}
		if !r.Numeric && r.Text != trimNoise(s) {
			t.Errorf("%q: the text is not kept, but %q", s, r.Text)
		}
		if r.Rate < 0 || r.Outcome != Connect && (r.Rate != 0 || r.Protocols != nil) {
			t.Errorf("%q: %+v", s, r)
		}
	})
}
