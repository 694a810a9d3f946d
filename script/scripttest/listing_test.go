package scripttest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// checkListing looks for a secret in what a transcript prints under every verb.
func checkListing(t *testing.T, name string, log *Transcript, secret string) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		text := fmt.Sprintf(verb, log)
		if piece := echo.Leak(text, secret); piece != "" {
			t.Errorf("%s, %s: the listing shows %q:\n%s", name, verb, piece, log)
			return
		}
	}
}

// No stage of a login shows the password that is typed at it, right or wrong,
// typed ahead or asked for.
func TestListingHidesPasswordsAtEveryStage(t *testing.T) {
	for stage := StageNone; stage <= StagePPP; stage++ {
		for _, cfg := range []LoginConfig{{Silent: stage}, {HangUp: stage}, {Silent: stage, Wake: "\r", Echo: EchoAll}, {Silent: stage, Menu: []string{"PPP"}, Echo: EchoStars}} {
			for _, password := range []string{"secret-1", "mistaken9"} {
				name := fmt.Sprintf("silent %v, hang-up %v, echo %v, password %s", cfg.Silent, cfg.HangUp, cfg.Echo, password)
				onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
					cfg := cfg
					cfg.Password = "secret-1"
					l := NewLogin(far, &cfg)
					defer l.Close()
					synctest.Wait()
					typed := "guest\r" + password + "\r"
					if cfg.Wake != "" {
						typed = cfg.Wake + typed
					}
					near.port.Write([]byte(typed))
					synctest.Wait()
					peertest.Pass(time.Minute)
					if password == "mistaken9" && l.Stage() < StagePassword {
						return // no sign that it is a password
					}
					checkListing(t, name, l.Transcript(), password)
					if text := fmt.Sprintf("%v %+v %#v %s %d", l, l, l, l, l); echo.Leak(text, password) != "" || strings.Contains(text, "secret") {
						t.Errorf("%s: a Login prints %s", name, text)
					}
					if got := string(l.Transcript().Received()); cfg.HangUp == StageNone && got != typed {
						t.Errorf("%s: received %q, want it as it was", name, got)
					}
				})
			}
		}
	}
}

// A script that is out of step types the password at the name prompt.
func TestListingHidesThePasswordAtTheNamePrompt(t *testing.T) {
	for _, password := range []string{"secret", "abc", "k7#Q"} {
		onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
			l := NewLogin(far, &LoginConfig{Password: ras.Secret(password)})
			defer l.Close()
			near.await(time.Second, "login: ")
			for _, c := range "\rguest\r" + password + "\r" {
				near.send(string(c))
				peertest.Pass(10 * time.Millisecond)
			}
			near.await(time.Second, "\r\nPassword: ")
			checkListing(t, password, l.Transcript(), password)
			if text := l.Transcript().String(); !strings.Contains(text, "***") || !strings.Contains(text, "Login incorrect") {
				t.Errorf("the listing lacks something:\n%s", text)
			}
		})
	}
}

// A short password is hidden where it was typed and in its echo, nowhere else.
func TestListingHidesShortPasswordsInTheirEchoAlone(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		l := NewLogin(far, &LoginConfig{User: "a1-user", Password: "a1", Echo: EchoAll, Welcome: "\r\nroom a1\r\n"})
		defer l.Close()
		near.await(time.Second, "login: ")
		near.send("a1-user\ra1\r")
		near.await(time.Second, string(PPPFrame()))
		text := l.Transcript().String()
		if strings.Count(text, "room a1") != 1 || strings.Count(text, `> "1"`) != 1 || strings.Count(text, `> "***"`) != 1 || strings.Count(text, `< "***"`) != 1 {
			t.Errorf("the listing hides too much or too little:\n%s", text)
		}
	})
}

// Every echo of a password is hidden, sent or received, whatever the stage.
func TestListingHidesEveryEcho(t *testing.T) {
	secrets := echo.Secrets
	if testing.Short() {
		secrets = secrets[:1]
	}
	for _, password := range secrets {
		for _, e := range echo.Of(password) {
			for _, received := range []bool{false, true} {
				name := fmt.Sprintf("secret of %d bytes, %s, received %v", len(password), e.Name, received)
				onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
					cfg := &LoginConfig{Password: ras.Secret(password), PerByte: max(0, e.Pause)}
					if !received {
						cfg.Welcome = "\r\n" + string(e.Bytes) + "\r\n"
					}
					l := NewLogin(far, cfg)
					defer l.Close()
					near.await(time.Hour, "login: ")
					if received {
						for _, c := range e.Bytes {
							near.send(string([]byte{c}))
							peertest.Pass(max(0, e.Pause))
						}
					} else {
						near.send("guest\r")
						near.await(time.Hour, "Password: ")
						near.send(password + "\r")
						near.await(time.Hour, string(PPPFrame()))
					}
					synctest.Wait()
					checkListing(t, name, l.Transcript(), password)
				})
			}
		}
	}
}

// What passes through a modem is counted, commands and results are shown.
func TestListingOfAModemCountsData(t *testing.T) {
	for _, show := range []bool{false, true} {
		onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
			inside, outside := virtual.Pair()
			host := NewLogin(outside, &LoginConfig{Echo: EchoAll})
			defer host.Close()
			m := NewModem(far, &ModemConfig{ShowData: show, Profile: "S12=5", Numbers: map[string]Answer{"1": {Far: inside}}})
			defer m.Close()
			near.send("ATD1\r")
			near.await(time.Second, "login: ")
			near.send("guest\r")
			near.await(time.Second, "Password: ")
			near.send("secret\r")
			near.await(time.Second, string(PPPFrame()))
			peertest.Pass(time.Second)
			near.send("+++")
			near.await(time.Second, "\r\nOK\r\n")
			near.send("ATH\r")
			near.await(time.Second, "\r\nOK\r\n")
			text := m.Transcript().String()
			for _, want := range []string{`> "ATD1\r"`, `CONNECT 115200\r\n`, `> "+++"`, `"ATH\r"`, `OK\r\n"`} {
				if !strings.Contains(text, want) {
					t.Errorf("the listing lacks %s:\n%s", want, text)
				}
			}
			for _, hidden := range []string{"secret", "guest", "login:", "Password"} {
				if strings.Contains(text, hidden) != show {
					t.Errorf("ShowData %v: %q in the listing %v:\n%s", show, hidden, !show, text)
				}
			}
			if !show && (!strings.Contains(text, "> 7 bytes\n") || !strings.Contains(text, "< ")) {
				t.Errorf("the listing does not count:\n%s", text)
			}
			if got := string(m.Transcript().Received()); !strings.Contains(got, "secret\r") {
				t.Errorf("received %q, want the bytes as they were", got)
			}
			if text := fmt.Sprintf("%v %+v %#v", m, m, m); strings.Contains(text, "secret") {
				t.Errorf("a Modem prints %s", text)
			}
		})
	}
}

// A script that has lost its call types the password at the modem.
func TestListingOfAModemHidesWhatIsNoCommand(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m := NewModem(far, nil)
		defer m.Close()
		near.send("guest\rsecret\rATI3\r")
		near.await(time.Second, "OK\r\n")
		text := m.Transcript().String()
		if strings.Contains(text, "guest") || strings.Contains(text, "secret") || !strings.Contains(text, `ATI3\r`) || !strings.Contains(text, "rasline test modem") {
			t.Errorf("the listing:\n%s", text)
		}
	})
}

// The PIN of a SIM is in no listing of the modem that receives it.
func TestListingOfAModemHidesPINs(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m := NewModem(far, &ModemConfig{Obey: func(string) (string, string, bool) { return "", "OK", true }, ShowData: true})
		defer m.Close()
		for _, command := range []string{`+CPIN="4711"`, `+cpin = 4711`, `+CLCK="SC",1,"4711"`, `+CPWD="SC","4711","4711"`, `E1;+CPIN="4711";+CSQ`} {
			near.send("AT" + command + "\r")
			near.await(time.Second, "OK\r\n")
		}
		text := m.Transcript().String()
		if strings.Contains(text, "4711") || strings.Count(strings.ToUpper(text), "+CPIN") != 6 || strings.Count(text, "+CSQ") != 2 {
			t.Errorf("the listing:\n%s", text)
		}
	})
}
