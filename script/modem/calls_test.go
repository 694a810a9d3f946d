package modem

import (
	"bytes"
	"context"
	"errors"
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

// Texts with which makers answer a call, and what the peer sends right after: it
// is the script's, to the byte.
func TestDialTexts(t *testing.T) {
	for _, tt := range []struct {
		name, answer, data string
		outcome            Outcome
		rate               int
	}{
		{"LTE rate", "\r\nCONNECT 150000000\r\n", "DATA", Connect, 150000000},
		{"ARQ", "\r\nCONNECT/ARQ/V34/LAPM\r\n", "DATA", Connect, 0},
		{"USR", "\r\nCONNECT 28800/ARQ/V34/LAPM/V42BIS\r\n", "DATA", Connect, 28800},
		{"EC", "\r\nCONNECT 14400 EC\r\n", "DATA", Connect, 14400},
		{"TX first", "\r\nCONNECT TX 115200 RX 115200\r\n", "DATA", Connect, 115200},
		{"report in between", "\r\n+CSQ: 20,0\r\n\r\nCONNECT\r\n", "DATA", Connect, 0},
		{"NO DIAL TONE", "\r\nNO DIAL TONE\r\n", "", NoDialtone, 0},
		{"DELAYED", "\r\nDELAYED 00:30\r\n", "", Delayed, 0},
		{"OPERATOR", "\r\nOPERATOR\r\n", "", Voice, 0},
		{"progress", "\r\nRINGING\r\n\r\nRRING\r\n\r\nPROCEEDING\r\n\r\nCONNECT 64000/NONE\r\n", "DATA", Connect, 64000},
		{"NO PROMPTTONE", "\r\nNO PROMPTTONE\r\n", "", NoDialtone, 0},
		{"CALL BARRED", "\r\nCALL BARRED\r\n", "", Blacklisted, 0},
		{"LINE BUSY", "\r\nLINE BUSY\r\n", "", Busy, 0},
		{"NO CARRIER with a cause", "\r\nNO CARRIER (0x3480)\r\n", "", NoCarrier, 0},
		{"NO CARRIER of an ISDN adapter", "\r\nNO CARRIER/e3411\r\n", "", NoCarrier, 0},
		{"no SIM PIN", "\r\n+CME ERROR: SIM PIN required\r\n", "", Failed, 0},
		{"LF", "\nCONNECT 9600\n", "DATA", Connect, 9600},
		{"CR", "\rCONNECT 9600\r", "DATA", Connect, 9600},
		{"CR without data", "\rCONNECT 9600\r", "", Connect, 9600},
		{"nothing in front", "CONNECT 9600\r\n", "DATA", Connect, 9600},
		{"noise in front", "\xff\xff\r\n\xffCONNECT 9600\r\n", "DATA", Connect, 9600},
		{"noise before a failure", "\r\n\xfe\x80BUSY\r\n", "", Busy, 0},
		{"NULs", "\x00\r\x00\n\x00CONNECT\x00 9600\x00\r\x00\n", "DATA", Connect, 9600},
		{"OK in front", "\r\nOK\r\n\r\nCONNECT 9600\r\n", "DATA", Connect, 9600},
		{"small letters", "\r\nconnect 9600\r\n", "DATA", Connect, 9600},
		{"number framed", "\r\n1\r\n", "DATA", Connect, 0},
		{"number with CR LF", "1\r\n", "DATA", Connect, 0},
		{"number", "1\r", "DATA", Connect, 0},
		{"number and an empty line of the peer", "10\r", "\r\nDATA", Connect, 2400},
		{"empty lines of the peer", "\r\nCONNECT\r\n", "\r\n\r\nlogin: ", Connect, 0},
		{"a PPP frame", "\r\nCONNECT\r\n", "~\xff}#\xc0!}!}!} }4}\"", Connect, 0},
		{"a NUL", "\r\nCONNECT\r\n", "\x00x", Connect, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{answer: func(f *fake, line string) string {
				if strings.HasPrefix(line, "ATD") {
					return line + "\r" + tt.answer + tt.data
				}
				return line + "\r" + registers(line)
			}}
			err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
				if err := m.Sync(ctx); err != nil {
					return err
				}
				m.notation = anyNotation
				start := time.Now()
				r, err := m.Dial(ctx, "5551234")
				if r.Outcome != tt.outcome || r.Rate != tt.rate || (err == nil) != (tt.outcome == Connect) {
					t.Errorf("result %+v, %v; want %v at %d", r, err, tt.outcome, tt.rate)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("took %v", took)
				}
				var data bytes.Buffer
				for {
					c, err := d.NextByte(ctx, time.Second)
					if err != nil {
						break
					}
					data.WriteByte(c)
				}
				if data.String() != tt.data {
					t.Errorf("the script reads %q, want %q", data.String(), tt.data)
				}
				m.ended()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A modem in software that answers the line after a failed call by OK, and loses
// the rest of that line, is redialled.
func TestRedialOnAModemThatIsOffHook(t *testing.T) {
	tcpser, _ := scripttest.PersonalityOf("tcpser")
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.NoLines())
		defer near.Close()
		inside, outside := virtual.Pair()
		defer outside.Close()
		tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: tcpser, Numbers: map[string]scripttest.Answer{
			"5550000": {Result: "NO CARRIER"}, "5551234": {Far: inside},
		}})
		defer tm.Close()
		var tried []string
		d := &Dialer{Numbers: []string{"5550000", "5551234"}, OnAttempt: func(a Attempt) { tried = append(tried, a.Result.Outcome.String()) }}
		_, err := script.Run(t.Context(), near, d, nil)
		if err != nil || !tm.Connected() || strings.Join(tried, ",") != "NO CARRIER,CONNECT" {
			t.Errorf("attempts %v, error %v, connected %v", tried, err, tm.Connected())
		}
	})
}

// However a run ends while its modem dials or talks, no call is up afterwards, on
// every kind of modem.
func TestNoCallOutlivesItsRun(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		for _, lines := range []bool{true, false} {
			for how, end := range map[string]func(cancel context.CancelFunc) (*script.Config, *Dialer, script.Executor){
				"cancel while it dials": func(cancel context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					time.AfterFunc(8*time.Second, cancel)
					return nil, &Dialer{}, nil
				},
				"limit of the run": func(context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					return &script.Config{Timeout: 8 * time.Second}, &Dialer{}, nil
				},
				"limit of the dialler": func(context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					return nil, &Dialer{Redial: Redial{Timeout: 8 * time.Second}}, nil
				},
				"limit of the call": func(context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					return nil, &Dialer{Config: &Config{DialTimeout: 6 * time.Second}}, nil
				},
				"cancel while it talks": func(cancel context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					time.AfterFunc(30*time.Second, cancel)
					return nil, &Dialer{}, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error { <-ctx.Done(); return ctx.Err() })
				},
				"panic": func(context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					return nil, &Dialer{}, script.ExecutorFunc(func(context.Context, *ras.Call) error { panic("the login panics") })
				},
				"failure": func(context.CancelFunc) (*script.Config, *Dialer, script.Executor) {
					return nil, &Dialer{}, script.ExecutorFunc(func(context.Context, *ras.Call) error { return ras.ErrAuthenticationFailure })
				},
			} {
				t.Run(p.Name+"/"+how+map[bool]string{true: "", false: ", no lines"}[lines], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var opts []virtual.Option
						if !lines {
							opts = append(opts, virtual.NoLines())
						}
						near, far := virtual.Pair(opts...)
						defer near.Close()
						tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Dial: func(context.Context, string) scripttest.Answer {
							in, out := virtual.Pair()
							scripttest.NewLogin(out, &scripttest.LoginConfig{Silent: scripttest.StageConnect})
							return scripttest.Answer{Far: in, After: 15 * time.Second}
						}})
						defer tm.Close()
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						cfg, dial, talk := end(cancel)
						dial.Numbers = []string{"5551234"}
						var e script.Executor = dial
						if talk != nil {
							e = script.Sequence(dial, talk)
						}
						_, err := script.Run(ctx, near, e, cfg)
						if err == nil {
							t.Fatal("the run has succeeded")
						}
						if errors.Is(err, ras.ErrHangupFailed) {
							t.Errorf("the hang-up failed: %v", err)
						}
						up := tm.Connected()
						<-time.After(time.Minute)
						if up || tm.Connected() {
							t.Errorf("the call is up: at the end of the run %v, a minute later %v; %v\n%v", up, tm.Connected(), err, tm.Transcript())
						}
					})
				})
			}
		}
	}
}

// HangUp works with the context whose end made it necessary, and proves what it
// reports, on every kind of modem.
func TestHangUpAfterACancel(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		for _, lines := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				var opts []virtual.Option
				if !lines {
					opts = append(opts, virtual.NoLines())
				}
				near, far := virtual.Pair(opts...)
				defer near.Close()
				tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Dial: host(nil)})
				defer tm.Close()
				ctx, cancel := context.WithCancel(t.Context())
				if _, err := script.Run(ctx, near, &Dialer{Numbers: []string{"5551234"}}, nil); err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
				cancel()
				start := time.Now()
				rep, err := HangUp(ctx, near, nil)
				if err != nil || tm.Connected() || !rep.Proved && !rep.Confirmed {
					t.Errorf("%s, lines %v: %+v, %v, connected %v", p.Name, lines, rep, err, tm.Connected())
				}
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("%s: took %v", p.Name, took)
				}
			})
		}
	}
}

// cable is a port whose inputs read as given, and whose DTR may lead nowhere.
type cable struct {
	port.Port
	inputs port.Lines
	wired  bool
}

func (c *cable) Lines() (port.Lines, error) { return c.inputs, nil }
func (c *cable) SetLines(mask, values port.Lines) error {
	if c.wired {
		return c.Port.(port.LineController).SetLines(mask, values)
	}
	return nil
}
func (c *cable) WaitLines(ctx context.Context, _ port.Lines) (port.Lines, error) {
	<-ctx.Done()
	return c.inputs, ctx.Err()
}

// A DCD that was off at the start proves nothing, nor does one that is always on.
func TestHangUpOverBadCables(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inputs  port.Lines
		wired   bool
		profile string
		methods []Method
		up      bool // the call is up afterwards
		fails   bool
		unproved,
		confirmed bool
	}{
		{"no wires", 0, false, "", nil, false, false, false, true},
		{"DCD on, no DTR", port.DCD, false, "", nil, false, false, false, true},
		{"DCD on, DTR", port.DCD, true, "", nil, false, false, false, true},
		{"DCD off, DTR", 0, true, "", nil, false, false, false, true},
		{"DCD off, DTR, &D0", 0, true, "&D0", nil, false, false, false, true},
		{"DCD on, &D1", port.DCD, true, "&D1", nil, false, false, false, true},
		{"no wires, numeric", 0, false, "V0E0", nil, false, false, false, true},
		{"no wires, quiet", 0, false, "Q1", nil, false, false, false, true},
		{"no wires, DTR alone", 0, false, "", []Method{DTR}, true, true, true, false},
		{"no wires, no escape", 0, false, "S2=255", nil, true, true, true, false},
		{"DCD on, no escape", port.DCD, false, "S2=255", nil, true, true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				var hosts []*scripttest.Login
				tm := scripttest.NewModem(far, &scripttest.ModemConfig{Profile: tt.profile, Dial: func(context.Context, string) scripttest.Answer {
					in, out := virtual.Pair()
					hosts = append(hosts, scripttest.NewLogin(out, nil))
					return scripttest.Answer{Far: in}
				}})
				defer tm.Close()
				p := &cable{Port: near, inputs: tt.inputs, wired: tt.wired}
				if _, err := script.Run(t.Context(), p, &Dialer{Numbers: []string{"1"}, Init: []string{}}, nil); err != nil {
					t.Fatal(err)
				}
				rep, err := HangUp(t.Context(), p, nil, tt.methods...)
				var failed *HangupError
				if (err != nil) != tt.fails || errors.As(err, &failed) != tt.fails || tt.fails && (failed.Unproved != tt.unproved || ras.CodeOf(err) != ras.ErrHangupFailed) {
					t.Errorf("error %v (%+v), want one: %v, unproved: %v", err, failed, tt.fails, tt.unproved)
				}
				if rep.Proved || rep.Confirmed != tt.confirmed || tm.Connected() != tt.up {
					t.Errorf("report %+v, connected %v", rep, tm.Connected())
				}
				typed := string(hosts[0].Transcript().Received())
				if strings.Count(typed, "\r") > 2 {
					t.Errorf("the host was sent %q: lines typed at a login lock accounts", typed)
				}
			})
		})
	}
}

// ATH is answered by NO CARRIER, by OK, by both, or by ERROR without a call, and
// +++ in every notation; what follows belongs to the next command. A modem that
// has answered +++ in a call and then answers ERROR refuses to end it.
func TestAnswersToATH(t *testing.T) {
	for _, ath := range []string{"\r\nNO CARRIER (00:01:28)\r\n", "\r\nNO CARRIER\r\n\r\nOK\r\n", "\r\nOK\r\n\r\nNO CARRIER\r\n", "\r\nOK\r\n\r\nOK\r\n", "\r\nERROR\r\n", "0\r", "\r\n0\r\n"} {
		for _, plus := range []string{"\r\nOK\r\n", "OK\r\n", "\r\nOK\r", "\nOK\n", "0\r", "0\r\n", "\r\n0\r\n", "\r\nNO CARRIER\r\n"} {
			if strings.Contains(ath, "0\r") != strings.Contains(plus, "0\r") {
				continue // no modem changes its notation under way
			}
			online := true
			f := &fake{pieces: true}
			f.answer = func(f *fake, piece string) string {
				if online {
					if piece == "+++" {
						online = false
						f.later(time.Second, plus)
					}
					return ""
				}
				text := ""
				for _, l := range strings.SplitAfter(piece, "\r") {
					switch {
					case !strings.HasSuffix(l, "\r"):
					case l == "ATH\r":
						text += ath
					case l == "AT+CSQ\r":
						text += signal
					case strings.HasPrefix(l, "AT"):
						text += registers(strings.TrimSuffix(l, "\r"))
					}
				}
				return text
			}
			err := withFake(t, nil, f, func(ctx context.Context, m *Modem, d *script.Dialog) error {
				m.SetOnline()
				rep, err := m.HangUp(ctx, ATH)
				refused := strings.Contains(ath, "ERROR") && strings.Contains(plus, "OK")
				if refused && (!errors.Is(err, ras.ErrHangupFailed) || !errors.Is(err, ras.ErrFromDevice) || rep.Confirmed || !m.Held()) {
					t.Errorf("+++ answered by %q, ATH by %q: %+v, %v; want a failure", plus, ath, rep, err)
				}
				if !refused && (err != nil || rep.Method != ATH || !rep.Confirmed) {
					t.Errorf("+++ answered by %q, ATH by %q: %+v, %v", plus, ath, rep, err)
				}
				r, err := m.Command(ctx, "+CSQ")
				if len(r.Lines) != 1 {
					t.Errorf("+++ answered by %q, ATH by %q: the next command gets %q, %v", plus, ath, r.Lines, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// An OK of the peer is data: before the modem's guard time can have passed, and
// later if more follows it.
func TestEscapeBelievesNoOKOfThePeer(t *testing.T) {
	for _, at := range []time.Duration{0, 400 * time.Millisecond, 800 * time.Millisecond, 950 * time.Millisecond} {
		for _, data := range []string{"status:\r\nOK\r\nmore", "status:\r\nOK\r\n", "\r\nNO CARRIER\r\nmore", "0\r"} {
			if at == 950*time.Millisecond && !strings.HasSuffix(data, "more") {
				continue // these cannot be distinguished
			}
			err := onCall(t, nil, scripttest.ModemConfig{}, func(ctx context.Context, m *Modem, tm *scripttest.Modem, outside port.Port) error {
				go func() {
					<-time.After(m.cfg.Guard + at)
					outside.Write([]byte(data))
				}()
				got, err := m.Escape(ctx)
				if err != nil || string(got) != data || m.State() != CommandMode {
					t.Errorf("%q %v after +++: data %q, %v, state %v", data, at, got, err, m.State())
				}
				rep, err := m.HangUp(ctx, ATH)
				if err != nil || tm.Connected() {
					t.Errorf("%q: hang-up %+v, %v, connected %v", data, rep, err, tm.Connected())
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// Online takes OK for success, and a modem that answers nothing keeps its limit
// and its data.
func TestOnline(t *testing.T) {
	for _, name := range []string{"hayes", "zimodem", "tcpser"} {
		p, _ := scripttest.PersonalityOf(name)
		err := onCall(t, &Config{OnlineTimeout: 3 * time.Second}, scripttest.ModemConfig{Personality: p}, func(ctx context.Context, m *Modem, tm *scripttest.Modem, outside port.Port) error {
			if _, err := m.Escape(ctx); err != nil {
				return err
			}
			time.AfterFunc(time.Second, func() { outside.Write([]byte("late data\r\n~")) })
			start := time.Now()
			_, err := m.Online(ctx)
			if silent := name == "tcpser"; (err != nil) != silent || silent && !errors.Is(err, ras.ErrRequestTimeout) || m.State() != OnlineMode {
				t.Errorf("%s: %v, state %v", name, err, m.State())
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
			if _, err := m.dialog.WaitFor(ctx, 5*time.Second, script.Text("late data\r\n~")); err != nil {
				t.Errorf("%s: the peer's data: %v", name, err)
			}
			if tm.Transcript(); strings.Contains(string(tm.Transcript().Received()), "ATO\r\r") {
				t.Errorf("%s: a CR was typed into the call", name)
			}
			_, err = m.HangUp(ctx)
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
