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

// inCall runs f on fake time with a test modem that has been dialled over a line.
func inCall(t *testing.T, profile string, line []virtual.Option, f func(t *testing.T, near *virtual.Port, tm *scripttest.Modem)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(line...)
		defer near.Close()
		tm := scripttest.NewModem(far, &scripttest.ModemConfig{Profile: profile, Dial: host(nil)})
		defer tm.Close()
		if _, err := script.Run(t.Context(), near, &Dialer{Numbers: []string{"1"}, Init: []string{}}, nil); err != nil {
			t.Fatal(err)
		}
		f(t, near, tm)
	})
}

func TestHangup(t *testing.T) {
	tests := []struct {
		name    string
		profile string
		opts    []virtual.Option
		methods []Method
		want    Method
		proved  bool
		tried   int
		fails   bool
	}{
		{"default", "", nil, nil, DTR, true, 0, false},
		{"DTR", "", nil, []Method{DTR}, DTR, true, 0, false},
		{"DTR only escapes", "&D1", nil, []Method{DTR}, 0, false, 1, true},
		{"DTR is ignored", "&D0", nil, []Method{DTR}, 0, false, 1, true},
		{"DTR is ignored, then ATH", "&D0", nil, nil, ATH, true, 1, false},
		{"ATH", "", nil, []Method{ATH}, ATH, true, 0, false},
		{"ATH numeric", "V0E0", nil, []Method{ATH}, ATH, true, 0, false},
		{"ATH, then DTR", "S2=255", nil, []Method{ATH, DTR}, DTR, true, 1, false},
		{"DCD always on", "&C0", nil, nil, ATH, false, 1, false},
		{"no lines", "", []virtual.Option{virtual.NoLines()}, nil, ATH, false, 1, false},
		{"no lines, DTR", "", []virtual.Option{virtual.NoLines()}, []Method{DTR}, 0, false, 1, true},
		{"neither", "&D0S2=255", nil, nil, 0, false, 2, true},
		{"no such method", "", nil, []Method{77}, 0, false, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inCall(t, tt.profile, tt.opts, func(t *testing.T, near *virtual.Port, tm *scripttest.Modem) {
				rep, err := HangUp(t.Context(), near, nil, tt.methods...)
				if rep.Method != tt.want || rep.Proved != tt.proved || len(rep.Tried) != tt.tried {
					t.Errorf("report %+v, want method %v, proved %v, %d tried", rep, tt.want, tt.proved, tt.tried)
				}
				if (err != nil) != tt.fails || tt.fails && !errors.Is(err, ras.ErrHangupFailed) {
					t.Errorf("error %v, want one: %v", err, tt.fails)
				}
				if tm.Connected() != tt.fails {
					t.Errorf("connected %v afterwards", tm.Connected())
				}
				if lines, err := near.Lines(); err == nil && !lines.Has(port.DTR) {
					t.Error("DTR was left off")
				}
			})
		})
	}
}

func TestHangupNone(t *testing.T) {
	err := onCall(t, nil, scripttest.ModemConfig{}, func(ctx context.Context, m *Modem, tm *scripttest.Modem, _ port.Port) error {
		rep, err := m.HangUp(ctx, []Method{}...)
		if !reflect.DeepEqual(rep, HangupReport{}) || !tm.Connected() {
			t.Errorf("report %+v, connected %v; want nothing done", rep, tm.Connected())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// DTR is held off for its time even if DCD falls immediately.
func TestHangupHoldsDTR(t *testing.T) {
	err := onCall(t, &Config{DropTime: 5 * time.Second}, scripttest.ModemConfig{}, func(ctx context.Context, m *Modem, _ *scripttest.Modem, _ port.Port) error {
		rep, err := m.HangUp(ctx, DTR)
		if rep.Took != 5*time.Second {
			t.Errorf("took %v, want 5s", rep.Took)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A modem whose guard time, of 1.2 s here, was missed takes +++ for data. It is
// sent once more after a longer silence.
func TestHangupEscapesAgain(t *testing.T) {
	tests := []struct {
		name    string
		profile string
		opts    []virtual.Option
	}{
		{"with DCD", "&D0S12=60", nil},
		{"without DCD", "&C0S12=60", []virtual.Option{virtual.NoLines()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inCall(t, tt.profile, tt.opts, func(t *testing.T, near *virtual.Port, tm *scripttest.Modem) {
				rep, err := HangUp(t.Context(), near, nil, ATH)
				if err != nil || rep.Method != ATH || !rep.Confirmed || tm.Connected() {
					t.Errorf("%+v, %v, connected %v; want ATH to be confirmed", rep, err, tm.Connected())
				}
				if strings.Contains(string(tm.Transcript().Received()), "Q0V1H") {
					t.Error("a command was sent without an answer to +++")
				}
			})
		})
	}
}

// After a hang-up the modem can be used, whatever it said about it.
func TestCommandAfterHangup(t *testing.T) {
	for _, method := range []Method{DTR, ATH} {
		err := onCall(t, nil, scripttest.ModemConfig{}, func(ctx context.Context, m *Modem, _ *scripttest.Modem, _ port.Port) error {
			if _, err := m.HangUp(ctx, method); err != nil {
				return err
			}
			r, err := m.Command(ctx, "ATI3")
			if len(r.Lines) != 1 {
				t.Errorf("%v: lines %q, want the modem's name", method, r.Lines)
			}
			return err
		})
		if err != nil {
			t.Errorf("%v: %v", method, err)
		}
	}
}

// A modem that nobody knows anything of, and that has no call, is hung up too.
func TestHangupInCommandMode(t *testing.T) {
	for _, opts := range [][]virtual.Option{nil, {virtual.NoLines()}} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair(opts...)
			defer near.Close()
			tm := scripttest.NewModem(far, nil)
			defer tm.Close()
			rep, err := HangUp(t.Context(), near, nil)
			if err != nil || rep.Method != ATH {
				t.Errorf("%+v, %v; want ATH to work", rep, err)
			}
			if !strings.Contains(string(tm.Transcript().Received()), "H\r") {
				t.Error("ATH was not sent")
			}
		})
	}
}

func TestHangupErrorNamesEachMethod(t *testing.T) {
	err := error(&HangupError{Report: HangupReport{Tried: []error{errStillOn, errNoLines}}})
	if want := "cannot hang up: DCD is still on; modem lines: unsupported operation"; err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, ras.ErrHangupFailed) {
		t.Error("the causes are not reachable")
	}
}

// A modem that refuses ATH while DCD stays on has not hung up.
func TestRefusedHangUpWithCarrier(t *testing.T) {
	for _, answer := range []string{"ERROR", "+CME ERROR: 3"} {
		mc := &scripttest.ModemConfig{
			Profile: "&D0", Dial: host(nil),
			Faults: []scripttest.Fault{{Command: "+++", Lost: true, Times: -1}},
			Obey:   func(command string) (info, result string, ok bool) { return "", answer, command == "H" },
		}
		_, err := onModem(t, mc, withModem(nil, func(ctx context.Context, m *Modem) error {
			if _, err := m.Dial(ctx, "1"); err != nil {
				return err
			}
			rep, err := m.HangUp(ctx)
			if !errors.Is(err, ras.ErrHangupFailed) || rep.Proved || rep.Confirmed || rep.Method != 0 {
				t.Errorf("%s: %+v, %v; want a failure", answer, rep, err)
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
	}
}
