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
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// Rings in the words of several makers.
func TestRings(t *testing.T) {
	for text, want := range map[string]IncomingCall{
		"RING":               {Count: 1},
		"+CRING: VOICE":      {Count: 1, Kind: "VOICE"},
		"RING1":              {Count: 1, Kind: "1"},
		"RING A":             {Count: 1, Kind: "A"},
		"RING;5551234":       {Count: 1, Number: "5551234"},
		"RING/5551234":       {Count: 1, Number: "5551234"},
		"NMBR=1\r\n\r\nRING": {Count: 1, Number: "1"},
	} {
		f := &fake{answer: func(f *fake, line string) string { return registers(line) }}
		err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
			f.later(time.Second, "\r\n"+text+"\r\n")
			got, err := m.WaitRing(ctx, 10*time.Second)
			if got.Count != want.Count || got.Kind != want.Kind || got.Number != want.Number {
				t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A ring that arrives while the modem is brought into step is not lost, nor are
// the caller's number and name between two rings.
func TestRingDuringSync(t *testing.T) {
	for _, at := range []time.Duration{0, 100 * time.Millisecond, 310 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second} {
		f := &fake{answer: func(f *fake, line string) string { return registers(line) }}
		err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
			f.later(at, "\r\nRING\r\n")
			f.later(at+time.Second, "\r\nDATE=0412\r\nTIME=1805\r\nNMBR=5551234\r\nNAME=J. Doe\r\n")
			f.later(at+6*time.Second, "\r\nRING\r\n")
			if c, err := m.WaitRing(ctx, 4*time.Second); err != nil || c.Count != 1 {
				t.Errorf("ring %v after the start: %+v, %v", at, c, err)
			}
			c, err := m.WaitRing(ctx, 10*time.Second)
			if c.Count != 2 || c.Number != "5551234" || c.Name != "J. Doe" || c.Date != "0412 1805" {
				t.Errorf("the second ring: %+v, %v", c, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// With S0 the modem takes the call; so does WaitRing.
func TestRingWithS0(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string { return registers(line) }}
	err := withFake(t, &Config{KeepCall: true}, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		f.later(time.Second, "\r\nRING\r\n")
		f.later(3*time.Second, "\r\nCONNECT 9600\r\nhello")
		if _, err := m.WaitRing(ctx, 0); err != nil {
			return err
		}
		c, err := m.WaitRing(ctx, 0)
		if c.Connect.Outcome != Connect || c.Connect.Rate != 9600 || m.State() != OnlineMode {
			t.Errorf("%+v, %v, state %v; want a connection", c, err, m.State())
		}
		if r, err := m.Answer(ctx); err != nil || r.Rate != 9600 {
			t.Errorf("Answer: %+v, %v; want the connection that there is", r, err)
		}
		if _, err := d.WaitFor(ctx, time.Second, script.Text("hello")); err != nil {
			t.Errorf("the peer's first bytes: %v", err)
		}
		return nil
	})
	for _, l := range f.got() {
		if strings.Contains(l, "ATA") {
			t.Errorf("ATA was typed into the call: %q", f.got())
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// An Answerer takes the call that it accepts, at its ring, on every kind of
// modem.
func TestAnswerer(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		for _, rings := range []int{0, 1, 2} {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p})
				defer tm.Close()
				inside, outside := virtual.Pair()
				defer outside.Close()
				outside.Write([]byte("hello"))
				caller := time.AfterFunc(time.Minute, func() { tm.Ring(inside, 5) })
				defer caller.Stop()
				seen := 0
				a := &Answerer{Rings: rings, Timeout: 10 * time.Minute, OnRing: func(IncomingCall) { seen++ }}
				res, err := script.Run(t.Context(), near, script.Sequence(a, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
					d := script.NewDialog(call, nil)
					_, err := d.WaitFor(ctx, 5*time.Second, script.Text("hello"))
					return err
				})), nil)
				if err != nil || !tm.Connected() || seen != max(1, rings) {
					t.Errorf("%s, ring %d: %v, connected %v, %d rings, unread %q", p.Name, rings, err, tm.Connected(), seen, res.Unread)
				}
			})
		}
	}
}

// A call that is refused rings on, and the Answerer waits for the next within its
// limit.
func TestAnswererRefuses(t *testing.T) {
	for _, profile := range []string{"", "S0=2"} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			tm := scripttest.NewModem(far, &scripttest.ModemConfig{Profile: profile})
			defer tm.Close()
			inside, outside := virtual.Pair()
			defer outside.Close()
			caller := time.AfterFunc(time.Minute, func() { tm.Ring(inside, 4) })
			defer caller.Stop()
			start := time.Now()
			a := &Answerer{Init: []string{}, Accept: func(IncomingCall) bool { return false }, Timeout: 3 * time.Minute}
			_, err := script.Run(t.Context(), near, a, nil)
			if took := time.Since(start); !errors.Is(err, ras.ErrRequestTimeout) || took < 3*time.Minute || took > 4*time.Minute || tm.Connected() {
				t.Errorf("%s: %v after %v, connected %v", profile, err, took, tm.Connected())
			}
		})
	}
}

// A callback: dial, ask for it, hang up, wait for the ring and answer, on every
// kind of modem.
func TestCallback(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			inside, outside := virtual.Pair()
			defer outside.Close()
			back, caller := virtual.Pair()
			defer caller.Close()
			caller.Write([]byte("welcome"))
			tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Numbers: map[string]scripttest.Answer{"1": {Far: inside}}})
			defer tm.Close()
			send := func(wait string) script.Executor {
				return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
					d := script.NewDialog(call, nil)
					defer d.Close()
					if wait == "" {
						time.AfterFunc(40*time.Second, func() { tm.Ring(back, 5) })
						return d.Send(ctx, []byte("call me back\r"))
					}
					_, err := d.WaitFor(ctx, time.Minute, script.Text(wait))
					return err
				})
			}
			_, err := script.Run(t.Context(), near, script.Sequence(
				&Dialer{Numbers: []string{"1"}}, send(""), EndCall(nil),
				&Answerer{Timeout: 5 * time.Minute}, send("welcome"),
			), nil)
			if err != nil || !tm.Connected() {
				t.Errorf("%s: %v, connected %v\n%s", p.Name, err, tm.Connected(), tm.Transcript())
			}
		})
	}
}
