package modem

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// The times between attempts: a pause for each, another after a round, and what
// the modem asks for.
func TestRedialPausesAndRounds(t *testing.T) {
	for name, tt := range map[string]struct {
		redial  Redial
		results map[string]string
		want    []time.Duration // from the end of one attempt to the start of the next
	}{
		"pause and round": {Redial{Attempts: 5, Pause: 2 * time.Second, RoundPause: 30 * time.Second}, nil,
			[]time.Duration{2 * time.Second, 30 * time.Second, 2 * time.Second, 30 * time.Second}},
		"none":              {Redial{Attempts: 3, Pause: -1}, nil, []time.Duration{0, 0}},
		"the modem's delay": {Redial{Attempts: 3}, map[string]string{"1": "DELAYED 00:30"}, []time.Duration{30 * time.Second, 5 * time.Second}},
		"by outcome":        {Redial{Attempts: 2, Pauses: map[Outcome]time.Duration{Busy: time.Minute}}, nil, []time.Duration{time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			var attempts []Attempt
			mc := &scripttest.ModemConfig{Dial: func(_ context.Context, number string) scripttest.Answer {
				if r := tt.results[number]; r != "" {
					return scripttest.Answer{Result: r}
				}
				return scripttest.Answer{Result: "BUSY"}
			}}
			onModem(t, mc, &Dialer{Numbers: []string{"1", "2"}, Redial: tt.redial, OnAttempt: func(a Attempt) { attempts = append(attempts, a) }})
			if len(attempts) != len(tt.want)+1 {
				t.Fatalf("%d attempts, want %d", len(attempts), len(tt.want)+1)
			}
			for i, want := range tt.want {
				got := attempts[i+1].Start.Sub(attempts[i].Start.Add(attempts[i].Took))
				if got < want || got > want+2*time.Second {
					t.Errorf("pause %d was %v, want %v", i, got, want)
				}
			}
		})
	}
}

// A negative number of attempts has no end but the limit, and the error keeps the
// first and the latest.
func TestRedialWithoutEnd(t *testing.T) {
	t.Parallel()
	mc := &scripttest.ModemConfig{Dial: func(context.Context, string) scripttest.Answer { return scripttest.Answer{Result: "BUSY"} }}
	_, err := onModem(t, mc, &Dialer{Numbers: []string{"1"}, Redial: Redial{Attempts: -1, Pause: -1, Timeout: time.Hour}})
	var d *DialError
	if !errors.As(err, &d) || !errors.Is(err, ras.ErrRequestTimeout) || len(d.Attempts) != maxAttempts || d.Attempts[0].Index != 1 || d.Attempts[maxAttempts-1].Index <= maxAttempts {
		t.Errorf("error %v", err)
	}
}

// An error that another attempt may overcome is no reason to stop.
func TestRedialAfterATemporaryError(t *testing.T) {
	for code, want := range map[int]int{30: 3, 10: 1} {
		n := 0
		mc := &scripttest.ModemConfig{Dial: func(context.Context, string) scripttest.Answer {
			n++
			return scripttest.Answer{Result: fmt.Sprintf("+CME ERROR: %d", code)}
		}}
		_, err := onModem(t, mc, &Dialer{Numbers: []string{"1"}, Redial: Redial{Attempts: 3}})
		var cme *CMEError
		if n != want || !errors.As(err, &cme) || cme.Code != code {
			t.Errorf("CME %d: %d attempts, %v; want %d", code, n, err, want)
		}
	}
}

// Before runs before each attempt, and its errors are attempts that fail.
func TestBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, &scripttest.ModemConfig{
			Extended: map[string]string{"+CGDCONT=1,\"IP\",\"NET\"": "", "+CSQ": "+CSQ: 20,99"}, Dial: host(nil),
		})
		defer tm.Close()
		calls := 0
		d := &Dialer{Numbers: []string{"*99#"}, Redial: Redial{Attempts: 3}, Before: func(ctx context.Context, m *Modem) error {
			if calls++; calls < 3 {
				return &RegistrationError{State: Searching}
			}
			_, err := m.Command(ctx, `+CGDCONT=1,"IP","net"`)
			return err
		}}
		if _, err := script.Run(t.Context(), near, d, nil); err != nil || calls != 3 || !tm.Connected() {
			t.Errorf("%d calls of Before, %v", calls, err)
		}
	})
	fatal := errors.New("no credit")
	calls := 0
	_, err := onModem(t, nil, &Dialer{Numbers: []string{"1"}, Redial: Redial{Attempts: 3}, Before: func(context.Context, *Modem) error { calls++; return fatal }})
	if !errors.Is(err, fatal) || calls != 1 {
		t.Errorf("an error of Before: %v after %d calls, want it at the first", err, calls)
	}
}

// A host and a port are dialled where that is allowed.
func TestDialAddress(t *testing.T) {
	for _, name := range []string{"tcpser", "zimodem", "retrowifi"} {
		p, _ := scripttest.PersonalityOf(name)
		for _, address := range []string{"127.0.0.1:17001", "bbs.example:23"} {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair(virtual.NoLines())
				defer near.Close()
				inside, outside := virtual.Pair()
				defer outside.Close()
				tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Numbers: map[string]scripttest.Answer{address: {Far: inside}}})
				defer tm.Close()
				d := &Dialer{Config: &Config{Addresses: true}, Numbers: []string{address}}
				if _, err := script.Run(t.Context(), near, d, nil); err != nil || !tm.Connected() {
					t.Errorf("%s, %s: %v\n%s", name, address, err, tm.Transcript())
				}
			})
		}
	}
	for address, pos := range map[string]int{"host:1;Z": 7, "host:1,2": 7, "host\r:1": 5, "h=1:2": 2, "a b:1": 2, "": 0} {
		_, err := CheckAddress(address)
		var in *InputError
		if !errors.As(err, &in) || in.Pos != pos {
			t.Errorf("CheckAddress(%q): %v, want a refusal at %d", address, err, pos)
		}
	}
	for _, number := range []string{"0221/12345", "1,,2", "T555-1234", "$1", "#21#"} {
		if err := CheckDial(number); err != nil {
			t.Errorf("CheckDial(%q): %v", number, err)
		}
	}
	_, err := onModem(t, nil, &Dialer{Numbers: []string{"bbs.example:23"}})
	if !errors.As(err, new(*InputError)) {
		t.Errorf("an address without Config.Addresses: %v, want a refusal", err)
	}
}

// Init strings of other programs are accepted.
func TestCheckCommandOfOtherPrograms(t *testing.T) {
	for in, want := range map[string]string{
		"ATE=1 S0=1 &D2 &C1 +FCLASS=0": "E=1 S0=1 &D2 &C1 +FCLASS=0",
		"ATX4M0;":                      "X4M0",
		"AT+CSQ; ":                     "+CSQ",
		"ATQ0 V1 E1 S0=0 &C1 &D2":      "Q0 V1 E1 S0=0 &C1 &D2",
	} {
		if got, err := CheckCommand(in); got != want || err != nil {
			t.Errorf("CheckCommand(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"ATZ;D1", "AT=1", "ATE=1D2"} {
		if _, err := CheckCommand(in); err == nil {
			t.Errorf("CheckCommand(%q) is accepted", in)
		}
	}
}

// The tables of makers hold texts that are results.
func TestCodesOfMakers(t *testing.T) {
	p, _ := scripttest.PersonalityOf("usr")
	p.Profile = "V0"
	if err := onCallOf(t, &Config{Codes: CodesUSR}, scripttest.ModemConfig{Personality: p}, "CONNECT 28800"); err != nil {
		t.Error(err)
	}
	zyxel := scripttest.ModemConfig{Profile: "V0", Codes: map[string]int{"CONNECT 14400": 13}}
	if err := onCallOf(t, &Config{Codes: CodesZyXEL}, zyxel, "CONNECT 14400"); err != nil {
		t.Error(err)
	}
	for _, codes := range []map[int]string{CodesUSR, CodesZyXEL} {
		for n, text := range codes {
			if r, known := ParseResult(text); !known || r.Text != text || n < 9 {
				t.Errorf("%d: %q is %v", n, text, r.Outcome)
			}
		}
	}
}

func onCallOf(t *testing.T, cfg *Config, mc scripttest.ModemConfig, connect string) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		inside, outside := virtual.Pair()
		defer outside.Close()
		mc.Numbers = map[string]scripttest.Answer{"1": {Far: inside, Connect: connect}}
		tm := scripttest.NewModem(far, &mc)
		defer tm.Close()
		_, err = script.Run(t.Context(), near, withModem(cfg, func(ctx context.Context, m *Modem) error {
			r, err := m.Dial(ctx, "1")
			if r.Text != connect || !r.Numeric {
				t.Errorf("result %+v, want %q by its number", r, connect)
			}
			return err
		}), nil)
	})
	return err
}
