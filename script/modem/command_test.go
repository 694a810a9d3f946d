package modem

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// All the ways in which a modem can write its answers.
var profiles = []string{"", "E0", "V0", "E0V0", "X0", "E0V0X0"}

func TestCommandInAnyNotation(t *testing.T) {
	for _, profile := range profiles {
		t.Run("profile "+profile, func(t *testing.T) {
			_, err := onModem(t, &scripttest.ModemConfig{Profile: profile}, withModem(nil, func(ctx context.Context, m *Modem) error {
				for range 2 {
					r, err := m.Command(ctx, "ATI3")
					if err != nil || !reflect.DeepEqual(r.Lines, []string{"rasline test modem"}) || r.Result.Outcome != OK {
						t.Errorf("ATI3: %+v, %v; want the modem's name", r, err)
					}
					r, err = m.Command(ctx, "S7?S12?")
					if err != nil || !reflect.DeepEqual(r.Lines, []string{"050", "050"}) {
						t.Errorf("S7?S12?: %+v, %v; want both registers", r, err)
					}
					if r, err = m.Command(ctx, ""); err != nil || r.Lines != nil {
						t.Errorf("AT: %+v, %v; want a bare OK", r, err)
					}
					if _, err = m.Command(ctx, "ATY9"); !errors.Is(err, ras.ErrFromDevice) || OutcomeOf(err) != Failed {
						t.Errorf("ATY9: %v, want the modem's refusal", err)
					}
				}
				return nil
			}))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// The notation may change under way, by a command.
func TestCommandChangesNotation(t *testing.T) {
	_, err := onModem(t, nil, withModem(nil, func(ctx context.Context, m *Modem) error {
		start := time.Now()
		if err := m.Init(ctx, "ATE0", "ATV0", "ATI3", "ATE1", "ATI3", "ATV1", "ATI3", "ATV0E0", "ATZ", "ATI3", "ATS3?"); err != nil {
			return err
		}
		if took := time.Since(start); took >= 5*time.Second {
			t.Errorf("took %v: some command was not understood", took)
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestCommandIsCheckedFirst(t *testing.T) {
	res, err := onModem(t, nil, withModem(nil, func(ctx context.Context, m *Modem) error {
		_, err := m.Command(ctx, "ATD123")
		return err
	}))
	var in *InputError
	if !errors.As(err, &in) || res.Stats.Sent != 0 {
		t.Errorf("%v with %d bytes sent, want an InputError and nothing sent", err, res.Stats.Sent)
	}
}

func TestCommandTimesOut(t *testing.T) {
	cfg := &scripttest.ModemConfig{Faults: []scripttest.Fault{{Command: "ATI", Instead: "\r\nrasline"}}}
	_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
		_, err := m.Command(ctx, "ATI3")
		if m.State() != Unsynchronised {
			t.Errorf("state %v after a time-out, want unsynchronised", m.State())
		}
		return err
	}))
	var c *CommandError
	if !errors.As(err, &c) || c.Command != "ATI3" || !reflect.DeepEqual(c.Lines, []string{"rasline"}) {
		t.Errorf("error %#v, want the command and the unfinished line", err)
	}
	if !errors.Is(err, ras.ErrRequestTimeout) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v does not match the time-outs", err)
	}
	if want := `ATI3: wait for an answer to ATI3: timed out after 5s; received last: "ATI3\r\r\nrasline"`; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestCommandErrorMasksSecrets(t *testing.T) {
	cfg := &scripttest.ModemConfig{Faults: []scripttest.Fault{{Command: "AT+CPIN", Before: "\r\nbad 9182\r\n", Lost: true}}}
	_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
		m.dialog.Hide("9182")
		_, err := m.Command(ctx, `AT+CPIN="9182"`)
		return err
	}))
	if err == nil || strings.Contains(fmt.Sprintf("%v %+v %q", err, err, err.(*CommandError).Lines), "9182") {
		t.Errorf("error %v: want one without the PIN", err)
	}
}

func TestUnsolicitedLines(t *testing.T) {
	var seen []string
	note := func(line string) { seen = append(seen, line) }
	cfg := &Config{Indications: []Indication{
		{Prefix: "RING", Handle: note}, {Prefix: "+CREG:", Handle: note}, {Prefix: "^RSSI"},
	}}
	tests := []struct {
		name, before, command string
		lines                 []string
		seen                  []string
	}{
		{"ring", "\r\nRING\r\n", "ATI3", []string{"rasline test modem"}, []string{"RING"}},
		{"registration", "\r\n+CREG: 1\r\n\r\n^RSSI:7\r\n", "ATI3", []string{"rasline test modem"}, []string{"+CREG: 1"}},
		{"no carrier", "\r\nNO CARRIER\r\n", "ATI3", []string{"rasline test modem"}, nil},
		{"garbage is not unsolicited", "\r\n\xFE~?\r\n", "ATI3", []string{"\xFE~?", "rasline test modem"}, nil},
		{"asked for", "", "AT+CREG?", []string{"+CREG: 0,1"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen = nil
			mc := &scripttest.ModemConfig{
				Extended: map[string]string{"+CREG?": "+CREG: 0,1"},
				Faults:   []scripttest.Fault{{Command: tt.command, Before: tt.before}},
			}
			_, err := onModem(t, mc, withModem(cfg, func(ctx context.Context, m *Modem) error {
				r, err := m.Command(ctx, tt.command)
				if !reflect.DeepEqual(r.Lines, tt.lines) || !reflect.DeepEqual(seen, tt.seen) {
					t.Errorf("lines %q, handlers saw %q; want %q and %q", r.Lines, seen, tt.lines, tt.seen)
				}
				return err
			}))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnsolicitedLinesBetweenCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, nil)
		defer tm.Close()
		var seen []string
		cfg := &Config{Indications: []Indication{{Prefix: "+CREG:", Handle: func(l string) { seen = append(seen, l) }}}}
		_, err := script.Run(t.Context(), near, withModem(cfg, func(ctx context.Context, m *Modem) error {
			if err := m.Sync(ctx); err != nil {
				return err
			}
			tm.Inject("\r\n+CREG: 5\r\n\r\nOK\r\n") // also an OK that nobody asked for
			r, err := m.Command(ctx, "ATI3")
			if len(r.Lines) != 1 {
				t.Errorf("lines %q, want the modem's name", r.Lines)
			}
			return err
		}), nil)
		if err != nil || !reflect.DeepEqual(seen, []string{"+CREG: 5"}) {
			t.Errorf("handler saw %q, error %v; want the line", seen, err)
		}
	})
}

// A line that has begun when a command is sent does not end up in its answer.
func TestUnsolicitedLineInTwoParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, nil)
		defer tm.Close()
		var seen []string
		cfg := &Config{Indications: []Indication{{Prefix: "+CREG:", Handle: func(l string) { seen = append(seen, l) }}}}
		_, err := script.Run(t.Context(), near, withModem(cfg, func(ctx context.Context, m *Modem) error {
			if err := m.Sync(ctx); err != nil {
				return err
			}
			tm.Inject("\r\n+CRE")
			rest := time.AfterFunc(50*time.Millisecond, func() { tm.Inject("G: 5\r\n") })
			defer rest.Stop()
			r, err := m.Command(ctx, "ATI3")
			if len(r.Lines) != 1 {
				t.Errorf("lines %q, want the modem's name", r.Lines)
			}
			return err
		}), nil)
		if err != nil || !reflect.DeepEqual(seen, []string{"+CREG: 5"}) {
			t.Errorf("handler saw %q, error %v; want the whole line", seen, err)
		}
	})
}

// A numeric RING reaches its handler as the text that it represents.
func TestNumericRing(t *testing.T) {
	var seen []string
	cfg := &Config{Indications: []Indication{{Prefix: "RING", Handle: func(l string) { seen = append(seen, l) }}}}
	mc := &scripttest.ModemConfig{Profile: "V0", Faults: []scripttest.Fault{{Command: "ATI", Before: "2\r"}}}
	_, err := onModem(t, mc, withModem(cfg, func(ctx context.Context, m *Modem) error {
		r, err := m.Command(ctx, "ATI3")
		if len(r.Lines) != 1 {
			t.Errorf("lines %q, want the modem's name", r.Lines)
		}
		return err
	}))
	if err != nil || !reflect.DeepEqual(seen, []string{"RING"}) {
		t.Errorf("handler saw %q, error %v; want RING", seen, err)
	}
}

// A modem that never stops talking fails the command, and not the program.
func TestCommandOnATalkingModem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		silent := make(chan struct{})
		go func() {
			defer close(silent)
			for {
				if _, err := far.Write([]byte("noise\r\n")); err != nil {
					return
				}
				<-time.After(time.Millisecond / 2)
			}
		}()
		_, err := script.Run(t.Context(), near, withModem(nil, func(ctx context.Context, m *Modem) error {
			m.state = CommandMode
			_, err := m.Command(ctx, "ATI3")
			return err
		}), nil)
		if !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("error %v, want a time-out", err)
		}
		far.Close()
		<-silent
	})
}

func TestAnswerIsBounded(t *testing.T) {
	line := strings.Repeat("x", 1000) + "\r\n"
	cfg := &scripttest.ModemConfig{Faults: []scripttest.Fault{{Command: "ATI", Before: strings.Repeat(line, 70)}}}
	_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
		_, err := m.Command(ctx, "ATI3")
		return err
	}))
	if !errors.Is(err, ras.ErrRecvBufFull) {
		t.Errorf("error %v, want the answer to be too long", err)
	}
}

func TestInitRepeatsALostCommand(t *testing.T) {
	cfg := &scripttest.ModemConfig{Faults: []scripttest.Fault{{Command: "ATX4", Lost: true}}}
	_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
		return m.Init(ctx, "ATZ", "ATX4")
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestIdentify(t *testing.T) {
	cfg := &scripttest.ModemConfig{
		Info:     []string{"", "", "", "line one\r\nline two"},
		Extended: map[string]string{"+GMI": "+GMI: Maker", "+GMM": `"Model 5"`},
	}
	_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
		got, err := m.Identify(ctx)
		want := Identity{Manufacturer: "Maker", Model: "Model 5", Info: []string{"line one", "line two"}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		return err
	}))
	if err != nil {
		t.Error(err)
	}
}

// However an answer is cut into reads, it is the same answer.
func TestAnyCutGivesTheSameAnswer(t *testing.T) {
	answers := []string{
		"ATI3\r\r\none\r\n\r\nRING\r\n\r\n7\r\n\r\nOK\r\n",
		"ATI3\rone\r\n010\r\n0\r",
		"\r\none\r\n\r\n+CME ERROR: 3\r\n",
	}
	for _, answer := range answers {
		want := answeredInPieces(t, answer, len(answer))
		for size := 1; size < len(answer); size++ {
			if got := answeredInPieces(t, answer, size); got != want {
				t.Errorf("%q in pieces of %d\ngot  %s\nwant %s", answer, size, got, want)
			}
		}
	}
}

// answeredInPieces returns what a Modem makes of an answer to ATI3 that comes
// in pieces of the given size.
func answeredInPieces(t *testing.T, answer string, size int) (got string) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			var line [5]byte
			far.Read(line[:])
			for rest := answer; rest != ""; {
				n := min(size, len(rest))
				far.Write([]byte(rest[:n]))
				rest = rest[n:]
				<-time.After(10 * time.Millisecond)
			}
		}()
		script.Run(t.Context(), near, withModem(nil, func(ctx context.Context, m *Modem) error {
			m.state = CommandMode
			r, err := m.Command(ctx, "ATI3")
			got = fmt.Sprintf("%q %v %v", r.Lines, r.Result.Outcome, err)
			return nil
		}), nil)
		<-sent
	})
	return got
}

func TestCommandEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := script.Run(ctx, near, withModem(nil, func(ctx context.Context, m *Modem) error {
			m.state = CommandMode
			_, err := m.Command(ctx, "ATI3")
			return err
		}), nil)
		if took := time.Since(start); took != 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended after %v with %v, want the context's end", took, err)
		}
	})
}
