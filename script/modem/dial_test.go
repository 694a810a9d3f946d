package modem

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

func TestDialOutcomes(t *testing.T) {
	tests := []struct {
		result string
		want   Outcome
		code   ras.Code
	}{
		{"BUSY", Busy, ras.ErrLineBusy},
		{"NO CARRIER", NoCarrier, ras.ErrNoCarrier},
		{"NO DIALTONE", NoDialtone, ras.ErrNoDialtone},
		{"NO ANSWER", NoAnswer, ras.ErrNoAnswer},
		{"VOICE", Voice, ras.ErrVoiceAnswer},
		{"ERROR", Failed, ras.ErrFromDevice},
		{"DELAYED 00:02:00", Delayed, ras.ErrTempfailure},
		{"BLACKLISTED", Blacklisted, ras.ErrBlocked},
		{"OK", TimedOut, ras.ErrRequestTimeout}, // is no result of a call, and nothing is after it
		{"SUBSCRIBER GONE", Unknown, ras.ErrUnrecognizedResponse},
		{"RINGING", TimedOut, ras.ErrRequestTimeout}, // and nothing after it
	}
	for _, tt := range tests {
		for _, profile := range []string{"", "E0", "V0", "E0V0"} {
			if strings.Contains(profile, "V0") && tt.want >= Voice && tt.result != "OK" || tt.want == Unknown && profile != "" {
				continue // there are no numbers for these
			}
			t.Run(tt.result+" "+profile, func(t *testing.T) {
				cfg := &scripttest.ModemConfig{Profile: profile, Numbers: map[string]scripttest.Answer{"1": {Result: tt.result, After: 3 * time.Second}}}
				_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
					r, err := m.Dial(ctx, "1")
					if r.Outcome != tt.want || OutcomeOf(err) != tt.want {
						t.Errorf("result %+v, error's outcome %v; want %v", r, OutcomeOf(err), tt.want)
					}
					if _, again := m.Command(ctx, "ATI3"); again != nil {
						t.Errorf("a command after it: %v", again)
					}
					return err
				}))
				if !errors.Is(err, tt.code) || !strings.HasPrefix(err.Error(), "ATDT1: ") {
					t.Errorf("error %v, want code %d", err, tt.code)
				}
			})
		}
	}
}

func TestDialConnects(t *testing.T) {
	tests := []struct {
		profile, connect string
		want             Result
	}{
		{"", "CONNECT 33600/ARQ/V34", Result{Outcome: Connect, Text: "CONNECT 33600/ARQ/V34", Numeric: false, Rate: 33600, Protocols: []string{"ARQ", "V34"}}},
		{"E0", "", Result{Outcome: Connect, Text: "CONNECT 115200", Numeric: false, Rate: 115200, Protocols: nil}},
		{"X0", "", Result{Outcome: Connect, Text: "CONNECT", Numeric: false, Rate: 0, Protocols: nil}},
		{"V0", "", Result{Outcome: Connect, Text: "CONNECT", Numeric: true, Rate: 0, Protocols: nil}},
		{"E0V0", "CONNECT 2400", Result{Outcome: Connect, Text: "CONNECT 2400", Numeric: true, Rate: 2400, Protocols: nil}},
	}
	for _, tt := range tests {
		t.Run(tt.profile+" "+tt.connect, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				inside, outside := virtual.Pair()
				defer outside.Close()
				outside.Write([]byte("\n~first bytes")) // there with the carrier
				tm := scripttest.NewModem(far, &scripttest.ModemConfig{Profile: tt.profile,
					Numbers: map[string]scripttest.Answer{"1": {Far: inside, Connect: tt.connect}}})
				defer tm.Close()
				res, err := script.Run(t.Context(), near, withModem(nil, func(ctx context.Context, m *Modem) error {
					got, err := m.Dial(ctx, "1")
					if len(got.Protocols) == 0 {
						got.Protocols = nil
					}
					if !reflect.DeepEqual(got, tt.want) || m.State() != OnlineMode {
						t.Errorf("got  %+v in state %v\nwant %+v", got, m.State(), tt.want)
					}
					if _, err := m.Command(ctx, "AT"); err == nil {
						t.Error("a command was sent as data")
					}
					return err
				}), nil)
				if err != nil {
					t.Error(err)
				}
				p := res.Port()
				got := make([]byte, 13)
				p.SetReadDeadline(time.Now().Add(time.Second))
				for n := 0; n < len(got); {
					k, err := p.Read(got[n:])
					if n += k; err != nil {
						t.Fatalf("read %q, %v", got[:n], err)
					}
				}
				if string(got) != "\n~first bytes" {
					t.Errorf("the far end's first bytes arrive as %q", got)
				}
			})
		})
	}
}

func TestDialKeepsProgressLines(t *testing.T) {
	cfg := &scripttest.ModemConfig{
		Dial:   host(nil),
		Faults: []scripttest.Fault{{Command: "ATD", Before: "\r\nRINGING\r\n\r\nCARRIER 31200\r\n\r\nPROTOCOL: LAPM\r\n"}},
	}
	_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
		r, err := m.Dial(ctx, "1")
		if want := []string{"RINGING", "CARRIER 31200", "PROTOCOL: LAPM"}; !reflect.DeepEqual(r.Lines, want) {
			t.Errorf("lines %q, want %q", r.Lines, want)
		}
		return err
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestDialGivesUp(t *testing.T) {
	cfg := &scripttest.ModemConfig{Profile: "E0"}
	_, err := onModem(t, cfg, withModem(&Config{DialTimeout: 10 * time.Second}, func(ctx context.Context, m *Modem) error {
		start := time.Now()
		_, err := m.Dial(ctx, "1")
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("took %v, want little more than the limit", took)
		}
		if r, err := m.Command(ctx, "ATI3"); err != nil || len(r.Lines) != 1 {
			t.Errorf("the modem is still dialling: %v, %v", r, err)
		}
		return err
	}))
	if !errors.Is(err, ras.ErrRequestTimeout) {
		t.Errorf("error %v, want a time-out", err)
	}
}

// A call that comes about just after the limit is hung up again.
func TestDialConnectsTooLate(t *testing.T) {
	for _, profile := range []string{"", "E0V0"} {
		cfg := &scripttest.ModemConfig{
			Profile: profile,
			Dial:    host(&scripttest.LoginConfig{Silent: scripttest.StageConnect}),
			Faults:  []scripttest.Fault{{Command: "ATD", Delay: 10100 * time.Millisecond}},
		}
		_, err := onModem(t, cfg, withModem(&Config{DialTimeout: 10 * time.Second}, func(ctx context.Context, m *Modem) error {
			if _, err := m.Dial(ctx, "1"); !errors.Is(err, ras.ErrRequestTimeout) {
				t.Errorf("error %v, want a time-out", err)
			}
			if _, err := m.Command(ctx, "ATI3"); err != nil {
				return err
			}
			_, err := m.Online(ctx)
			return err
		}))
		if !errors.Is(err, ras.ErrNoCarrier) {
			t.Errorf("profile %q: error %v, want the modem in command mode without a call", profile, err)
		}
	}
}

// A context of one's own, inside the run's, can end a call that is being made.
func TestDialGivesUpOnCancel(t *testing.T) {
	_, err := onModem(t, nil, withModem(nil, func(ctx context.Context, m *Modem) error {
		limited, cancel := context.WithTimeout(ctx, 7*time.Second)
		defer cancel()
		_, err := m.Dial(limited, "1")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		_, err = m.Command(ctx, "ATI3")
		return err
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestDialPrefix(t *testing.T) {
	tests := []struct {
		prefix string
		called string // empty: refused
	}{
		{"D", "1"}, {"DP0W,", "01"}, {"DT", "1"},
		{"D1;", ""}, {"DT9\rATDT", ""}, {"T", ""}, {"DS=", ""},
	}
	for _, tt := range tests {
		var called string
		cfg := &scripttest.ModemConfig{Dial: func(_ context.Context, n string) scripttest.Answer {
			called = n
			return scripttest.Answer{Result: "BUSY"}
		}}
		_, err := onModem(t, cfg, withModem(&Config{DialPrefix: tt.prefix}, func(ctx context.Context, m *Modem) error {
			_, err := m.Dial(ctx, "1")
			return err
		}))
		var in *InputError
		if called != tt.called || errors.As(err, &in) != (tt.called == "") {
			t.Errorf("prefix %q: called %q, %v; want %q", tt.prefix, called, err, tt.called)
		}
	}
}

func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, nil)
		defer tm.Close()
		inside, outside := virtual.Pair()
		defer outside.Close()
		caller := time.AfterFunc(time.Minute, func() { tm.Ring(inside, 5) })
		defer caller.Stop()
		_, err := script.Run(t.Context(), near, withModem(nil, func(ctx context.Context, m *Modem) error {
			if _, err := m.WaitRing(ctx, 30*time.Second); !errors.Is(err, ras.ErrRequestTimeout) {
				t.Errorf("WaitRing: %v, want a time-out", err)
			}
			if _, err := m.Answer(ctx); !errors.Is(err, ras.ErrNoCarrier) {
				t.Errorf("Answer with no call: %v, want no carrier", err)
			}
			if _, err := m.WaitRing(ctx, 0); err != nil {
				return err
			}
			r, err := m.Answer(ctx)
			if r.Outcome != Connect {
				t.Errorf("result %+v, want a connection", r)
			}
			return err
		}), nil)
		if err != nil || !tm.Connected() {
			t.Errorf("error %v, connected %v", err, tm.Connected())
		}
	})
}

// onCall runs f with a Modem that has a peer on the line, whose port is
// outside. The modem is the test's own.
func onCall(t *testing.T, cfg *Config, mc scripttest.ModemConfig, f func(ctx context.Context, m *Modem, tm *scripttest.Modem, outside port.Port) error) error {
	t.Helper()
	var err error
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		inside, outside := virtual.Pair()
		defer outside.Close()
		mc.Numbers = map[string]scripttest.Answer{"1": {Far: inside}}
		tm := scripttest.NewModem(far, &mc)
		defer tm.Close()
		_, err = script.Run(t.Context(), near, withModem(cfg, func(ctx context.Context, m *Modem) error {
			if _, err := m.Dial(ctx, "1"); err != nil {
				return err
			}
			return f(ctx, m, tm, outside)
		}), nil)
	})
	return err
}

func TestEscapeAndOnline(t *testing.T) {
	for _, profile := range profiles {
		t.Run("profile "+profile, func(t *testing.T) {
			err := onCall(t, nil, scripttest.ModemConfig{Profile: profile}, func(ctx context.Context, m *Modem, tm *scripttest.Modem, outside port.Port) error {
				m.dialog.Send(ctx, []byte("data right before"))
				outside.Write([]byte("data 0\r\r\nOK\r\rmeanwhile"))
				data, err := m.Escape(ctx)
				if err != nil || string(data) != "data 0\r\r\nOK\r\rmeanwhile" {
					t.Errorf("Escape: %q, %v; want the far end's data", data, err)
				}
				if r, err := m.Command(ctx, "ATI3"); err != nil || len(r.Lines) != 1 {
					t.Errorf("a command under way: %q, %v", r.Lines, err)
				}
				outside.Write([]byte("later"))
				if r, err := m.Online(ctx); err != nil || r.Outcome != Connect {
					t.Errorf("Online: %+v, %v", r, err)
				}
				_, err = m.dialog.WaitFor(ctx, time.Second, script.Text("later"))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEscapeFailures(t *testing.T) {
	tests := []struct {
		name  string
		mc    scripttest.ModemConfig
		play  func(tm *scripttest.Modem, outside port.Port)
		code  ras.Code
		state State
	}{
		{"no escape character", scripttest.ModemConfig{Profile: "S2=255"}, nil, ras.ErrRequestTimeout, Unsynchronised},
		{"longer guard time", scripttest.ModemConfig{Profile: "S12=200"}, nil, ras.ErrRequestTimeout, Unsynchronised},
		{"call gone before", scripttest.ModemConfig{}, func(tm *scripttest.Modem, _ port.Port) { tm.Drop() }, ras.ErrRemoteDisconnection, CommandMode},
		{"too much data", scripttest.ModemConfig{}, func(_ *scripttest.Modem, outside port.Port) {
			go func() {
				for {
					if _, err := outside.Write(make([]byte, 1024)); err != nil {
						return
					}
				}
			}()
		}, ras.ErrRecvBufFull, Unsynchronised},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := onCall(t, nil, tt.mc, func(ctx context.Context, m *Modem, tm *scripttest.Modem, outside port.Port) error {
				if tt.play != nil {
					tt.play(tm, outside)
				}
				_, err := m.Escape(ctx)
				if m.State() != tt.state {
					t.Errorf("state %v, want %v", m.State(), tt.state)
				}
				return err
			})
			if !errors.Is(err, tt.code) {
				t.Errorf("error %v, want code %d", err, tt.code)
			}
		})
	}
}

func TestOnlineAfterTheCallHasGone(t *testing.T) {
	err := onCall(t, nil, scripttest.ModemConfig{}, func(ctx context.Context, m *Modem, tm *scripttest.Modem, _ port.Port) error {
		if _, err := m.Escape(ctx); err != nil {
			return err
		}
		tm.Drop()
		_, err := m.Online(ctx)
		return err
	})
	if !errors.Is(err, ras.ErrNoCarrier) {
		t.Errorf("error %v, want no carrier", err)
	}
}
