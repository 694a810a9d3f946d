package port

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseMode(t *testing.T) {
	tests := []struct {
		in   string
		want Mode
	}{
		{"115200,8N1,rtscts", Mode{115200, 8, ParityNone, StopOne, FlowRTSCTS}},
		{"8N1", Mode{DataBits: 8, Parity: ParityNone, StopBits: StopOne}},
		{"9600", Mode{Baud: 9600}},
		{"7e2,XONXOFF", Mode{DataBits: 7, Parity: ParityEven, StopBits: StopTwo, Flow: FlowXONXOFF}},
		{"50, 5N1.5", Mode{Baud: 50, DataBits: 5, Parity: ParityNone, StopBits: StopOneHalf}},
		{"-E-", Mode{Parity: ParityEven}},
		{"none", Mode{Flow: FlowNone}},
		{"123457,8M1,both", Mode{123457, 8, ParityMark, StopOne, FlowBoth}},
		{"8S1", Mode{DataBits: 8, Parity: ParitySpace, StopBits: StopOne}},
		{"8O1", Mode{DataBits: 8, Parity: ParityOdd, StopBits: StopOne}},
	}
	for _, tt := range tests {
		got, err := ParseMode(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseMode(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
		again, err := ParseMode(got.String())
		if err != nil || again != got {
			t.Errorf("ParseMode(%q) of String of %q = %+v, %v; want the same mode", got.String(), tt.in, again, err)
		}
	}
}

func TestParseModeRefusals(t *testing.T) {
	tests := []struct{ in, why string }{
		{"", "no bit rate"},
		{"fast", `"fast"`},
		{"9N1", `"9N1"`},
		{"8X1", `"8X1"`},
		{"8N3", `"8N3"`},
		{"8N1,9600", "out of order"},
		{"9600,9600", "twice"},
		{"5N2", "5 data bits"},
		{"8N1.5", "1.5 stop bits"},
		{"0", `"0"`},
		{"-9600", `"-9600"`},
		{"+9600", `"+9600"`},
		{"99999999999999999999", "out of range"},
		{"4294967296", "out of range"},
		{"9600,8N1,rtscts,", "no bit rate"},
	}
	for _, tt := range tests {
		if m, err := ParseMode(tt.in); err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("ParseMode(%q) = %v, %v; want an error that mentions %q", tt.in, m, err, tt.why)
		}
	}
}

func FuzzParseMode(f *testing.F) {
	for _, s := range []string{"115200,8N1,rtscts", "8N1", "-E-", "5N1.5", "", ",", "none"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMode(s)
		if err != nil {
			return
		}
		again, err := ParseMode(m.String())
		if err != nil || again != m {
			t.Errorf("ParseMode(%q) = %+v, whose String %q parses to %+v, %v", s, m, m.String(), again, err)
		}
	})
}

func TestMergeKeepsWhatIsSet(t *testing.T) {
	base := Mode{9600, 7, ParityEven, StopTwo, FlowXONXOFF}
	got := Mode{Baud: 1200, Parity: ParityNone}.Merge(base)
	if want := (Mode{1200, 7, ParityNone, StopTwo, FlowXONXOFF}); got != want {
		t.Errorf("Merge = %v, want %v", got, want)
	}
}

func TestModeMismatch(t *testing.T) {
	full := Mode{Baud: 9600, DataBits: 7, Parity: ParityEven, StopBits: StopOne, Flow: FlowRTSCTS}
	but := func(m Mode) Mode { return m.Merge(full) }
	tests := []struct {
		name       string
		want, have Mode
		text       string
	}{
		{"all match", full, full, ""},
		{"nothing asked", Mode{}, full, ""},
		{"a rate within two per cent", Mode{Baud: 115200}, Mode{Baud: 115385}, ""},
		{"a rate too far off", Mode{Baud: 250000}, Mode{Baud: 230400}, "bit rate 250000 230400"},
		{"data bits", full, but(Mode{DataBits: 8}), "data bits 7 8"},
		{"parity", full, but(Mode{Parity: ParityNone}), "parity E N"},
		{"stop bits", full, but(Mode{StopBits: StopTwo}), "stop bits 1 2"},
		{"flow control", full, but(Mode{Flow: FlowNone}), "flow control rtscts none"},
		{"a field that was not asked for", Mode{Baud: 300}, Mode{Baud: 300, DataBits: 8, Parity: ParityOdd}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if field, want, have := tt.want.Mismatch(tt.have); field != "" {
				got = fmt.Sprint(field, " ", want, " ", have)
			}
			if got != tt.text {
				t.Errorf("Mismatch is %q, want %q", got, tt.text)
			}
		})
	}
}
