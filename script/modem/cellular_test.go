package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// sim is a SIM with a PIN.
type sim struct {
	pin   string
	left  int
	state string
}

func (s *sim) obey(command string) (info, result string, ok bool) {
	switch {
	case command == "+CPIN?" && s.state == "busy":
		return "", "+CME ERROR: 14", true
	case command == "+CPIN?":
		return "+CPIN: " + s.state, "OK", true
	case strings.HasPrefix(command, `+CPINR=`):
		return `+CPINR: ` + s.state + "," + string(rune('0'+s.left)) + ",3", "OK", true
	case command == `+CPIN="`+s.pin+`"`:
		s.state = "READY"
		return "", "OK", true
	case strings.HasPrefix(command, "+CPIN="):
		if s.left--; s.left == 0 {
			s.state = "SIM PUK"
		}
		return "", "+CME ERROR: 16", true
	}
	return "", "", false
}

func TestUnlock(t *testing.T) {
	for name, tt := range map[string]struct {
		sim   sim
		pin   ras.Secret
		tried int // attempts that are used up
		state string
		left  int
		cme   int
	}{
		"right":        {sim{"4711", 3, "SIM PIN"}, "4711", 0, "", 0, 0},
		"no PIN":       {sim{"4711", 3, "READY"}, "4711", 0, "", 0, 0},
		"wrong":        {sim{"4711", 3, "SIM PIN"}, "1234", 1, "SIM PIN", 2, 16},
		"last attempt": {sim{"4711", 1, "SIM PIN"}, "4711", 0, "SIM PIN", 1, 0},
		"PUK":          {sim{"4711", 3, "SIM PUK"}, "4711", 0, "SIM PUK", 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.sim
			_, err := onModem(t, &scripttest.ModemConfig{Obey: s.obey}, withModem(nil, func(ctx context.Context, m *Modem) error {
				return m.Unlock(ctx, tt.pin)
			}))
			var pin *PINError
			var cme *CMEError
			errors.As(err, &pin)
			errors.As(err, &cme)
			if (err != nil) != (tt.state != "") || err != nil && (pin == nil || pin.State != tt.state || pin.Left != tt.left || !errors.Is(err, ras.ErrAuthenticationFailure)) {
				t.Errorf("error %v (%+v), want state %q with %d left", err, pin, tt.state, tt.left)
			}
			if (cme != nil) != (tt.cme != 0) || cme != nil && cme.Code != tt.cme {
				t.Errorf("error %v, want CME %d", err, tt.cme)
			}
			if used := tt.sim.left - s.left; used != tt.tried {
				t.Errorf("%d attempts are used up, want %d", used, tt.tried)
			}
			if err != nil && strings.Contains(err.Error(), string(tt.pin.Reveal())) {
				t.Errorf("the PIN is in %v", err)
			}
		})
	}
	busy := sim{"4711", 3, "busy"}
	_, err := onModem(t, &scripttest.ModemConfig{Obey: busy.obey}, withModem(nil, func(ctx context.Context, m *Modem) error {
		return m.Unlock(ctx, "4711")
	}))
	var cme *CMEError
	if !errors.As(err, &cme) || cme.Text != "SIM busy" || !cme.Temporary() {
		t.Errorf("a busy SIM: %v, want CME 14", err)
	}
}

func TestCMEErrors(t *testing.T) {
	for text, want := range map[string]CMEError{
		"+CME ERROR: 30":                 {"CME", 30, "no network service"},
		"+CME ERROR: SIM PIN required":   {"CME", 11, "SIM PIN required"},
		"+CME ERROR:no network service":  {"CME", 30, "no network service"},
		"+CMS ERROR: 305":                {"CMS", 305, "invalid text mode parameter"},
		"+CME ERROR: 4242":               {"CME", 4242, ""},
		"+CME ERROR: something new here": {"CME", -1, "something new here"},
	} {
		r, ok := ParseResult(text)
		var got *CMEError
		if err := error(&OutcomeError{r}); !ok || !errors.As(err, &got) || *got != want || !errors.Is(err, ras.ErrFromDevice) || !strings.Contains(got.Error(), want.Text) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if r, _ := ParseResult("ERROR"); errors.As(error(&OutcomeError{r}), new(*CMEError)) {
		t.Error("ERROR is no CMEError")
	}
}

func TestWaitRegistered(t *testing.T) {
	for name, tt := range map[string]struct {
		states []string // of +CEREG, one a question
		want   Registration
		took   time.Duration
		fails  bool
	}{
		"home":      {[]string{"0,1"}, Home, 5 * time.Second, false},
		"roaming":   {[]string{"0,2", "0,2", "0,5"}, Roaming, 10 * time.Second, false},
		"denied":    {[]string{"0,2", "0,3"}, Denied, 10 * time.Second, true},
		"searching": {[]string{"0,2"}, Searching, 35 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			mc := &scripttest.ModemConfig{Obey: func(command string) (string, string, bool) {
				switch command {
				case "+CREG?":
					return "", "ERROR", true
				case "+CGREG?":
					return "+CGREG: 0,0", "OK", true
				case "+CEREG?":
					state := tt.states[min(asked, len(tt.states)-1)]
					asked++
					return "+CEREG: 4\r\n+CEREG: " + state, "OK", true // the first is not asked for
				}
				return "", "", false
			}}
			start, took := time.Time{}, time.Duration(0)
			_, err := onModem(t, mc, withModem(nil, func(ctx context.Context, m *Modem) error {
				start = time.Now()
				state, err := m.WaitRegistered(ctx, 30*time.Second)
				took = time.Since(start)
				if state != tt.want {
					t.Errorf("state %v, want %v", state, tt.want)
				}
				return err
			}))
			var reg *RegistrationError
			if errors.As(err, &reg) != tt.fails || tt.fails && (reg.State != tt.want || !errors.Is(err, ras.ErrNoCarrier)) || took > tt.took {
				t.Errorf("error %v after %v", err, took)
			}
		})
	}
}

func TestPrompt(t *testing.T) {
	mc := &scripttest.ModemConfig{Prompts: map[string]string{"+CMGS=": "+CMGS: 7"}}
	for _, prompt := range []string{"> ", ">"} {
		for _, profile := range []string{"", "E0"} {
			mc.Profile = profile
			_, err := onModem(t, mc, withModem(nil, func(ctx context.Context, m *Modem) error {
				r, err := m.Prompt(ctx, `AT+CMGS="+49123"`, prompt, []byte("hello\rworld"), 0x1A)
				if !reflect.DeepEqual(r.Lines, one("+CMGS: 7")) {
					t.Errorf("prompt %q, %q: lines %q, %v", prompt, profile, r.Lines, err)
				}
				if err == nil {
					_, err = m.Command(ctx, "ATI3")
				}
				return err
			}))
			if err != nil {
				t.Error(err)
			}
		}
	}
	_, err := onModem(t, mc, withModem(nil, func(ctx context.Context, m *Modem) error {
		if _, err := m.Prompt(ctx, "+CMGS=1", "> ", []byte("a\x1Ab"), 0x1A); !errors.As(err, new(*InputError)) {
			t.Errorf("a text with its own end: %v, want an *InputError", err)
		}
		if _, err := m.Prompt(ctx, "+GMI", "> ", []byte("text"), 0x1A); err == nil {
			t.Error("a command that asks for nothing has succeeded")
		}
		if _, err := m.Prompt(ctx, "+CMGS=1", "@", []byte("text"), 0x1A); !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("another prompt: %v, want a timeout", err)
		}
		r, err := m.Command(ctx, "ATI3") // ESC has ended the prompt
		if len(r.Lines) != 1 {
			t.Errorf("after that: %q, %v", r.Lines, err)
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

// A text whose answer does not come is given up, and is not sent again.
func TestPromptIsGivenUp(t *testing.T) {
	f := &fake{pieces: true}
	f.answer = func(f *fake, piece string) string {
		switch {
		case strings.HasPrefix(piece, "AT+CMGS"):
			return piece + "\r\n> "
		case strings.HasPrefix(piece, "AT"):
			return registers(strings.TrimSuffix(piece, "\r"))
		}
		return ""
	}
	err := withFake(t, &Config{DialTimeout: 3 * time.Second}, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		if _, err := m.Prompt(ctx, "+CMGS=1", ">", []byte("text"), 0x1A); !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("%v, want a timeout", err)
		}
		_, err := m.Command(ctx, "Z")
		return err
	})
	got := f.got()
	sent := 0
	esc := false
	for _, piece := range got {
		if piece == "text\x1A" {
			sent++
		}
		esc = esc || sent > 0 && strings.HasPrefix(piece, "\x1B")
	}
	if err != nil || sent != 1 || !esc {
		t.Errorf("%v; the modem got %q, want the text once and ESC", err, got)
	}
}

// A command that ends online keeps the peer's first byte.
func TestConnect(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			inside, outside := virtual.Pair()
			defer outside.Close()
			outside.Write([]byte("~\xff}#"))
			tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Connects: map[string]scripttest.Answer{
				`+CGDATA="PPP",1`: {Far: inside, Connect: "CONNECT", After: time.Second},
			}})
			defer tm.Close()
			res, err := script.Run(t.Context(), near, &Dialer{Command: `AT+CGDATA="PPP",1`}, nil)
			if err != nil || !tm.Connected() {
				t.Errorf("%s: %v", p.Name, err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(res.Port(), got); string(got) != "~\xff}#" {
				t.Errorf("%s: the first bytes are %q, %v", p.Name, got, err)
			}
		})
	}
	f := &fake{answer: func(f *fake, line string) string {
		switch line {
		case `AT+CGDATA="PPP",1`:
			return line + "\r\r\nCONNECT\r\n~\xff}#"
		case `AT+CGDATA="PPP",2`:
			return line + "\r\r\n+CME ERROR: 30\r\n"
		}
		return line + "\r" + registers(line)
	}}
	err := withFake(t, &Config{KeepCall: true}, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		var cme *CMEError
		if _, err := m.Connect(ctx, `+CGDATA="PPP",2`); !errors.As(err, &cme) || cme.Code != 30 {
			t.Errorf("the second context: %v, want CME 30", err)
		}
		r, err := m.Connect(ctx, `+CGDATA="PPP",1`)
		if r.Outcome != Connect || m.State() != OnlineMode {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := d.WaitFor(ctx, time.Second, script.Text("~\xff}#")); err != nil {
			t.Errorf("PPP's first bytes: %v", err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestValues(t *testing.T) {
	r := Response{Lines: []string{`+CREG: 0,1`, `+COPS: (2,"A, B","C"),,5`, `+creg: 2`, "other"}}
	if got := r.Values("+CREG"); !reflect.DeepEqual(got, [][]string{{"0", "1"}, {"2"}}) {
		t.Errorf("+CREG: %q", got)
	}
	if got := r.Values("+COPS:"); len(got) != 1 || len(got[0]) != 5 || got[0][4] != "5" || got[0][3] != "" {
		t.Errorf("+COPS: %q", got)
	}
	if got := r.Values("+CSQ"); got != nil {
		t.Errorf("+CSQ: %q", got)
	}
}

// Lines that begin with another name are not the answer, whether configured or
// not; those that the command names are.
func TestUnaskedNames(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		switch line {
		case "AT+CSQ":
			return line + "\r\r\n^RSSI:20\r\n\r\n+CREG: 5\r\n" + signal
		case "AT+CREG?":
			return line + "\r\r\n+CREG: 2\r\n\r\n+CREG: 2,5\r\n\r\nOK\r\n"
		case "ATI":
			return line + "\r\r\nManufacturer: x\r\n+GCAP: +CGSM,+DS\r\n\r\nOK\r\n"
		}
		return line + "\r" + registers(line)
	}}
	err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		r, err := m.Command(ctx, "+CSQ")
		if !reflect.DeepEqual(r.Lines, one("+CSQ: 20,99")) || !reflect.DeepEqual(r.Unasked, []string{"^RSSI:20", "+CREG: 5"}) {
			t.Errorf("+CSQ: %q, unasked %q, %v", r.Lines, r.Unasked, err)
		}
		r, err = m.Command(ctx, "+CREG?")
		if got := r.Values("+CREG"); len(got) != 2 || got[1][1] != "5" {
			t.Errorf("+CREG?: %q, %v", r.Lines, err)
		}
		r, err = m.Command(ctx, "I")
		if len(r.Lines) != 2 {
			t.Errorf("I: %q, %v", r.Lines, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Indications may be of several lines, and are handed on between commands.
func TestIndicationsOfSeveralLines(t *testing.T) {
	var got []string
	note := func(l string) { got = append(got, l) }
	cfg := &Config{Indications: []Indication{{Prefix: "+CMT:", Lines: 1, Handle: note}, {Prefix: "+CUSD:", Lines: -1, Handle: note}}}
	want := []string{"+CMT: ,24\n07919471060040F0040B", "+CUSD: 1,\"1. Balance\n2. OK\n3. Back\",15"}
	const text = "\r\n+CMT: ,24\r\n07919471060040F0040B\r\n\r\n+CUSD: 1,\"1. Balance\r\n2. OK\r\n3. Back\",15\r\n"
	f := &fake{answer: func(f *fake, line string) string {
		if line == "AT+CSQ" {
			return line + "\r" + text + signal
		}
		return line + "\r" + registers(line)
	}}
	err := withFake(t, cfg, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		r, err := m.Command(ctx, "+CSQ")
		if !reflect.DeepEqual(r.Lines, one("+CSQ: 20,99")) || !reflect.DeepEqual(got, want) {
			t.Errorf("+CSQ: %q, handlers got %q, %v", r.Lines, got, err)
		}
		got = nil
		f.later(time.Second, text)
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := m.Listen(limited); err != nil || !reflect.DeepEqual(got, want) || time.Since(start) != 10*time.Second {
			t.Errorf("Listen: %v, handlers got %q after %v", err, got, time.Since(start))
		}
		_, err = m.Command(ctx, "Z")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The end of the context is no error of Listen, not even while it looks for the
// modem.
func TestListenEndsWithItsContext(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 2 * time.Second} {
		silent := true
		f := &fake{answer: func(_ *fake, line string) string {
			if silent {
				return ""
			}
			return line + "\r\r\nOK\r\n"
		}}
		err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
			limited, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			start := time.Now()
			if err := m.Listen(limited); err != nil || time.Since(start) != limit {
				t.Errorf("Listen for %v to a modem that answers nothing: %v after %v", limit, err, time.Since(start))
			}
			silent = false
			_, err := m.Command(ctx, "Z")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{`+CREG: 0,1`, `+COPS: (2,"A, B","C"),,5`, `+X: "`, "+CME ERROR: 30", `+CLIP: "123",145,,,"Joe"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, values := range (Response{Lines: []string{s}}).Values("+X") {
			if len(values) == 0 {
				t.Errorf("%q has no values", s)
			}
		}
		if cme := cmeError(s); cme != nil && cme.Error() == "" {
			t.Errorf("%q: an error without a text", s)
		}
		var r ringing
		r.identify(s)
		if res, known := ParseResult(s); known && res.Outcome == Ring {
			r.ringing(res.Text)
		}
	})
}

// The search for the modem's word does not depend on how the bytes are cut.
func FuzzLostText(f *testing.F) {
	f.Add("\r\nNO CARRIER\r\n", uint8(1))
	f.Add("x\r\nNO CARRIER (1)\r\n\r\n", uint8(3))
	f.Fuzz(func(t *testing.T, s string, piece uint8) {
		found := func(n int) string {
			l := lostText{debounce: time.Hour, found: make(chan struct{})}
			defer l.stop()
			for rest := s; rest != ""; {
				k := min(n, len(rest))
				l.receive([]byte(rest[:k]))
				rest = rest[k:]
			}
			return l.text
		}
		if whole, cut := found(len(s)+1), found(int(piece)%5+1); whole != cut {
			t.Errorf("%q: %q as a whole and %q in pieces", s, whole, cut)
		}
	})
}

// A PIN is in no log and no error, in quotes or not, and is given once, however
// late the module is.
func TestPINWithoutQuotes(t *testing.T) {
	for _, command := range []string{`AT+CPIN="4711"`, "AT+CPIN=4711", "at+cpin=4711", "ATE1+CPIN=4711;+CSQ", `AT+CLCK="SC",1,4711`, `AT+CPWD="SC",4711,"08;15,x"`} {
		for _, late := range []time.Duration{0, 7 * time.Second} {
			var log strings.Builder
			mc := &scripttest.ModemConfig{
				Obey: func(command string) (info, result string, ok bool) {
					return "", "+CME ERROR: 16", strings.HasPrefix(command, "+C")
				},
				Faults: []scripttest.Fault{{Command: command[:6], Delay: late}},
			}
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				tm := scripttest.NewModem(far, mc)
				defer tm.Close()
				cfg := &script.Config{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
				res, err := script.Run(t.Context(), near, &Dialer{Init: []string{command}, Numbers: []string{"1"}}, cfg)
				if n := strings.Count(strings.ToLower(string(tm.Transcript().Received())), strings.ToLower(command)); err == nil || n != 1 {
					t.Errorf("%s, late by %v: sent %d times, %v", command, late, n, err)
				}
				for _, pin := range []string{"4711", "08;15", "15,x"} {
					if all := fmt.Sprintf("%s%v%+v%v", log.String(), err, res, tm.Transcript()); strings.Contains(all, pin) {
						t.Errorf("%s, late by %v: the PIN shows in\n%s", command, late, all)
					}
				}
			})
		}
	}
}
