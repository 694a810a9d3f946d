package script_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// TestLoginPrompts holds what Login takes for prompts, as hosts have sent them.
func TestLoginPrompts(t *testing.T) {
	for _, v := range []struct{ name, prompt, answer string }{
		{"plain", "login: ", "guest\r"},
		{"no space", "Username:", "guest\r"},
		{"equals", "Userid= ", "guest\r"},
		{"XON", "login: \x11", "guest\r"},
		{"NUL", "login: \x00\x00", "guest\r"},
		{"bell", "login: \x07", "guest\r"},
		{"charset and colour", "login: \x1b(B\x1b[m", "guest\r"},
		{"title", "\x1b]0;host\x07login: ", "guest\r"},
		{"title behind", "login: \x1b]0;host\x07", "guest\r"},
		{"cursor put back", "\x1b7login: \x1b8", "guest\r"},
		{"backspace", "login:  \b", "guest\r"},
		{"a field", "login: [        ]\b\b\b\b\b\b\b\b\b", "guest\r"},
		{"mark parity", "\xec\xef\xe7\xe9\xee\xba\xa0", "guest\r"},
		{"even parity", "\x6c\x6f\xe7\x69\xee\x3a\xa0", "guest\r"},
		{"a word about passwords before", "Your password expires in 3 days. login: ", "guest\r"},
		{"password", "Password: ", "secret\r"},
		{"password for", "Password for averylongusername@host.example.com: ", "secret\r"},
		{"will not be echoed", "Enter Password (will not be echoed during entry): ", "secret\r"},
		{"possessive", "guest's password: ", "secret\r"},
	} {
		if answer := answerOfLogin(t, "\r\nhost\r\n"+v.prompt, nil); answer != v.answer {
			t.Errorf("%s: %q is answered with %q, want %q", v.name, v.prompt, answer, v.answer)
		}
	}
}

// answerOfLogin returns what Login answers to a text.
func answerOfLogin(t *testing.T, text string, passwordPrompts []string) (answer string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		got := make(chan string, 1)
		go func() {
			far.Write([]byte(text))
			far.SetReadDeadline(time.Now().Add(time.Second))
			b := make([]byte, 100)
			n, _ := far.Read(b)
			got <- string(b[:n])
		}()
		script.Run(t.Context(), near, script.Login(&script.LoginConfig{Timeout: 2 * time.Second, PasswordPrompts: passwordPrompts}),
			&script.Config{Params: &ras.DialParams{UserName: "guest", Password: "secret"}})
		answer = <-got
	})
	return answer
}

// TestLoginEnds holds how a login ends that PPP does not follow.
func TestLoginEnds(t *testing.T) {
	type exchange struct{ sends, expects string }
	for _, v := range []struct {
		name   string
		script []exchange
		params ras.DialParams
		cfg    script.LoginConfig
		want   ras.Code
		text   string // in the error
		within time.Duration
		guess  bool
	}{
		{name: "command prompt with XON", script: []exchange{{"Password: ", "secret\r"}, {"host> \x11", "ppp\r"}}, within: 10 * time.Second},
		{name: "command prompt in colour", script: []exchange{{"Password: ", "secret\r"}, {"\x1b[31mUS-475-ION-01#\x1b[0m  \x08", "ppp\r"}}, within: 10 * time.Second},
		{name: "a prompt with NUL", script: []exchange{{"Password: ", "secret\r"}, {"(Cisco)>\x00", "ppp\r"}}, within: 10 * time.Second},
		{name: "silence after the password", script: []exchange{{"Password: ", "secret\r"}, {"\r\nWelcome\r\n", ""}},
			want: ras.ErrRequestTimeout, text: "PPP after the login", within: time.Minute},
		{name: "silence, with hope", script: []exchange{{"Password: ", "secret\r"}, {"\r\nWelcome\r\n", ""}},
			cfg: script.LoginConfig{Hope: true}, within: 10 * time.Second, guess: true},
		{name: "announced", script: []exchange{{"Password: ", "secret\r"}, {"\r\nEntering PPP mode.\r\nYour IP address is 192.0.2.1\r\n", ""}}, within: 10 * time.Second},
		{name: "refused, then silence", script: []exchange{{"Password: ", "secret\r"}, {"\r\nLogin incorrect\r\n", ""}},
			want: ras.ErrAuthenticationFailure, text: "Login incorrect", within: 10 * time.Second},
		{name: "refused before", script: []exchange{{"Password: ", "secret\r"},
			{"\r\nLast failed login: Mon Jun 1 on tty1\r\nThere was 1 failed login attempt since the last successful login.\r\n$ ", "ppp\r"}}, within: 10 * time.Second},
		{name: "a menu that begins with an entry", script: []exchange{{"Password: ", "secret\r"}, {"1) PPP\r\n> ", "1\r"}, {"~\xff}#", ""}}, within: 10 * time.Second},
		{name: "dead line", want: ras.ErrRequestTimeout, text: "nothing was received", within: time.Minute},
		{name: "a name with a line in it", params: ras.DialParams{UserName: "joe\rreboot", Password: "secret"},
			script: []exchange{{"login: ", ""}}, want: ras.ErrInvalidParameter, text: "control character", within: time.Second},
		{name: "a password with a line in it", params: ras.DialParams{UserName: "joe", Password: "sec\nret"},
			want: ras.ErrInvalidParameter, text: "control character", within: time.Second},
		{name: "no password needed", params: ras.DialParams{UserName: "guest", NoPassword: true},
			script: []exchange{{"Password: ", "\r"}, {"~\xff}#", ""}}, within: 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			go func() {
				far.SetReadDeadline(time.Now().Add(time.Hour))
				for _, x := range v.script {
					far.Write([]byte(x.sends))
					got := make([]byte, len(x.expects))
					if _, err := io.ReadFull(far, got); err != nil {
						return
					}
					if string(got) != x.expects {
						t.Errorf("%s: after %q the peer received %q, want %q", v.name, x.sends, got, x.expects)
					}
				}
			}()
			params := v.params
			if params == (ras.DialParams{}) {
				params = ras.DialParams{UserName: "guest", Password: "secret"}
			}
			start := time.Now()
			res, err := script.Run(t.Context(), near, script.Login(&v.cfg), &script.Config{Params: &params})
			if took := time.Since(start); took > v.within || ras.CodeOf(err) != v.want || v.text != "" && !strings.Contains(fmt.Sprint(err), v.text) {
				t.Errorf("%s: after %v: %v, want code %d and %q within %v", v.name, took, err, v.want, v.text, v.within)
			}
			if res.Guessed != v.guess {
				t.Errorf("%s: guessed %v", v.name, res.Guessed)
			}
			near.Close()
		})
	}
}

// TestLoginGivesUp holds that two machines do not prompt and answer for ever.
func TestLoginGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		prompts := 0
		go func() {
			b := make([]byte, 100)
			for {
				prompts++
				if _, err := far.Write([]byte("\r\nlogin: ")); err != nil {
					return
				}
				if _, err := far.Read(b); err != nil {
					return
				}
			}
		}()
		_, err := script.Run(t.Context(), near, script.Login(nil), &script.Config{Params: &ras.DialParams{UserName: "joe", Password: "sesame"}})
		if !errors.Is(err, ras.ErrAuthenticationFailure) || prompts > 12 {
			t.Errorf("after %d prompts: %v", prompts, err)
		}
		near.Close()
	})
}

// TestLoginTexts answers prompts of the caller's own, and a command prompt with
// the caller's own reply.
func TestLoginTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, far := virtual.Pair()
		defer p.Close()
		host := scripttest.NewLogin(far, &scripttest.LoginConfig{
			NamePrompt: "Identificacion: ", PasswordPrompt: "Clave de acceso? ", ServicePrompt: "router$ ", Menu: []string{"network", "PPP"},
		})
		defer host.Close()
		_, err := script.Run(t.Context(), p, script.Login(&script.LoginConfig{
			NamePrompts: []string{"IDENTIFICACION"}, PasswordPrompts: []string{"acceso"}, DefaultReply: "ppp default",
			Timeout: 20 * time.Second,
		}), &script.Config{Params: &ras.DialParams{UserName: "guest", Password: "secret"}})
		if !host.LoggedIn() {
			t.Errorf("not logged in: %v", err)
		}
	})
}

// TestLoginTextsOfEightBits answers prompts of the caller's own in other languages.
func TestLoginTextsOfEightBits(t *testing.T) {
	for _, v := range []struct{ prompt, text string }{
		{"Contraseña: ", "contraseña:"},
		{"LÖSENORD: ", "lösenord"},
		{"Пароль: ", "пароль"},
		{"密码：", "密码："},
		{"\x1b[1mHasło>\x1b[0m ", "Hasło"},
		{"Contrase\xf1a: ", "contrase\xf1a"}, // ISO 8859-1
		{"\xc3la\xf6e:\xa0", "Clave"},        // parity
	} {
		if answer := answerOfLogin(t, "\r\nhôte\r\n"+v.prompt, []string{v.text}); answer != "secret\r" {
			t.Errorf("%q is answered with %q", v.prompt, answer)
		}
	}
}
