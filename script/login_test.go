package script_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

func TestLoginFindsItsWay(t *testing.T) {
	tests := []struct {
		name   string
		host   scripttest.LoginConfig
		user   string
		hope   bool
		want   ras.Code
		within time.Duration
	}{
		{name: "plain host", within: 5 * time.Second},
		{name: "host that wants Enter", host: scripttest.LoginConfig{Wake: "\r"}, within: 10 * time.Second},
		{name: "numbered menu", host: scripttest.LoginConfig{Menu: []string{"Telnet", "PPP", "Quit"}}, within: 5 * time.Second},
		{name: "command prompt", host: scripttest.LoginConfig{ServicePrompt: "ts1> "}, within: 5 * time.Second},
		{name: "slow and talkative", host: scripttest.LoginConfig{PerByte: 20 * time.Millisecond, Banner: strings.Repeat("motd line: read this\r\n", 20)}, within: 30 * time.Second},
		{name: "noise before prompts", host: scripttest.LoginConfig{Noise: 40, Seed: 7, Junk: "\x1b[2J\r\n"}, within: 10 * time.Second},
		{name: "last login in the welcome", hope: true, host: scripttest.LoginConfig{Welcome: "\r\nLast login: Mon Nov 22\r\n", Frame: []byte{}}, within: 20 * time.Second},
		{name: "password echoed", host: scripttest.LoginConfig{Echo: scripttest.EchoAll}, within: 5 * time.Second},
		{name: "other words", host: scripttest.LoginConfig{NamePrompt: "Username> ", PasswordPrompt: "Enter passcode: "}, within: 5 * time.Second},
		{name: "wrong password", user: "joe", want: ras.ErrAuthenticationFailure, within: 5 * time.Second},
		{name: "wrong password, host hangs up", user: "joe", host: scripttest.LoginConfig{Attempts: 1}, want: ras.ErrAuthenticationFailure, within: 5 * time.Second},
		{name: "hang up at the password", host: scripttest.LoginConfig{HangUp: scripttest.StagePassword}, want: ras.ErrRemoteDisconnection, within: 5 * time.Second},
		{name: "silence", host: scripttest.LoginConfig{Silent: scripttest.StageConnect}, want: ras.ErrRequestTimeout, within: time.Minute},
		{name: "silence after the name", host: scripttest.LoginConfig{Silent: scripttest.StagePassword}, want: ras.ErrRequestTimeout, within: time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				host := scripttest.NewLogin(far, &tt.host)
				defer host.Close()
				params := &ras.DialParams{UserName: "guest", Password: "secret"}
				if tt.user != "" {
					params.UserName = tt.user
				}
				start := time.Now()
				res, err := script.Run(t.Context(), near, script.Login(&script.LoginConfig{Hope: tt.hope}), &script.Config{Params: params})
				if got := ras.CodeOf(err); got != tt.want {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if got := time.Since(start); got > tt.within {
					t.Errorf("took %v, want at most %v", got, tt.within)
				}
				if err != nil {
					return
				}
				if !host.LoggedIn() {
					t.Error("Login returned nil without having logged in")
				}
				if tt.host.Frame == nil {
					gotFrame(t, res)
				}
			})
		})
	}
}

// gotFrame checks that the first PPP frame is there for the next reader.
func gotFrame(t *testing.T, res *script.Result) {
	t.Helper()
	want := scripttest.PPPFrame()
	p := res.Port()
	p.SetReadDeadline(time.Now().Add(time.Minute))
	got := make([]byte, 0, len(want))
	for len(got) < len(want) {
		n, err := p.Read(got[len(got):cap(got)])
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = got[:len(got)+n]
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the next reader gets %q, want the frame %q", got, want)
	}
}

// TestLoginExact holds that a port that is handed on keeps the frame but for the
// flag that opens it.
func TestLoginExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		host := scripttest.NewLogin(far, nil)
		defer host.Close()
		params := &ras.DialParams{UserName: "guest", Password: "secret"}
		res, err := script.Run(t.Context(), near, script.Login(nil), &script.Config{Params: params, Exact: true})
		if err != nil || len(res.Unread) != 0 {
			t.Fatalf("got %q, %v", res.Unread, err)
		}
		got := make([]byte, 100)
		n, err := near.Read(got)
		if want := scripttest.PPPFrame(); err != nil || !bytes.HasSuffix(want, got[:n]) || n < len(want)-1 {
			t.Errorf("the port holds %q (%v), want all of %q but the flag", got[:n], err, want)
		}
	})
}

func TestLoginWithoutCredentials(t *testing.T) {
	for what, params := range map[string]*ras.DialParams{"user name": {}, "password": {UserName: "guest"}} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			host := scripttest.NewLogin(far, nil)
			defer host.Close()
			_, err := script.Run(t.Context(), near, script.Login(nil), &script.Config{Params: params})
			if !errors.Is(err, ras.ErrInvalidParameter) || !strings.Contains(fmt.Sprint(err), "asks for a "+what) {
				t.Errorf("without a %s: %v", what, err)
			}
		})
	}
}
