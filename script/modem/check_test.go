package modem

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/scripttest"
)

func TestCheckNumber(t *testing.T) {
	tests := []struct{ in, want string }{
		{"5551234", "5551234"},
		{"(0 30) 555-12.34", "0305551234"},
		{"+49 30 5551234", "+49305551234"},
		{"0w,,555", "0W,,555"},
		{"p0!t@*82#", "P0!T@*82#"},
		{"abcd", "ABCD"},
	}
	for _, tt := range tests {
		got, err := CheckNumber(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("CheckNumber(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestCheckNumberRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		code     ras.Code
		pos      int
	}{
		{"second command", "123;H", ras.ErrBadPhoneNumber, 4},
		{"voice call", "123;", ras.ErrBadPhoneNumber, 4},
		{"second line", "123\rATH", ras.ErrBadPhoneNumber, 4},
		{"line feed", "123\n", ras.ErrBadPhoneNumber, 4},
		{"stored number", "S=1", ras.ErrBadPhoneNumber, 1},
		{"last number", "L", ras.ErrBadPhoneNumber, 1},
		{"register", "1S0=1", ras.ErrBadPhoneNumber, 2},
		{"quotes", `"12"`, ras.ErrBadPhoneNumber, 1},
		{"GSM modifier", "123I", ras.ErrBadPhoneNumber, 4},
		{"escape sequence", "+++", ras.ErrBadPhoneNumber, 2},
		{"plus inside", "1+2", ras.ErrBadPhoneNumber, 2},
		{"NUL", "1\x00", ras.ErrBadPhoneNumber, 2},
		{"DEL", "1\x7F", ras.ErrBadPhoneNumber, 2},
		{"beyond ASCII", "1é", ras.ErrBadPhoneNumber, 2},
		{"nothing", "", ras.ErrBadPhoneNumber, 0},
		{"only modifiers", "T,W", ras.ErrBadPhoneNumber, 0},
		{"only a plus", "+", ras.ErrBadPhoneNumber, 0},
		{"too long", strings.Repeat("1", 129), ras.ErrPhoneNumberTooLong, 0},
	}
	for _, tt := range tests {
		_, err := CheckNumber(tt.in)
		var in *InputError
		if !errors.As(err, &in) || !errors.Is(err, tt.code) || in.Pos != tt.pos {
			t.Errorf("%s: CheckNumber(%q): %v; want code %d at character %d", tt.name, tt.in, err, tt.code, tt.pos)
		}
	}
}

func TestCheckCommand(t *testing.T) {
	tests := []struct{ in, want string }{
		{"ATZ", "Z"},
		{"atz", "z"},
		{"AT", ""},
		{"", ""},
		{"ATE0V1Q0X4&C1&D2S0=0S7?", "E0V1Q0X4&C1&D2S0=0S7?"},
		{"AT &F E0 \\N3 %C1 *Q2", " &F E0 \\N3 %C1 *Q2"},
		{"AT&FE0", "&FE0"},
		{`AT+CGDCONT=1,"IP","a;b";+CFUN=1`, `+CGDCONT=1,"IP","a;b";+CFUN=1`},
		{"AT+CSQ", "+CSQ"},
		{"AT+GMI;E0", "+GMI;E0"},
		{"ATI;+CSUB;+CSQ", "I;+CSUB;+CSQ"},
		{"ATE0V1;^SYSCFG=2,2", "E0V1;^SYSCFG=2,2"},
		{"AT#CID=1", "#CID=1"},
		{"AT%CPIN?", "%CPIN?"},
		{"AT^SYSCFG=2,2", "^SYSCFG=2,2"},
		{"ATS3", "S3"},
	}
	for _, tt := range tests {
		got, err := CheckCommand(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("CheckCommand(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestCheckCommandRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		code     ras.Code
		pos      int
	}{
		{"dials", "ATDT123", ras.ErrInvalidParameter, 3},
		{"dials later", "ATE0DT123", ras.ErrInvalidParameter, 5},
		{"dials after an extended command", "AT+CSQ;D1", ras.ErrInvalidParameter, 8},
		{"answers", "ATA", ras.ErrInvalidParameter, 3},
		{"repeats", "A/", ras.ErrInvalidParameter, 1},
		{"goes online", "ATO", ras.ErrInvalidParameter, 3},
		{"second line", "ATZ\rATD1", ras.ErrInvalidParameter, 4},
		{"line feed", "ATZ\n", ras.ErrInvalidParameter, 4},
		{"control character", "AT\x1BZ", ras.ErrInvalidParameter, 3},
		{"backspace", "ATX\b\b\b", ras.ErrInvalidParameter, 4},
		{"beyond ASCII", "AT\xFF", ras.ErrInvalidParameter, 3},
		{"semicolon after a basic command", "ATZ;H", ras.ErrInvalidParameter, 4},
		{"semicolon before everything", "AT;+CSQ", ras.ErrInvalidParameter, 3},
		{"dials behind a semicolon", "ATI;+CSQ;D1", ras.ErrInvalidParameter, 10},
		{"two semicolons in front", "ATI;;+CSQ", ras.ErrInvalidParameter, 4},
		{"two semicolons", "AT+CSQ;;E0", ras.ErrInvalidParameter, 8},
		{"open quotation mark", `AT+X="a;b`, ras.ErrInvalidParameter, 6},
		{"escape sequence", "+++", ras.ErrInvalidParameter, 1},
		{"another modem would answer", "AT%CA0?", ras.ErrInvalidParameter, 5},
		{"lone ampersand", "ATE0&", ras.ErrInvalidParameter, 5},
		{"no command", "AT=1", ras.ErrInvalidParameter, 3},
		{"too long", "AT" + strings.Repeat("E", 254), ras.ErrCmdTooLong, 0},
	}
	for _, tt := range tests {
		_, err := CheckCommand(tt.in)
		var in *InputError
		if !errors.As(err, &in) || !errors.Is(err, tt.code) || in.Pos != tt.pos {
			t.Errorf("%s: CheckCommand(%q): %v; want code %d at character %d", tt.name, tt.in, err, tt.code, tt.pos)
		}
	}
}

func TestInputErrorsKeepPINsToThemselves(t *testing.T) {
	_, err := CheckCommand(`AT+CPIN="9182`)
	if err == nil || strings.Contains(err.Error(), "9182") {
		t.Errorf("error %v: want one that does not show the command", err)
	}
}

// modemHears sends a command line to a test modem and returns the numbers that
// it has called, and what it has answered after a minute.
func modemHears(t *testing.T, line string) (called []string, answer string) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, &scripttest.ModemConfig{
			Profile: "E0S7=1",
			Dial: func(_ context.Context, number string) scripttest.Answer {
				called = append(called, number)
				return scripttest.Answer{Result: "BUSY"}
			},
		})
		near.Write([]byte(line))
		<-time.After(time.Minute)
		tm.Close()
		answer = string(tm.Transcript().Sent())
	})
	return called, answer
}

// Whatever CheckNumber lets through is one call to a modem, and nothing else.
func FuzzCheckNumber(f *testing.F) {
	for _, s := range []string{"5551234", "+49 (30) 555", "0w,,555", "123;H", "S=1", "p0!t@*82#", "1\rATH", "abcd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		number, err := CheckNumber(s)
		if err != nil {
			return
		}
		if again, err := CheckNumber(number); err != nil || again != number {
			t.Errorf("%q becomes %q, which becomes %q, %v", s, number, again, err)
		}
		if called, answer := modemHears(t, "ATDT"+number+"\r"); len(called) != 1 || answer != "\r\nBUSY\r\n" {
			t.Errorf("%q made the modem call %q and say %q, want one call and BUSY", number, called, answer)
		}
	})
}

// Whatever CheckCommand lets through is one command line that calls nobody.
func FuzzCheckCommand(f *testing.F) {
	for _, s := range []string{"ATZ", "ATE0V1&C1S0=0", `AT+CGDCONT=1,"IP","a;b";+CFUN=1`, "A/", "AT+CSQ;D1", "AT&FE0", "AT%CPIN?", "ATXD", "%CA0?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		body, err := CheckCommand(s)
		if err != nil {
			return
		}
		if _, err := CheckCommand("AT" + body); err != nil {
			t.Errorf("%q becomes %q, which is refused: %v", s, body, err)
		}
		called, answer := modemHears(t, "AT"+body+"\r")
		results := strings.Count(answer, "OK\r\n") + strings.Count(answer, "ERROR\r\n")
		if len(called) > 0 || results > 1 || strings.Contains(answer, "CARRIER") {
			t.Errorf("%q made the modem call %q and say %q", body, called, answer)
		}
	})
}
