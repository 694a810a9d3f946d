package switchinf_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/switchinf"
)

const oneStep = "[x]\nCOMMAND=<username><cr>\nOK=<match>\"ok\"\n"

func compile(t testing.TB, name, src string, cfg *switchinf.Config) script.Executor {
	t.Helper()
	f, err := switchinf.Parse(name, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Executor(f.Sections()[0].Name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func guest() *script.Config {
	return &script.Config{Params: &ras.DialParams{UserName: "guest", Password: "hunter2"}}
}

// inBubble calls f on a pair of ports on fake time.
func inBubble(t *testing.T, f func(t *testing.T, near, far *virtual.Port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		f(t, near, far)
	})
}

func wantFailure(t *testing.T, err error, code ras.Code, text string) *switchinf.Error {
	t.Helper()
	var e *switchinf.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want a *switchinf.Error", err, err)
	}
	if ras.CodeOf(err) != code || !errors.Is(err, code) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, code %v; want %v, a text with %q", err, ras.CodeOf(err), code, text)
	}
	return e
}

func TestMissingValuesFailBeforeAnythingIsSent(t *testing.T) {
	tests := []struct {
		name, file, src string
		params          *ras.DialParams
		text            string
	}{
		{"user name", "switch.inf", "[x]\nCOMMAND=hello<cr>\nNoResponse\nCOMMAND=\nNoResponse\nCOMMAND=<username>\n",
			&ras.DialParams{Password: "p"}, "switch.inf:6: [x]: the script sends <username>: a user name is needed"},
		{"no parameters at all", "switch.inf", "[x]\nCOMMAND=hello<cr>\nNoResponse\nCOMMAND=<username>\n", nil, "a user name is needed"},
		{"password", "switch.inf", "[x]\nCOMMAND=<username><cr>\nNoResponse\nCOMMAND=<password><cr>\n", &ras.DialParams{UserName: "joe"}, "switch.inf:4: [x]: the script sends <password>: a password is needed"},
		{"X.25 address", "pad.inf", "[x]\nCOMMAND=hello<cr>\nNoResponse\nCOMMAND=<x25address>\n", &ras.DialParams{}, "the script sends <x25address>: a phone number is needed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *virtual.Port) {
				res, err := script.Run(t.Context(), near, compile(t, tt.file, tt.src, nil), &script.Config{Params: tt.params})
				wantFailure(t, err, ras.ErrInvalidParameter, tt.text)
				if sent := rest(far); sent != "" || res.Duration != 0 {
					t.Errorf("sent %q in %v before the failure, want nothing", sent, res.Duration)
				}
			})
		})
	}
}

func TestX25Fields(t *testing.T) {
	const src = "[x]\nCOMMAND=<facilities>-<x25address>*D<userdata><cr>\nNoResponse\n"
	for _, tt := range []struct {
		cfg  switchinf.Config
		want string
	}{
		{switchinf.Config{}, "-555*D\r"},
		{switchinf.Config{X25Address: "<cr>", UserData: "u", Facilities: "f"}, "f-<cr>*Du\r"},
	} {
		inBubble(t, func(t *testing.T, near, far *virtual.Port) {
			_, err := script.Run(t.Context(), near, compile(t, "pad.inf", src, &tt.cfg), &script.Config{Params: &ras.DialParams{PhoneNumber: "555"}})
			if got := rest(far); got != tt.want || err != nil {
				t.Errorf("sent %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestTimesCanBeSet(t *testing.T) {
	const src = "[x]\nCOMMAND=\nNoResponse\nCOMMAND=a\nOK=<ignore>\nCOMMAND=b<cr>\nOK=never\n"
	tests := []struct {
		name string
		cfg  switchinf.Config
		want time.Duration
	}{
		{"the usual", switchinf.Config{}, 63*time.Second + 500*time.Millisecond},
		{"other", switchinf.Config{EmptyPause: time.Second, SendPause: time.Minute, Quiet: 7 * time.Second, Timeout: 9 * time.Second}, 77 * time.Second},
		{"no pauses", switchinf.Config{EmptyPause: -1, SendPause: -1, Timeout: 2 * time.Second}, 3 * time.Second},
		{"no silence is awaited", switchinf.Config{EmptyPause: -1, SendPause: -1, Quiet: -1, Timeout: 2 * time.Second}, 2001 * time.Millisecond},
	}
	for _, tt := range tests {
		inBubble(t, func(t *testing.T, near, far *virtual.Port) {
			io.WriteString(far, "noise")
			res, err := script.Run(t.Context(), near, compile(t, "switch.inf", src, &tt.cfg), nil)
			wantFailure(t, err, ras.ErrRequestTimeout, "no expected response")
			if res.Duration != tt.want || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v after %v, want a timeout after %v", tt.name, err, res.Duration, tt.want)
			}
		})
	}
}

func TestNoLimitAtAll(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		time.AfterFunc(100*time.Hour, func() { io.WriteString(far, "ok") })
		res, err := script.Run(t.Context(), near, compile(t, "switch.inf", oneStep, &switchinf.Config{Timeout: -1}), guest())
		if err != nil || res.Duration != 100*time.Hour {
			t.Errorf("%v after %v, want success after 100 hours", err, res.Duration)
		}
	})
}

func TestCancelEndsEveryStepAtOnce(t *testing.T) {
	tests := []struct{ name, src string }{
		{"pause of an empty command", "[x]\nCOMMAND=\nCOMMAND=\n"},
		{"pause after a command", "[x]\nCOMMAND=a\nCOMMAND=\n"},
		{"wait", oneStep},
		{"wait for quiet", "[x]\nCOMMAND=a<cr>\nOK=<ignore>\n"},
		{"send", "[x]\nCOMMAND=" + strings.Repeat("a", 10000) + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *virtual.Port) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
				res, err := script.Run(ctx, near, compile(t, "switch.inf", tt.src, nil), guest())
				wantFailure(t, err, ras.ErrUserDisconnection, "switch.inf:2: [x]:")
				if res.Duration != 100*time.Millisecond || !errors.Is(err, context.Canceled) {
					t.Errorf("%v after %v, want a cancel after 100ms", err, res.Duration)
				}
			})
		})
	}
}

func TestLimitOfTheWholeRun(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		cfg := guest()
		cfg.Timeout = 5 * time.Second
		res, err := script.Run(t.Context(), near, compile(t, "switch.inf", oneStep, nil), cfg)
		wantFailure(t, err, ras.ErrRequestTimeout, "5s")
		if res.Duration != 5*time.Second {
			t.Errorf("took %v, want 5s", res.Duration)
		}
	})
}

func TestEndsOfTheLine(t *testing.T) {
	tests := []struct {
		name string
		end  func(near, far *virtual.Port)

		code  ras.Code
		cause error
	}{
		{"carrier", func(_, far *virtual.Port) { far.HangUp() }, ras.ErrNoCarrier, port.ErrCarrierLost},
		{"far end closed", func(_, far *virtual.Port) { far.Close() }, ras.ErrNoCarrier, port.ErrCarrierLost},
		{"removed", func(near, _ *virtual.Port) { near.Unplug() }, ras.ErrHardwareFailure, port.ErrRemoved},
		{"closed by us", func(near, _ *virtual.Port) { near.Close() }, ras.ErrPortDisconnected, net.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *virtual.Port) {
				io.WriteString(far, "half of a banner")
				time.AfterFunc(time.Second, func() { tt.end(near, far) })
				_, err := script.Run(t.Context(), near, compile(t, "switch.inf", oneStep, nil), guest())
				e := wantFailure(t, err, tt.code, "switch.inf:2: [x]:")
				if !errors.Is(err, tt.cause) || !strings.Contains("half of a banner", e.Tail) || e.Tail == "" {
					t.Errorf("error %v with tail %q, want the cause %v and the banner", err, e.Tail, tt.cause)
				}
			})
		})
	}
}

func TestDeviceLog(t *testing.T) {
	const src = "[x]\nCOMMAND=<lf>\nNoResponse\nCOMMAND=u <username> <password> <h01><cr>\nLOOP=<match>\"!\"\nOK=<match>\"ok\"\n"
	const want = `Remote Access Service Device Log 01/01/2000 00:00:00
----------------------------------------------------
Port:1 Command to Device:<lf>
Port:1 Command to Device:u guest <password> <h01><cr>
Port:1 Echo from Device :u guest <password> <h01><cr>
Port:1 Response from Device:you sent <password>!
Port:1 Response from Device:<cr><lf>ok
Port:1 Command to Device:<lf>
Port:1 Command to Device:u guest <password> <h01><cr>
Port:1 Echo from Device :u guest <password>
Port:1 Response from Device:<h7F>ok
`
	var out bytes.Buffer
	log := switchinf.NewDeviceLog(&out)
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		e := compile(t, "switch.inf", src, &switchinf.Config{DeviceLog: log, PortName: "1"})
		for _, answer := range []string{"u guest hunter2 \x01\r\nyou sent hunter2!\r\nok", "u guest hu\x7Fok"} {
			io.WriteString(far, answer)
			if _, err := script.Run(t.Context(), near, e, guest()); err != nil {
				t.Error(err)
			}
		}
	})
	if got := strings.ReplaceAll(out.String(), "\r\n", "\n"); got != want {
		t.Errorf("log\n%s\nwant\n%s", got, want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestScriptsGoOnWithoutALog(t *testing.T) {
	log := switchinf.NewDeviceLog(brokenWriter{})
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		io.WriteString(far, "ok")
		_, err := script.Run(t.Context(), near, compile(t, "switch.inf", oneStep, &switchinf.Config{DeviceLog: log}), guest())
		if err != nil || log.Err() != io.ErrShortWrite {
			t.Errorf("%v, and the log's error is %v; want success and %v", err, log.Err(), io.ErrShortWrite)
		}
	})
}

func TestPasswordShowsNowhere(t *testing.T) {
	const src = "[x]\nCOMMAND=<password><cr>\nERROR_DIAGNOSTICS=<diagnostics>\nOK=never\n"
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		io.WriteString(far, "hunter2\r\nyou sent hunter2, HUNTER2 and hunt")
		var out bytes.Buffer
		var term terminal
		cfg := guest()
		cfg.Terminal = &term
		e := compile(t, "switch.inf", src, &switchinf.Config{DeviceLog: switchinf.NewDeviceLog(&out), Log: debugLog(&out)})
		_, err := script.Run(t.Context(), near, e, cfg)
		got := strings.ToLower(out.String() + term.String() + err.Error() + wantFailure(t, err, ras.ErrFromDevice, "you sent").Diagnostics)
		if strings.Contains(got, "hunt") {
			t.Errorf("the password shows: %s", got)
		}
	})
}

// An echo that continues after a wrong character is dropped up to there, and the rest
// is hidden in the response as well.
func TestRestOfAnEchoShowsNowhere(t *testing.T) {
	const src = "[x]\nCOMMAND=<password><cr>\nERROR_DIAGNOSTICS=%s<diagnostics>\nOK=never\n"
	for _, echo := range []string{"Xy7Qz?9kLm", "Xy7QzWW\b9kLm", "Xy7Qz\r\nW9kLm", "Xy7QzW9k"} {
		for _, before := range []string{"", "never"} {
			inBubble(t, func(t *testing.T, near, far *virtual.Port) {
				io.WriteString(far, echo+"\r\nBad password Xy7QzW9kLm!\r\n")
				var out bytes.Buffer
				cfg := &script.Config{Params: &ras.DialParams{UserName: "guest", Password: "Xy7QzW9kLm"}, Timeout: time.Minute}
				e := compile(t, "switch.inf", fmt.Sprintf(src, before), &switchinf.Config{DeviceLog: switchinf.NewDeviceLog(&out), Log: debugLog(&out)})
				_, err := script.Run(t.Context(), near, e, cfg)
				if got := out.String() + fmt.Sprint(err); regexp.MustCompile("9kL|7Qz").MatchString(got) || !strings.Contains(got, "Bad password") {
					t.Errorf("%q: the password shows, or nothing does: %s", echo, got)
				}
			})
		}
	}
}

func TestNoTerminalIsNoFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		go io.WriteString(far, "no luck\r\n"+strings.Repeat("x", 1<<17))
		_, err := script.Run(t.Context(), near, compile(t, "switch.inf", "[x]\nCOMMAND=<cr>\nERROR_DIAGNOSTICS=no<diagnostics>\n", nil), nil)
		e := wantFailure(t, err, ras.ErrFromDevice, "switch.inf:3: [x]: the device refused")
		if len(e.Diagnostics) > 1<<16 || len(e.Error()) > 1000 {
			t.Errorf("%d bytes of diagnostics, %d of the message: want them bounded", len(e.Diagnostics), len(e.Error()))
		}
	})
}

func TestSequenceSharesTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		io.WriteString(far, "ok and ok and frame")
		e := compile(t, "switch.inf", oneStep, nil)
		res, err := script.Run(t.Context(), near, script.Sequence(e, e), guest())
		if err != nil || string(res.Unread) != " and frame" || res.Leaks != 0 {
			t.Errorf("%v, unread %q, %d leaks; want success and %q", err, res.Unread, res.Leaks, " and frame")
		}
	})
}

func TestOneExecutorManyRuns(t *testing.T) {
	e := compile(t, "switch.inf", oneStep, &switchinf.Config{DeviceLog: switchinf.NewDeviceLog(io.Discard)})
	synctest.Test(t, func(t *testing.T) {
		var runs sync.WaitGroup
		for range 20 {
			runs.Go(func() {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				io.WriteString(far, "is it ok?")
				if _, err := script.Run(t.Context(), near, e, guest()); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
	})
}
