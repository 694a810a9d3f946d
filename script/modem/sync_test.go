package modem

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// playLateAnswer lets a command time out after limit whose answer is 50 ms later,
// and checks that the next command gets its own.
func playLateAnswer(ctx context.Context, t *testing.T, near, far port.Port, limit time.Duration) {
	t.Helper()
	tm := scripttest.NewModem(far, &scripttest.ModemConfig{
		Extended: map[string]string{"+ONE": "first", "+TWO": "second"},
		Faults:   []scripttest.Fault{{Command: "AT+ONE", Delay: limit + 50*time.Millisecond}},
	})
	defer tm.Close()
	cfg := &Config{CommandTimeout: limit}
	_, err := script.Run(ctx, near, withModem(cfg, func(ctx context.Context, m *Modem) error {
		if err := m.Init(ctx, "ATE0"); err != nil {
			return err
		}
		if r, err := m.Command(ctx, "+ONE"); !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("AT+ONE: %+v, %v; want a time-out", r, err)
		}
		r, err := m.Command(ctx, "+TWO")
		if len(r.Lines) != 1 || r.Lines[0] != "second" {
			t.Errorf("AT+TWO got %q, %v; want its own answer", r.Lines, err)
		}
		return err
	}), nil)
	if err != nil {
		t.Error(err)
	}
}

func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		playLateAnswer(t.Context(), t, near, far, 200*time.Millisecond)
	})
}

func TestLateAnswerOnAKernelTerminal(t *testing.T) {
	t.Parallel()
	near, far := kernelTerminal(t)
	playLateAnswer(t.Context(), t, near, far, 2*time.Second) // in which a busy machine answers, too
}

// kernelTerminal returns both ends of a pseudo-terminal.
func kernelTerminal(t *testing.T) (near, far port.Port) {
	t.Helper()
	pair, err := pty.Open(t.Context())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system has no pseudo-terminals that we can open: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	p, err := port.Open(t.Context(), pair.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, pair.Port
}

// However late an answer is, and whatever the modem does with input meanwhile,
// it never answers another command.
func TestAnswersBelongToTheirCommands(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, seed))
		fault := func(command string) scripttest.Fault {
			return scripttest.Fault{
				Command: command,
				Times:   1 + rng.IntN(2),
				Delay:   time.Duration(rng.IntN(9000)) * time.Millisecond,
				Deaf:    rng.IntN(2) == 0,
				Lost:    rng.IntN(4) == 0,
				EchoOff: rng.IntN(8) == 0,
			}
		}
		cfg := &scripttest.ModemConfig{Extended: map[string]string{}, Profile: profiles[rng.IntN(len(profiles))]}
		for i := range 6 {
			cfg.Extended[fmt.Sprintf("+C%d", i)] = fmt.Sprintf("answer %d", i)
			cfg.Faults = append(cfg.Faults, fault(fmt.Sprintf("AT+C%d", i)))
		}
		cfg.Faults = append(cfg.Faults, fault("ATS")) // probes go wrong too
		answered := 0
		_, err := onModem(t, cfg, withModem(&Config{CommandTimeout: 2 * time.Second, SyncTimeout: time.Minute}, func(ctx context.Context, m *Modem) error {
			for i := range 6 {
				r, err := m.Command(ctx, fmt.Sprintf("AT+C%d", i))
				if errors.Is(err, ras.ErrRequestTimeout) {
					continue
				}
				if err != nil {
					return err
				}
				answered++
				if want := fmt.Sprintf("answer %d", i); len(r.Lines) != 1 || r.Lines[0] != want {
					t.Errorf("seed %d: AT+C%d got %q, want %q", seed, i, r.Lines, want)
				}
			}
			_, err := m.Command(ctx, "AT")
			return err
		}))
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// A modem that is slow with everything must not answer a probe with the answer
// to an earlier one.
func TestSyncOnASlowModem(t *testing.T) {
	cfg := &scripttest.ModemConfig{
		Profile:  "E0",
		Extended: map[string]string{"+ONE": "first", "+TWO": "second"},
		Faults:   []scripttest.Fault{{Times: -1, Delay: 1700 * time.Millisecond}},
	}
	_, err := onModem(t, cfg, withModem(&Config{SyncTimeout: time.Minute}, func(ctx context.Context, m *Modem) error {
		for command, want := range map[string]string{"+ONE": "first", "+TWO": "second"} {
			r, err := m.Command(ctx, command)
			if err != nil || len(r.Lines) != 1 || r.Lines[0] != want {
				t.Errorf("AT%s: %q, %v; want %q", command, r.Lines, err, want)
			}
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

// A modem that knows no registers is believed after three probes.
func TestSyncWithoutRegisters(t *testing.T) {
	for _, instead := range []string{"\r\nERROR\r\n", "\r\nOK\r\n", "\r\n000\r\n\r\nOK\r\n"} {
		cfg := &scripttest.ModemConfig{Faults: []scripttest.Fault{{Command: "ATS", Times: -1, Instead: instead}}}
		_, err := onModem(t, cfg, withModem(nil, func(ctx context.Context, m *Modem) error {
			r, err := m.Command(ctx, "ATI3")
			if len(r.Lines) != 1 {
				t.Errorf("lines %q, want the modem's name", r.Lines)
			}
			return err
		}))
		if err != nil {
			t.Errorf("%q: %v", instead, err)
		}
	}
}

func TestSyncGivesUp(t *testing.T) {
	tests := []struct {
		name string
		talk time.Duration // between two unasked lines; 0: silence
		want string
	}{
		{"on a dead modem", 0, "AT: no modem answers: check its power, the cable and the bit rate (tried ESC, ATS3?, +++, ATS4?, ATQ0V1, ATS5?, DTR"},
		{"on one that never stops talking", 100 * time.Millisecond, "AT: the modem gives no answer that makes sense: check the bit rate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				silent := make(chan struct{})
				go func() {
					defer close(silent)
					for tt.talk > 0 {
						<-time.After(tt.talk)
						if _, err := far.Write([]byte("noise")); err != nil {
							return
						}
					}
				}()
				_, err := script.Run(t.Context(), near, withModem(nil, func(ctx context.Context, m *Modem) error {
					return m.Sync(ctx)
				}), nil)
				if !errors.Is(err, ras.ErrRequestTimeout) || len(err.Error()) < len(tt.want) || err.Error()[:len(tt.want)] != tt.want {
					t.Errorf("got  %v\nwant %s…", err, tt.want)
				}
				far.Close()
				<-silent
			})
		})
	}
}
