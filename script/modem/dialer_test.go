package modem

import (
	"context"
	"errors"
	"fmt"
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

// exchangeOf answers the calls to each number with one result after the other;
// "" connects.
func exchangeOf(results map[string][]string) func(context.Context, string) scripttest.Answer {
	return func(ctx context.Context, number string) scripttest.Answer {
		left := results[number]
		if len(left) == 0 {
			return scripttest.Answer{Result: "NO ANSWER"}
		}
		results[number] = left[1:]
		if left[0] == "" {
			return host(nil)(ctx, number)
		}
		return scripttest.Answer{Result: left[0], After: time.Second}
	}
}

func TestRedial(t *testing.T) {
	tests := []struct {
		name    string
		numbers []string
		redial  Redial
		results map[string][]string
		want    string // the attempts
		code    ras.Code
	}{
		{"once by default", []string{"1"}, Redial{}, map[string][]string{"1": {"BUSY", ""}}, "1:BUSY", ras.ErrLineBusy},
		{"each number once", []string{"1", "2", "3"}, Redial{}, map[string][]string{"1": {"BUSY"}, "2": {"NO CARRIER"}, "3": {""}},
			"1:BUSY 2:NO CARRIER 3:CONNECT", 0},
		{"round the numbers", []string{"1", "2"}, Redial{Attempts: 5}, map[string][]string{"1": {"BUSY", "BUSY", ""}, "2": {"NO DIALTONE"}},
			"1:BUSY 2:NO DIALTONE 1:BUSY 2:NO ANSWER 1:CONNECT", 0},
		{"until attempts are used up", []string{"1"}, Redial{Attempts: 3}, nil, "1:NO ANSWER 1:NO ANSWER 1:NO ANSWER", ras.ErrNoAnswer},
		{"a person stops it", []string{"1"}, Redial{Attempts: 3}, map[string][]string{"1": {"BUSY", "VOICE", ""}}, "1:BUSY 1:VOICE", ras.ErrVoiceAnswer},
		{"a refusal stops it", []string{"1"}, Redial{Attempts: 3}, map[string][]string{"1": {"ERROR", ""}}, "1:ERROR", ras.ErrFromDevice},
		{"busy stops it where asked", []string{"1"}, Redial{Attempts: 3, Stop: []Outcome{Busy}}, map[string][]string{"1": {"VOICE", "BUSY", ""}},
			"1:VOICE 1:BUSY", ras.ErrLineBusy},
		{"nothing stops it", []string{"1"}, Redial{Attempts: 2, Stop: []Outcome{}}, map[string][]string{"1": {"BLACKLISTED", ""}},
			"1:BLACKLISTED 1:CONNECT", 0},
		{"unknown texts are tried again", []string{"1"}, Redial{Attempts: 2}, map[string][]string{"1": {"EH?", ""}}, "1:UNKNOWN 1:CONNECT", 0},
		{"silence is tried again", []string{"1"}, Redial{Attempts: 2}, map[string][]string{"1": {"RINGING", ""}}, "1:TIMEOUT 1:CONNECT", 0},
		{"the limit ends it", []string{"1"}, Redial{Attempts: 100, Timeout: 30 * time.Second}, nil,
			"1:NO ANSWER 1:NO ANSWER 1:NO ANSWER 1:NO ANSWER 1:NO ANSWER 1:NO ANSWER", ras.ErrRequestTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			d := &Dialer{Numbers: tt.numbers, Redial: tt.redial, OnAttempt: func(a Attempt) {
				got = append(got, fmt.Sprintf("%s:%v", a.Number, a.Result.Outcome))
				if (a.Err == nil) != (a.Result.Outcome == Connect) || a.Index != len(got) {
					t.Errorf("attempt %+v", a)
				}
			}}
			_, err := onModem(t, &scripttest.ModemConfig{Dial: exchangeOf(tt.results)}, script.Sequence(d, logIn))
			if strings.Join(got, " ") != tt.want {
				t.Errorf("attempts %q, want %q", got, tt.want)
			}
			if tt.code == 0 && err != nil || tt.code != 0 && !errors.Is(err, tt.code) {
				t.Errorf("error %v, want code %d", err, tt.code)
			}
			var de *DialError
			if tt.code != 0 && (!errors.As(err, &de) || len(de.Attempts) != len(got)) {
				t.Errorf("error %#v, want one with %d attempts", err, len(got))
			}
		})
	}
}

func TestRedialPauses(t *testing.T) {
	tests := []struct {
		name   string
		redial Redial
		want   time.Duration // between the end of the first attempt and the second
	}{
		{"default", Redial{}, 5 * time.Second},
		{"own", Redial{Pause: 90 * time.Second}, 90 * time.Second},
		{"none", Redial{Pause: -1}, 0},
		{"by outcome", Redial{Pauses: map[Outcome]time.Duration{Busy: time.Minute}}, time.Minute},
		{"by another outcome", Redial{Pauses: map[Outcome]time.Duration{NoAnswer: time.Minute}}, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.redial.Attempts = 2
			var ends, starts []time.Time
			d := &Dialer{Numbers: []string{"1"}, Redial: tt.redial, OnAttempt: func(a Attempt) {
				starts, ends = append(starts, a.Start), append(ends, a.Start.Add(a.Took))
			}}
			onModem(t, &scripttest.ModemConfig{Dial: exchangeOf(map[string][]string{"1": {"BUSY", "BUSY"}})}, d)
			if got := starts[1].Sub(ends[0]); got != tt.want {
				t.Errorf("pause of %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDialErrorText(t *testing.T) {
	busy := &CommandError{Command: "ATDT1", Err: &OutcomeError{Result{Outcome: Busy, Text: "BUSY"}}}
	limit := &script.RunTimeoutError{Limit: time.Minute}
	tests := []struct {
		err  *DialError
		want string
	}{
		{&DialError{[]Attempt{{Number: "1", Err: busy}}, busy},
			"dial 1: ATDT1: BUSY: the line called is busy: try again later"},
		{&DialError{[]Attempt{{Number: "1", Err: busy}, {Number: "1", Err: busy}}, limit},
			"dial 1 (attempt 2): the run's limit of 1m0s has passed; last: ATDT1: BUSY: the line called is busy: try again later"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	if err := tests[1].err; !errors.Is(err, ras.ErrRequestTimeout) || !errors.Is(err, ras.ErrLineBusy) {
		t.Error("the limit's and the last attempt's code must both match")
	}
}

func TestDialerTellsStates(t *testing.T) {
	var got []string
	d := &Dialer{
		Numbers: []string{"1"},
		Redial:  Redial{Attempts: 2},
		OnState: func(p script.State) {
			got = append(got, fmt.Sprintf("%v %v %d %s", p.Elapsed.Round(time.Second), p.Conn, p.Attempt, p.Text))
		},
	}
	_, err := onModem(t, &scripttest.ModemConfig{Dial: exchangeOf(map[string][]string{"1": {"BUSY", ""}})}, d)
	want := []string{
		"0s RASCS_ConnectDevice 0 setting up the modem",
		"1s RASCS_ConnectDevice 1 dialling",
		"2s RASCS_ConnectDevice 1 BUSY",
		"7s RASCS_ConnectDevice 2 dialling",
		"8s RASCS_DeviceConnected 2 CONNECT 115200",
		"8s RASCS_AllDevicesConnected 2 CONNECT 115200",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("error %v, states\ngot  %q\nwant %q", err, got, want)
	}
}

func TestDialerChecksBeforeItSends(t *testing.T) {
	tests := []struct {
		name string
		d    Dialer
		code ras.Code
	}{
		{"second number", Dialer{Numbers: []string{"1", "1;D2"}}, ras.ErrBadPhoneNumber},
		{"command", Dialer{Numbers: []string{"1"}, Init: []string{"ATZ", "ATD1"}}, ras.ErrInvalidParameter},
		{"prefix", Dialer{Numbers: []string{"1"}, Config: &Config{DialPrefix: "Z"}}, ras.ErrInvalidParameter},
		{"no number", Dialer{}, ras.ErrBadPhoneNumber},
	}
	for _, tt := range tests {
		res, err := onModem(t, nil, &tt.d)
		if !errors.Is(err, tt.code) || res.Stats.Sent != 0 {
			t.Errorf("%s: %v with %d bytes sent; want code %d and none", tt.name, err, res.Stats.Sent, tt.code)
		}
	}
}

func TestDialerDialsTheEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		var called string
		tm := scripttest.NewModem(far, &scripttest.ModemConfig{Dial: func(_ context.Context, n string) scripttest.Answer {
			called = n
			return scripttest.Answer{Result: "BUSY"}
		}})
		defer tm.Close()
		params := &ras.DialParams{PhoneNumber: "555-1234"}
		script.Run(t.Context(), near, &Dialer{}, &script.Config{Params: params})
		if called != "5551234" {
			t.Errorf("called %q, want the entry's number", called)
		}
	})
}

func TestDialerInitFails(t *testing.T) {
	var failed error
	d := &Dialer{Numbers: []string{"1"}, Init: []string{"ATZ", "ATY9"}, OnState: func(p script.State) { failed = p.Err }}
	_, err := onModem(t, nil, d)
	if !errors.Is(err, ras.ErrFromDevice) || err != failed || !strings.HasPrefix(err.Error(), "ATY9: ERROR: ") {
		t.Errorf("error %v, told %v; want the command and the refusal", err, failed)
	}
}

// The user's cancel ends a dial immediately, with the code for that.
func TestDialerIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, nil)
		defer tm.Close()
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(10*time.Second, cancel)
		defer timer.Stop()
		start := time.Now()
		_, err := script.Run(ctx, near, &Dialer{Numbers: []string{"1"}, Redial: Redial{Attempts: 9}}, nil)
		if took := time.Since(start); took != 10*time.Second || ras.CodeOf(err) != ras.ErrUserDisconnection {
			t.Errorf("ended after %v with %v", took, err)
		}
		if rep, err := HangUp(t.Context(), near, nil); err != nil || tm.Connected() {
			t.Errorf("hang-up afterwards: %+v, %v", rep, err)
		}
	})
}

func TestDialThenScriptOnAKernelTerminal(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("dials and hangs up in real time")
	}
	near, far := kernelTerminal(t)
	inside, outside := virtual.Pair()
	far1 := scripttest.NewLogin(outside, nil)
	defer far1.Close()
	tm := scripttest.NewModem(far, &scripttest.ModemConfig{Numbers: map[string]scripttest.Answer{"5551234": {Far: inside}}})
	defer tm.Close()
	d := &Dialer{Numbers: []string{"555-1234"}}
	res, err := script.Run(t.Context(), near, script.Sequence(d, WatchCarrier(logIn, nil)), nil)
	if err != nil || !far1.LoggedIn() {
		t.Fatalf("logged in %v, %v\n%s", far1.LoggedIn(), err, tm.Transcript())
	}
	p := res.Port()
	p.SetReadDeadline(time.Now().Add(5 * time.Second))
	frame := make([]byte, len(scripttest.PPPFrame()))
	for n := 0; n < len(frame); {
		k, err := p.Read(frame[n:])
		if n += k; err != nil {
			t.Fatalf("read %q, %v", frame[:n], err)
		}
	}
	if string(frame) != string(scripttest.PPPFrame()) {
		t.Errorf("the first frame arrives as %q", frame)
	}
	rep, err := HangUp(t.Context(), near, nil)
	if err != nil || rep.Method != ATH || rep.Proved || tm.Connected() {
		t.Errorf("hang-up: %+v, %v, connected %v; want ATH, unproved without lines", rep, err, tm.Connected())
	}
}
