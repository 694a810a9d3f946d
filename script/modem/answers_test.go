package modem

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// commandAnswer is what a command is expected to bring.
type commandAnswer struct {
	command string
	lines   []string
	code    ras.Code // 0: success
}

// checkAnswers sends commands to a fake modem and compares the answers.
func checkAnswers(t *testing.T, cfg *Config, f *fake, within time.Duration, want ...commandAnswer) {
	t.Helper()
	err := withFake(t, cfg, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		start := time.Now()
		for _, w := range want {
			r, err := m.Command(ctx, w.command)
			if !reflect.DeepEqual(r.Lines, w.lines) || ras.CodeOf(err) != w.code {
				t.Errorf("AT%s: lines %q, %v; want %q and code %d", w.command, r.Lines, err, w.lines, w.code)
			}
		}
		if took := time.Since(start); took > within {
			t.Errorf("took %v, want at most %v", took, within)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func one(line string) []string { return []string{line} }

const signal = "\r\n+CSQ: 20,99\r\n\r\nOK\r\n"

// A result that is sent twice, or that arrives late, never answers the next
// command: without an echo, and with one.
func TestDoubledResult(t *testing.T) {
	for _, echo := range []bool{false, true} {
		for _, gap := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 90 * time.Millisecond} {
			f := &fake{answer: func(f *fake, line string) string {
				prefix := ""
				if echo {
					prefix = line + "\r"
				}
				switch line {
				case "ATZ":
					f.later(gap, "\r\nOK\r\n")
				case "AT+CSQ": // the modem is slow, and so is its echo
					f.later(80*time.Millisecond, prefix+signal)
					return ""
				case "AT+CGMI":
					f.later(80*time.Millisecond, prefix+"\r\nQUECTEL\r\n\r\nOK\r\n")
					return ""
				}
				return prefix + registers(line)
			}}
			checkAnswers(t, nil, f, 10*time.Second,
				commandAnswer{command: "Z"}, commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0},
				commandAnswer{"+CGMI", one("QUECTEL"), 0}, commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0})
		}
	}
}

// A result that waits when a command is sent puts the modem out of step; it is
// no answer.
func TestStrayResult(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		if line == "AT+CSQ" {
			return signal
		}
		return registers(line)
	}}
	err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		for range 20 {
			if err := m.Sync(ctx); err != nil {
				return err
			}
			f.port.Write([]byte("\r\nOK\r\n"))
			d.Pause(ctx, 20*time.Millisecond)
			r, err := m.Command(ctx, "+CSQ")
			if err != nil || !reflect.DeepEqual(r.Lines, one("+CSQ: 20,99")) {
				t.Errorf("lines %q, %v", r.Lines, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The lines of the command before, followed by its result, answer nothing.
func TestDoubledAnswerAfterTheEcho(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		switch line {
		case "AT+CREG?":
			f.later(150*time.Millisecond, "\r\n+CREG: 0,1\r\n\r\nOK\r\n")
			return line + "\r\r\n+CREG: 0,1\r\n\r\nOK\r\n"
		case "AT+CSQ":
			f.later(100*time.Millisecond, signal)
			return line + "\r"
		}
		return line + "\r" + registers(line)
	}}
	checkAnswers(t, nil, f, 10*time.Second, commandAnswer{"+CREG?", one("+CREG: 0,1"), 0},
		commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0}, commandAnswer{"+CREG?", one("+CREG: 0,1"), 0})
}

// Results written in numbers between CR LF, as modems in software do, with and
// without the CR LF in front.
func TestFramedNumericResults(t *testing.T) {
	for _, frame := range []struct{ before, after string }{{"", "\r\n"}, {"\r\n", "\r\n"}, {"", "\r"}} {
		for _, echo := range []bool{false, true} {
			numeric := func(f *fake, line string) string {
				text := strings.TrimSuffix(registers(line), "\r\nOK\r\n")
				if line == "ATS7?" {
					text = "\r\n050\r\n"
				}
				if frame.before == "" { // V.250: no CR LF in front of information
					text = strings.ReplaceAll(text, "\r\n0", "0")
				}
				if strings.HasPrefix(line, "ATX") {
					text += frame.before + "4" + frame.after
				} else {
					text += frame.before + "0" + frame.after
				}
				if echo {
					text = line + "\r" + text
				}
				return text
			}
			checkAnswers(t, nil, &fake{answer: numeric}, 6*time.Second, commandAnswer{command: "Z"},
				commandAnswer{"S7?", one("050"), 0}, commandAnswer{"X9", nil, ras.ErrFromDevice}, commandAnswer{command: "&W"})
		}
	}
}

// Words that begin like a result are information.
func TestResultsAreWholeLines(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		switch line {
		case "AT+CMGR=1":
			return "\r\n+CMGR: \"REC READ\",\"+491\"\r\nOK. See you at 5\r\n\r\nOK\r\n"
		case "AT+CMGR=2":
			return "\r\n+CMGR: \"REC READ\",\"+491\"\r\nError in line 5\r\n+CSQ: of a friend\r\n\r\nOK\r\n"
		case "ATI4":
			return "\r\nSettings\r\nBUSY TONE DETECT ON\r\nNO CARRIER TIMEOUT 60\r\nRING COUNT 4\r\nOK-LED ON\r\n\r\nOK\r\n"
		case "AT+CSQ":
			return signal
		}
		return registers(line)
	}}
	checkAnswers(t, nil, f, 10*time.Second,
		commandAnswer{"+CMGR=1", []string{`+CMGR: "REC READ","+491"`, "OK. See you at 5"}, 0},
		commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0},
		commandAnswer{"+CMGR=2", []string{`+CMGR: "REC READ","+491"`, "Error in line 5", "+CSQ: of a friend"}, 0},
		commandAnswer{"I4", []string{"Settings", "BUSY TONE DETECT ON", "NO CARRIER TIMEOUT 60", "RING COUNT 4", "OK-LED ON"}, 0})
}

// A line of text that is exactly a result ends the answer early; what follows it
// answers nothing else.
func TestExactResultInAText(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		switch line {
		case "AT+CMGR=1":
			f.later(30*time.Millisecond, "\r\nand more\r\n\r\nOK\r\n")
			return line + "\r\r\n+CMGR: 1\r\nOK\r\n"
		case "AT+CSQ":
			return line + "\r" + signal
		}
		return line + "\r" + registers(line)
	}}
	checkAnswers(t, nil, f, 10*time.Second, commandAnswer{"+CMGR=1", one("+CMGR: 1"), 0},
		commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0}, commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0})
}

// The echo may come in small letters, after a line that was not asked for, or in
// two parts around one.
func TestEcho(t *testing.T) {
	for name, echo := range map[string]string{
		"after a line":     "\r\n+CREG: 5\r\nAT+CSQ\r",
		"around a line":    "AT\r\n+CREG: 5\r\n+CSQ\r",
		"in small letters": "at+csq\r\r\n",
		"after noise":      "\xFE\xFFAT+CSQ\r",
	} {
		f := &fake{answer: func(f *fake, line string) string {
			if line == "AT+CSQ" {
				return echo + signal
			}
			return line + "\r" + registers(line)
		}}
		t.Run(name, func(t *testing.T) {
			checkAnswers(t, nil, f, 5*time.Second, commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0}, commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0})
		})
	}
}

// Lines may end with LF or with CR alone, mixed or not.
func TestLineEnds(t *testing.T) {
	for name, ends := range map[string][2]string{
		"LF": {"\n", "\n"}, "CR": {"\r", "\r"}, "CR CR LF": {"\r\r\n", "\r\r\n"}, "LF CR": {"\n\r", "\n\r"}, "LF between": {"\r\n", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{answer: func(f *fake, line string) string {
				text := registers(line)
				if line == "AT+CSQ" {
					text = signal
				}
				text = strings.Replace(text, "\r\n\r\n", ends[1]+ends[0], 1)
				return strings.ReplaceAll(text, "\r\n", ends[0])
			}}
			checkAnswers(t, nil, f, 4*time.Second, commandAnswer{"+CSQ", one("+CSQ: 20,99"), 0}, commandAnswer{"S3?", one("013"), 0}, commandAnswer{command: "Z"})
		})
	}
}

// Refusals in the words of several makers.
func TestRefusals(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		switch line {
		case "AT+CWJAP?":
			return "\r\n+CWJAP:1\r\n\r\nFAIL\r\n"
		case "AT^SYSCFG?":
			return "\r\nCOMMAND NOT SUPPORT\r\n"
		case "AT^X":
			return "\r\nTOO MANY PARAMETERS\r\n"
		case "AT+SEND":
			return "\r\n+ERR=-1\r\n"
		case "AT+GOOD":
			return "\r\n+OK\r\n"
		}
		return registers(line)
	}}
	cfg := &Config{Results: map[string]Outcome{"+OK": OK, "+ERR=*": Failed}}
	checkAnswers(t, cfg, f, 6*time.Second, commandAnswer{"+CWJAP?", one("+CWJAP:1"), ras.ErrFromDevice},
		commandAnswer{"^SYSCFG?", nil, ras.ErrFromDevice}, commandAnswer{"^X", nil, ras.ErrFromDevice},
		commandAnswer{"+SEND", nil, ras.ErrFromDevice}, commandAnswer{command: "+GOOD"})
}

// An answer that takes longer than its command may take goes to no other.
func TestSlowAnswer(t *testing.T) {
	const settings = "\r\nB0 E1 F1 M1 Q0 V1 X4\r\n"
	f := &fake{answer: func(f *fake, line string) string {
		text := registers(line)
		if line == "AT&V" {
			text = strings.Repeat(settings, 16) + "\r\nOK\r\n"
		}
		for i := range text {
			f.port.Write([]byte(text[i : i+1]))
			<-time.After(20 * time.Millisecond)
		}
		return ""
	}}
	err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		if _, err := m.Command(ctx, "&V"); !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("AT&V: %v, want a timeout", err)
		}
		r, err := m.Command(ctx, "S3?")
		if !reflect.DeepEqual(r.Lines, one("013")) {
			t.Errorf("ATS3?: %q", r.Lines)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A modem that reports something more often than it is silent can be used, whether
// the configuration knows the reports or not.
func TestReportsAreNotTalk(t *testing.T) {
	for _, cfg := range []*Config{nil, {Indications: []Indication{{Prefix: "^RSSI"}}}} {
		f := &fake{answer: func(f *fake, line string) string { return registers(line) }}
		err := withFake(t, cfg, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
			for i := range 50 {
				f.later(time.Duration(i)*200*time.Millisecond, "\r\n^RSSI:20\r\n")
			}
			start := time.Now()
			err := m.Init(ctx, "Z", "E0", "+CSQ")
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("took %v", took)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A command whose true answer follows OK.
func TestCommandThen(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		if line == "AT+CMQTTSTART" {
			f.later(2*time.Second, "\r\n+CREG: 5\r\n\r\n+CMQTTSTART: 0\r\n")
		}
		return registers(line)
	}}
	err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		_, line, err := m.CommandThen(ctx, "+CMQTTSTART", "+CMQTTSTART:", 5*time.Second)
		if line != "+CMQTTSTART: 0" {
			t.Errorf("line %q, %v", line, err)
		}
		_, _, late := m.CommandThen(ctx, "+CSQ", "+NEVER:", time.Second)
		if !errors.Is(late, ras.ErrRequestTimeout) {
			t.Errorf("without the line: %v, want a timeout", late)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A loopback answers nothing; a wrong bit rate answers noise. Both are reported
// within the limit, with what to check.
func TestNoModem(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(f *fake, line string) string
		says   string
	}{
		"dead":       {func(*fake, string) string { return "" }, "no modem answers: check its power, the cable"},
		"loopback":   {func(f *fake, line string) string { return line + "\r" }, "no answer that makes sense"},
		"wrong rate": {func(*fake, string) string { return "\xfe\x00\xf8\xff\x80\x00" }, "check the bit rate"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{answer: tt.answer}
			withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
				start := time.Now()
				err := m.Init(ctx, "ATZ")
				var s *SyncError
				if !errors.As(err, &s) || !errors.Is(err, ras.ErrRequestTimeout) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("error %v, want a *SyncError with %q", err, tt.says)
				}
				if took := time.Since(start); took > 16*time.Second {
					t.Errorf("took %v: Init must not repeat what is hopeless", took)
				}
				return nil
			})
		})
	}
}

// An error does not show a PIN, and a command with one is sent once.
func TestPINIsSentOnceAndHidden(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		if strings.HasPrefix(line, "AT+CPIN=") {
			f.later(6*time.Second, "\r\n+CME ERROR: 16\r\n")
			return ""
		}
		return registers(line)
	}}
	err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		return m.Init(ctx, `AT+CPIN="4711"`)
	})
	sent := 0
	for _, l := range f.got() {
		if strings.Contains(l, "CPIN") {
			sent++
		}
	}
	if err == nil || strings.Contains(err.Error(), "4711") || sent != 1 {
		t.Errorf("error %v, the PIN was sent %d times; want it once and hidden", err, sent)
	}
}

// Commands may need another end than CR.
func TestCommandEnd(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		if !strings.HasPrefix(line, "\n") && f.got()[0] != line {
			t.Errorf("line %q after CR, want LF before it", line)
		}
		return registers(strings.TrimPrefix(line, "\n"))
	}}
	err := withFake(t, &Config{End: "\r\n"}, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		_, err := m.Command(ctx, "Z")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
