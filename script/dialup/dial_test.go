package dialup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

var (
	past = time.Unix(1, 0)
	zero time.Time
)

// TestDial makes a connection, uses it and hangs up.
func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		var log bytes.Buffer
		var seen states
		conn, err := dialup.Dial(t.Context(), entry(), &dialup.Config{
			Open: x.open, OnState: seen.add,
			Log: slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}),
		})
		must(t, err)
		var c net.Conn = conn
		if got := c.LocalAddr(); got.Network() != "serial" || got.String() != "line" {
			t.Errorf("address %v", got)
		}
		if conn.Result().Params.UserName != "guest" {
			t.Errorf("result %v", conn.Result())
		}
		frame, err := readAll(c, len(scripttest.PPPFrame()))
		if err != nil || frame != string(scripttest.PPPFrame()) {
			t.Errorf("first bytes %q, %v; want the first PPP frame", frame, err)
		}
		if l, err := conn.Lines(); err != nil || !l.Has(port.DCD) {
			t.Errorf("lines %v, %v", l, err)
		}
		select {
		case <-conn.Done():
			t.Error("the connection has ended: ", conn.Err())
		default:
		}
		rep, err := conn.HangUp(t.Context())
		if err != nil || !rep.Proved {
			t.Errorf("HangUp: %+v, %v", rep, err)
		}
		<-conn.Done()
		wantErr(t, "Err", conn.Err(), net.ErrClosed)
		_, err = c.Read(make([]byte, 1))
		wantErr(t, "Read", err, net.ErrClosed)
		must(t, c.Close())
		must(t, c.Close())
		if x.modem.Connected() {
			t.Error("the call is still up")
		}
		want := []string{"RASCS_OpenPort", "RASCS_PortOpened", "RASCS_ConnectDevice", "RASCS_ConnectDevice", "RASCS_DeviceConnected",
			"RASCS_AllDevicesConnected", "RASCS_Interactive", "RASCS_Connected", "RASCS_Disconnected"}
		if got := seen.names(); !slices.Equal(got, want) {
			t.Errorf("states\n got %q\nwant %q", got, want)
		}
		for _, st := range seen.list {
			if st.Text == "" || st.Time.IsZero() {
				t.Errorf("state without text or time: %+v", st)
			}
		}
		if s := log.String(); strings.Contains(s, "secret") || !strings.Contains(s, "login: ") || !strings.Contains(s, "level=INFO") {
			t.Errorf("log:\n%s", s)
		}
	})
}

// TestErrorThatQuotesAnEcho has a script whose own error quotes the password as the
// peer has echoed it: no state and no log shows it.
func TestErrorThatQuotesAnEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		var log bytes.Buffer
		var seen states
		e := entry()
		e.Script = script.ExecutorFunc(func(context.Context, *ras.Call) error { return errors.New(`unexpected answer "SECRET"`) })
		cfg := &dialup.Config{Open: x.open, OnState: seen.add, Log: slog.NewJSONHandler(&log, nil)}
		if _, err := dialup.Dial(t.Context(), e, cfg); err == nil {
			t.Fatal("the script has not failed")
		}
		for _, st := range seen.list {
			log.WriteString(st.Text)
		}
		if leak := echo.Leak(log.String(), "secret"); leak != "" || !strings.Contains(log.String(), "unexpected answer") {
			t.Errorf("shown: %q in\n%s", leak, &log)
		}
	})
}

// TestCheck refuses entries that cannot succeed before the port is opened.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(e *dialup.Entry)
		field  string
		code   ras.Code
	}{
		{"no number", func(e *dialup.Entry) { e.Params.PhoneNumber = "" }, "PhoneNumber", ras.ErrInvalidParameter},
		{"a number with a command", func(e *dialup.Entry) { e.Params.PhoneNumber = "555;+CFUN=0" }, "", ras.ErrBadPhoneNumber},
		{"a second number with a command", func(e *dialup.Entry) { e.Dialer = &modem.Dialer{Numbers: []string{"1", "2;H"}} }, "", ras.ErrBadPhoneNumber},
		{"a script without its password", func(e *dialup.Entry) {
			e.Script, e.Params.Password = needy{}, ""
		}, "Password", ras.ErrInvalidParameter},
		{"a disconnect script without its password", func(e *dialup.Entry) {
			e.Disconnect, e.Params.Password = needy{}, ""
		}, "Password", ras.ErrInvalidParameter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t, nil, nil)
				e := entry()
				tt.change(e)
				_, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: x.open})
				wantErr(t, "Dial", err, tt.code)
				var missing *script.MissingError
				if errors.As(err, &missing) != (tt.field != "") || missing != nil && missing.Field != tt.field {
					t.Errorf("error %v, want the field %q", err, tt.field)
				}
				var de *dialup.Error
				if !errors.As(err, &de) || de.Op != "check" || de.Entry != "test" {
					t.Errorf("error %#v", err)
				}
				if x.opens != 0 {
					t.Error("the port was opened")
				}
				if e.Check() == nil {
					t.Error("Check finds nothing")
				}
			})
		})
	}
}

// needy is a script that needs a password.
type needy struct{}

func (needy) Execute(context.Context, *ras.Call) error { return nil }
func (needy) Check(p *ras.DialParams) error            { return script.CheckParam(p, "Password") }

// TestCheckOfThePort refuses what the port cannot do before anything is sent.
func TestCheckOfThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		e := entry()
		e.HangUp = []modem.Method{modem.DTR}
		_, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: openOf(near)})
		wantErr(t, "Dial", err, errors.ErrUnsupported)
		far.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := far.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes were sent, %v; want none and a closed port", n, err)
		}
	})
}

// dialStep is a state of a dial, the nth of its name.
type dialStep struct {
	name  string
	state ras.ConnState
	nth   int
}

// dialSteps are the states of a dial, in order.
var dialSteps = []dialStep{
	{"opening", ras.StateOpenPort, 1},
	{"opened", ras.StatePortOpened, 1},
	{"setting up", ras.StateConnectDevice, 1},
	{"dialling", ras.StateConnectDevice, 2},
	{"answered", ras.StateDeviceConnected, 1},
	{"connected", ras.StateAllDevicesConnected, 1},
	{"login", ras.StateInteractive, 1},
	{"logged in", ras.StateConnected, 1},
}

// once returns a Config.OnState that calls f when the step is reached, and whether
// it has been.
func (s dialStep) once(f func()) (onState func(dialup.State), reached func() bool) {
	n := 0
	return func(st dialup.State) {
		if st.Conn == s.state {
			if n++; n == s.nth {
				f()
			}
		}
	}, func() bool { return n >= s.nth }
}

// TestNoCallIsLeft ends a dial in every state and in every way: no call is up
// afterwards, the port is closed and no goroutine is left (synctest fails on one).
func TestNoCallIsLeft(t *testing.T) {
	ways := []struct {
		name string
		end  func(x *exchange, cancel context.CancelFunc)
	}{
		{"cancel", func(x *exchange, cancel context.CancelFunc) { cancel() }},
		{"panic", func(*exchange, context.CancelFunc) { panic("broken") }},
		{"carrier", func(x *exchange, cancel context.CancelFunc) { x.modem.Drop() }},
	}
	for _, step := range dialSteps {
		for _, way := range ways {
			t.Run(step.name+" "+way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := newExchange(t, nil, nil)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					onState, reached := step.once(func() { way.end(x, cancel) })
					conn, err := dialOrPanic(ctx, entry(), &dialup.Config{Open: x.open, OnState: onState})
					if way.name == "panic" && err == nil {
						t.Error("the panic is lost")
					}
					if err == nil {
						if way.name == "carrier" && step.state == ras.StateConnected {
							<-conn.Done()
							wantErr(t, "Err", conn.Err(), port.ErrCarrierLost)
						}
						must(t, conn.Close())
					}
					if !reached() {
						t.Fatal("the state was not reached")
					}
					peertest.Pass(time.Minute)
					if x.modem.Connected() {
						t.Errorf("a call is up; Dial: %v", err)
					}
					if way.name == "cancel" && step.state != ras.StateConnected {
						wantErr(t, "Dial", err, context.Canceled)
					}
				})
			})
		}
	}
}

// dialOrPanic is Dial for a caller that recovers from a panic.
func dialOrPanic(ctx context.Context, e *dialup.Entry, cfg *dialup.Config) (c *dialup.Conn, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return dialup.Dial(ctx, e, cfg)
}

// TestFailedLogin hangs up and reports why.
func TestFailedLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, &scripttest.LoginConfig{Password: "other"})
		var seen states
		disconnected := false
		e := entry()
		e.Disconnect = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			disconnected = x.modem.Connected()
			return nil
		})
		_, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: x.open, OnState: seen.add})
		wantErr(t, "Dial", err, ras.ErrAuthenticationFailure)
		if x.modem.Connected() {
			t.Error("the call is up")
		}
		if !disconnected {
			t.Error("the disconnect script did not run while the call was up")
		}
		if st := seen.last(); st.Conn != ras.StateDisconnected || !errors.Is(st.Err, ras.ErrAuthenticationFailure) {
			t.Errorf("last state %+v", st)
		}
	})
}

// TestTimeout bounds the whole of Dial.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, &scripttest.LoginConfig{Silent: scripttest.StageName})
		e := entry()
		e.Timeout = 20 * time.Second
		start := time.Now()
		_, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: x.open})
		wantErr(t, "Dial", err, ras.ErrRequestTimeout)
		wantErr(t, "Dial", err, context.DeadlineExceeded)
		if took := time.Since(start); took < e.Timeout || took > e.Timeout+30*time.Second {
			t.Errorf("took %v", took)
		}
		if x.modem.Connected() {
			t.Error("the call is up")
		}
		near, _ := virtual.Pair()
		_, err = dialup.Dial(t.Context(), &dialup.Entry{Port: "dead", Script: script.Login(nil), Timeout: time.Second}, &dialup.Config{Open: openOf(near)})
		if wantErr(t, "Dial", err, ras.ErrRequestTimeout); err == nil || !strings.Contains(err.Error(), "nothing was received") {
			t.Errorf("a dead line: %v", err)
		}
	})
}

// TestBeforeAndDirect runs a line without a modem, with a script before and one
// after.
func TestBeforeAndDirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		var order []string
		step := func(name string) script.Executor {
			return script.ExecutorFunc(func(context.Context, *ras.Call) error { order = append(order, name); return nil })
		}
		e := &dialup.Entry{Port: "line", Before: step("before"), Script: step("script"), Disconnect: step("disconnect")}
		conn, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: x.open})
		must(t, err)
		must(t, conn.Close())
		if want := []string{"before", "script", "disconnect"}; !slices.Equal(order, want) {
			t.Errorf("ran %q, want %q", order, want)
		}
	})
}

// TestCancelWhileOpening has the code of a cancel.
func TestCancelWhileOpening(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := dialup.Dial(ctx, entry(), &dialup.Config{Open: func(ctx context.Context, name string, _ *portname.Config) (port.Port, error) {
		cancel()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}})
	wantErr(t, "Dial", err, ras.ErrUserDisconnection)
	wantErr(t, "Dial", err, context.Canceled)
}
