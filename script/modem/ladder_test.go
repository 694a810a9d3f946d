package modem

import (
	"context"
	"errors"
	"log/slog"
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

// rungsOf runs e on a Modem with a log and returns the rungs that Sync climbed.
func rungsOf(log *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// Every kind of modem is brought into step, and gives its name.
func TestSyncOnEveryKindOfModem(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		p.Info = []string{"", "", "", "the modem"}
		_, err := onModem(t, &scripttest.ModemConfig{Personality: p}, withModem(nil, func(ctx context.Context, m *Modem) error {
			start := time.Now()
			for range 3 {
				r, err := m.Command(ctx, "ATI3")
				if err != nil || len(r.Lines) != 1 || r.Lines[0] != "the modem" {
					t.Errorf("%s: lines %q, %v", p.Name, r.Lines, err)
				}
			}
			if _, err := m.Command(ctx, "ATY9"); !errors.Is(err, ras.ErrFromDevice) {
				t.Errorf("%s: ATY9: %v, want a refusal", p.Name, err)
			}
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("%s: took %v", p.Name, took)
			}
			return nil
		}))
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// A quiet modem is woken, whether its profile or a command has made it so.
func TestQuietModem(t *testing.T) {
	for _, profile := range []string{"Q1", "Q1E0", "Q1V0"} {
		_, err := onModem(t, &scripttest.ModemConfig{Profile: profile}, withModem(nil, func(ctx context.Context, m *Modem) error {
			start := time.Now()
			if err := m.Init(ctx, "Q0V1E1", "&C1"); err != nil {
				return err
			}
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("%s: took %v", profile, took)
			}
			return nil
		}))
		if err != nil {
			t.Errorf("%s: %v", profile, err)
		}
	}
	_, err := onModem(t, nil, withModem(nil, func(ctx context.Context, m *Modem) error {
		if _, err := m.Command(ctx, "ATE0Q1"); !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("ATE0Q1: %v, want a timeout", err)
		}
		_, err := m.Command(ctx, "ATI3")
		return err
	}))
	if err != nil {
		t.Errorf("after ATE0Q1: %v", err)
	}
	// A reset to a quiet profile is no failure of Init.
	_, err = onModem(t, &scripttest.ModemConfig{Profile: "Q1"}, withModem(nil, func(ctx context.Context, m *Modem) error {
		return m.Init(ctx, "ATZ", "ATQ0V1E1")
	}))
	if err != nil {
		t.Errorf("ATZ to a quiet profile: %v", err)
	}
}

// A modem that is online when its port is opened is escaped before its host has
// been sent more than two lines, and is hung up and dialled.
func TestOnlineWhenOpened(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		for _, lines := range []bool{true, false} {
			for _, profile := range []string{"&D0", "&D2"} {
				synctest.Test(t, func(t *testing.T) {
					var opts []virtual.Option
					if !lines {
						opts = append(opts, virtual.NoLines())
					}
					near, far := virtual.Pair(opts...)
					defer near.Close()
					var hosts []*scripttest.Login
					tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Profile: profile, Dial: func(context.Context, string) scripttest.Answer {
						in, out := virtual.Pair()
						hosts = append(hosts, scripttest.NewLogin(out, nil))
						return scripttest.Answer{Far: in}
					}})
					defer tm.Close()
					// A program dials and leaves the call up.
					if _, err := script.Run(t.Context(), near, &Dialer{Numbers: []string{"1"}}, nil); err != nil {
						t.Fatalf("%s: %v", p.Name, err)
					}
					start := time.Now()
					_, err := script.Run(t.Context(), near, &Dialer{Numbers: []string{"2"}}, nil)
					if err != nil || !tm.Connected() || len(hosts) != 2 {
						t.Errorf("%s, lines %v: %v, %d calls", p.Name, lines, err, len(hosts))
					}
					if took := time.Since(start); took > 25*time.Second {
						t.Errorf("%s: took %v", p.Name, took)
					}
					if typed := string(hosts[0].Transcript().Received()); strings.Count(typed, "\r") > 2 {
						t.Errorf("%s: the host was sent %q", p.Name, typed)
					}
				})
			}
		}
	}
}

// A CONNECT that arrives after the call was given up does not keep the next from
// being made.
func TestLateConnect(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, 500 * time.Millisecond, 3 * time.Second, 6 * time.Second} {
		given := false
		f := &fake{answer: func(f *fake, line string) string {
			switch {
			case line == "ATDT1":
				return line + "\r"
			case line == "" && !given: // the call is given up, too late
				given = true
				f.later(after, "\r\nCONNECT 9600\r\n\r\nlogin: ")
				return ""
			case line == "ATDT2":
				return line + "\r\r\nCONNECT 9600\r\n"
			}
			return line + "\r" + registers(line)
		}}
		err := withFake(t, &Config{DialTimeout: 10 * time.Second, KeepCall: true}, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
			if _, err := m.Dial(ctx, "1"); !errors.Is(err, ras.ErrRequestTimeout) {
				t.Errorf("the first call: %v, want a timeout", err)
			}
			d.Pause(ctx, 5*time.Second)
			r, err := m.Dial(ctx, "2")
			if r.Outcome != Connect {
				t.Errorf("CONNECT %v after the call was given up: the next has %v, %v", after, r.Outcome, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A modem at the prompt for a message returns to command mode, and the probes
// do not become the message.
func TestSyncLeavesAPrompt(t *testing.T) {
	mc := &scripttest.ModemConfig{Prompts: map[string]string{"+CMGS=": "+CMGS: 7"}}
	_, err := onModem(t, mc, withModem(nil, func(ctx context.Context, m *Modem) error {
		if _, err := m.Command(ctx, `+CMGS="+49123"`); !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("AT+CMGS: %v, want a timeout", err)
		}
		start := time.Now()
		_, err := m.Command(ctx, "ATI3")
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		return err
	}))
	if err != nil {
		t.Error(err)
	}
}

// A modem that answers probes by ERROR is believed soon.
func TestProbesAnsweredByERROR(t *testing.T) {
	f := &fake{answer: func(f *fake, line string) string {
		if strings.Contains(line, "?") {
			return "\r\n+CME ERROR: SIM PIN required\r\n"
		}
		return "\r\nOK\r\n"
	}}
	err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
		start := time.Now()
		if err := m.Sync(ctx); err != nil {
			return err
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The rungs are in the log, and no line but the first two is sent before +++.
func TestLadderIsLoggedAndBounded(t *testing.T) {
	for _, talk := range []string{"", "and so on\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			var log strings.Builder
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for talk != "" {
					select {
					case <-time.After(50 * time.Millisecond):
						far.Write([]byte(talk))
					case <-stop:
						return
					}
				}
			}()
			start := time.Now()
			_, err := script.Run(t.Context(), near, withModem(&Config{Log: rungsOf(&log)}, func(ctx context.Context, m *Modem) error { return m.Sync(ctx) }), nil)
			if took := time.Since(start); !errors.As(err, new(*SyncError)) || took > 20*time.Second {
				t.Errorf("%v after %v", err, took)
			}
			close(stop)
			<-done
			at := -1
			for _, rung := range []string{"step=ESC", "step=ATS3?", "step=+++", "step=ATQ0V1", "step=DTR"} {
				next := strings.Index(log.String(), rung)
				if next <= at && !(talk != "" && rung == "step=DTR") {
					t.Errorf("%s is not in the log after the others:\n%s", rung, log.String())
				}
				at = next
			}
			far.SetReadDeadline(time.Now().Add(time.Second))
			sent := make([]byte, 4096)
			n, _ := far.Read(sent)
			before, _, found := strings.Cut(string(sent[:n]), "+++")
			if !found || strings.Count(before, "\r") != 2 {
				t.Errorf("sent %q, want two lines before +++", sent[:n])
			}
		})
	}
}

// The bit rate is searched where that is asked for, and found.
func TestFindRate(t *testing.T) {
	for _, rate := range []int{9600, 38400, 115200} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair(virtual.Mode(port.Mode{Baud: 115200}))
			defer near.Close()
			tm := scripttest.NewModem(&tuned{Port: far, near: near, rate: rate}, &scripttest.ModemConfig{Dial: host(nil)})
			defer tm.Close()
			got, err := FindRate(t.Context(), near, &Config{ProbeTimeout: 300 * time.Millisecond})
			if mode, _ := near.Mode(); err != nil || got != rate || mode.Baud != rate {
				t.Errorf("found %d, %v, the port is at %d; want %d", got, err, mode.Baud, rate)
			}
			near.SetMode(port.Mode{Baud: 2400})
			cfg := &Config{Rates: []int{300, rate}}
			if _, err := script.Run(t.Context(), near, &Dialer{Config: cfg, Numbers: []string{"1"}}, nil); err != nil || !tm.Connected() {
				t.Errorf("a Dialer that searches the rate: %v", err)
			}
			HangUp(t.Context(), near, nil)
			near.SetMode(port.Mode{Baud: 1200})
			if _, err := FindRate(t.Context(), near, nil, 300, 600); !errors.As(err, new(*SyncError)) {
				t.Errorf("without the right rate: %v, want a *SyncError", err)
			}
			if mode, _ := near.Mode(); mode.Baud != 1200 {
				t.Errorf("the port is left at %d, want its old rate", mode.Baud)
			}
		})
	}
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	if _, err := FindRate(t.Context(), struct{ port.Port }{near}, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a port without modes: %v, want %v", err, errors.ErrUnsupported)
	}
}

// tuned is a modem's end of a line, at which only one bit rate of the other end
// is understood.
type tuned struct {
	port.Port
	near *virtual.Port
	rate int
}

func (p *tuned) right() bool {
	m, err := p.near.Mode()
	return err == nil && m.Baud == p.rate
}

func (p *tuned) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	if !p.right() {
		for i := range b[:n] {
			b[i] = 0xFE
		}
	}
	return n, err
}

func (p *tuned) Write(b []byte) (int, error) {
	if !p.right() {
		return len(b), nil
	}
	return p.Port.Write(b)
}
