package modem

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// randomModem returns a modem of a random kind, with random faults.
func randomModem(rng *rand.Rand) (*scripttest.ModemConfig, bool) {
	kinds := scripttest.Personalities()
	p := kinds[rng.IntN(len(kinds))]
	cfg := &scripttest.ModemConfig{
		Personality: p,
		Profile:     []string{"", "", "E0", "V0", "&D0", "&C0", "X0"}[rng.IntN(7)],
		Extended:    map[string]string{},
	}
	echoes := !p.NoEcho && cfg.Profile != "E0"
	for i := range 6 {
		name := fmt.Sprintf("+C%d", i)
		cfg.Extended[name] = fmt.Sprintf("answer %d", i)
		f := scripttest.Fault{
			Command: "AT" + name,
			Times:   rng.IntN(3),
			Delay:   time.Duration(rng.IntN(2)*rng.IntN(9000)) * time.Millisecond,
			Deaf:    rng.IntN(2) == 0,
			Lost:    rng.IntN(6) == 0,
			EchoOff: rng.IntN(12) == 0,
		}
		switch rng.IntN(4) {
		case 0:
			f.Again = time.Duration(1+rng.IntN(90)) * time.Millisecond
			if !echoes {
				f.Again = time.Duration(1+rng.IntN(250)) * time.Millisecond
			}
		case 1:
			f.Before = "\r\n+CREG: 5\r\n"
		case 2:
			f.Then, f.ThenAfter = "\r\n^RSSI:20\r\n", time.Duration(rng.IntN(400))*time.Millisecond
		}
		if f.Times > 0 {
			cfg.Faults = append(cfg.Faults, f)
		}
	}
	if rng.IntN(3) == 0 { // probes go wrong too
		cfg.Faults = append(cfg.Faults, scripttest.Fault{Command: "ATS", Times: 1 + rng.IntN(2), Delay: time.Duration(rng.IntN(4000)) * time.Millisecond, Lost: rng.IntN(3) == 0})
	}
	return cfg, rng.IntN(2) == 0
}

// randomCall is what becomes of a call.
func randomCall(rng *rand.Rand) scripttest.Answer {
	after := time.Duration(rng.IntN(25000)) * time.Millisecond
	if result := []string{"BUSY", "NO ANSWER", "NO CARRIER", "NO DIALTONE"}[rng.IntN(4)]; rng.IntN(2) == 0 {
		return scripttest.Answer{Result: result, After: after}
	}
	in, out := virtual.Pair()
	scripttest.NewLogin(out, &scripttest.LoginConfig{Silent: scripttest.Stage(rng.IntN(3))})
	a := scripttest.Answer{Far: in, After: after}
	if rng.IntN(3) == 0 {
		a.DropAfter = 1 + rng.IntN(40)
	}
	return a
}

// Random commands, calls, hang-ups, cancels and reports over random modems: an
// answer is never another command's, nothing exceeds its bound, and no call
// outlives its run.
func TestRandomUse(t *testing.T) {
	t.Parallel()
	const (
		commandBound = 80 * time.Second  // three times SyncTimeout, and a command
		callBound    = 130 * time.Second // the same, DialTimeout and a hang-up
	)
	seeds := uint64(250)
	if testing.Short() {
		seeds = 60
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 12))
			mc, lines := randomModem(rng)
			calls, mu := rand.New(rand.NewPCG(seed, 13)), sync.Mutex{} // Dial has a goroutine of its own
			mc.Dial = func(context.Context, string) scripttest.Answer {
				mu.Lock()
				defer mu.Unlock()
				return randomCall(calls)
			}
			var opts []virtual.Option
			if !lines {
				opts = append(opts, virtual.NoLines())
			}
			near, far := virtual.Pair(opts...)
			defer near.Close()
			tm := scripttest.NewModem(far, mc)
			defer tm.Close()
			var log []string
			bound := func(what string, limit time.Duration, f func() error) error {
				start := time.Now()
				err := f()
				log = append(log, fmt.Sprintf("%s after %v: %v", what, time.Since(start), err))
				if took := time.Since(start); took > limit {
					t.Errorf("seed %d, %s, lines %v: %s took %v: %v", seed, mc.Personality.Name, lines, what, took, err)
				}
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+rng.IntN(400))*time.Second)
			defer cancel()
			_, err := script.Run(ctx, near, withModem(&Config{DialTimeout: 20 * time.Second}, func(ctx context.Context, m *Modem) error {
				for range 10 {
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
					if rng.IntN(4) == 0 {
						tm.Inject([]string{"\r\n+CREG: 2\r\n", "\r\n^RSSI:7\r\n", "\xFE"}[rng.IntN(3)])
					}
					once, stop := ctx, context.CancelFunc(func() {})
					if rng.IntN(6) == 0 {
						once, stop = context.WithTimeout(ctx, time.Duration(rng.IntN(30000))*time.Millisecond)
					}
					switch action := rng.IntN(10); {
					case m.State() == OnlineMode && action < 5:
						bound("hang-up", 40*time.Second, func() error { _, err := m.HangUp(once); return err })
					case m.State() == OnlineMode && action < 8:
						bound("escape", commandBound, func() error { _, err := m.Escape(once); return err })
					case m.State() == OnlineMode:
						m.dialog.Pause(once, time.Duration(rng.IntN(30))*time.Second)
					case action < 6:
						i := rng.IntN(6)
						bound(fmt.Sprintf("+C%d", i), commandBound, func() error {
							r, err := m.Command(once, fmt.Sprintf("+C%d", i))
							if want := one(fmt.Sprintf("answer %d", i)); err == nil && !reflect.DeepEqual(r.Lines, want) {
								t.Errorf("seed %d, %s: AT+C%d got %q\n%s\n%s", seed, mc.Personality.Name, i, r.Lines, strings.Join(log, "\n"), tm.Transcript())
							}
							return err
						})
					case action < 9:
						bound("dial", callBound, func() error { _, err := m.Dial(once, "5551234"); return err })
					default:
						bound("hang-up", 40*time.Second, func() error { _, err := m.HangUp(once); return err })
					}
					stop()
				}
				if rng.IntN(2) == 0 {
					return ras.ErrUnknown
				}
				return nil
			}), nil)
			if err == nil { // the call of a run that has succeeded is the caller's
				cancel()
				if _, err = HangUp(ctx, near, nil); errors.As(err, new(*HangupError)) && tm.Connected() {
					// A modem that hears nothing for longer than a command may take
					// cannot be hung up, as the error reports.
					<-time.After(time.Minute)
					_, err = HangUp(ctx, near, nil)
				}
			}
			up := tm.Connected()
			<-time.After(time.Minute)
			if up || tm.Connected() {
				if !errors.Is(err, ras.ErrHangupFailed) {
					t.Errorf("seed %d, %s, lines %v: the call is up (%v, %v) and no error says so: %v\n%s\n%s", seed, mc.Personality.Name, lines, up, tm.Connected(), err, strings.Join(log, "\n"), tm.Transcript())
				} else {
					t.Errorf("seed %d, %s, lines %v: the hang-up failed: %v\n%s\n%s", seed, mc.Personality.Name, lines, err, strings.Join(log, "\n"), tm.Transcript())
				}
			}
		})
		if t.Failed() {
			break
		}
	}
}
