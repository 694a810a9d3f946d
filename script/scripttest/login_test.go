package scripttest

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// step is one exchange: send a text, then wait for another.
type step struct{ send, await string }

func TestLogin(t *testing.T) {
	frame := string(PPPFrame())
	tests := []struct {
		name     string
		cfg      *LoginConfig
		steps    []step
		stage    Stage
		loggedIn bool
	}{
		{"defaults", nil, []step{
			{"", "login: "}, {"guest\r", "guest\r\nPassword: "}, {"secret\r", "\r\nWelcome.\r\n" + frame},
		}, StagePPP, true},
		{"line ends", nil, []step{
			{"", "login: "}, {"guest\r\n", "Password: "}, {"secret\n", frame},
		}, StagePPP, true},
		{"typing mistakes", nil, []step{
			{"", "login: "}, {"\bgx\bues\x7Fst\r", "gx\b \bues\b \bst\r\nPassword: "}, {"secret\r", frame},
		}, StagePPP, true},
		{"second attempt", nil, []step{
			{"", "login: "}, {"guest\rwrong\r", "\r\nLogin incorrect\r\nlogin: "}, {"guest\rsecret\r", frame},
		}, StagePPP, true},
		{"other texts", &LoginConfig{
			User: "u", Password: "p", Banner: "HI ", NamePrompt: "User?", PasswordPrompt: "Pass?",
			Welcome: " in ", Frame: []byte("~frame~"),
		}, []step{{"", "HI User?"}, {"u\r", "u\r\nPass?"}, {"p\r", "\r\n in ~frame~"}}, StagePPP, true},
		{"wake", &LoginConfig{Wake: "\r"}, []step{{"\r", "login: "}, {"guest\rsecret\r", frame}}, StagePPP, true},
		{"menu by number", &LoginConfig{Menu: []string{"Telnet", "PPP"}}, []step{
			{"", "login: "},
			{"guest\rsecret\r", "  1) Telnet\r\n  2) PPP\r\nYour choice: "},
			{"1\r", "Telnet: not available here\r\nYour choice: "},
			{"2\r", "Starting PPP.\r\n" + frame},
		}, StagePPP, true},
		{"menu by name", &LoginConfig{Menu: []string{"PPP"}}, []step{
			{"", "login: "}, {"guest\rsecret\r", "Your choice: "}, {"ppp\r", frame},
		}, StagePPP, true},
		{"command line", &LoginConfig{ServicePrompt: "router>"}, []step{
			{"", "login: "}, {"guest\rsecret\r", "router>"}, {"help\r", "help: not available here\r\nrouter>"},
			{"\r", "router>"}, {"PPP\r", frame},
		}, StagePPP, true},
		{"echo of everything", &LoginConfig{Echo: EchoAll}, []step{
			{"", "login: "}, {"guest\r", "guest\r\nPassword: "}, {"secret\r", "secret\r\n"},
		}, StagePPP, true},
		{"echo of stars", &LoginConfig{Echo: EchoStars}, []step{
			{"", "login: "}, {"guest\r", "Password: "}, {"se\bcret\r", "**\b \b****\r\n\r\nLogin incorrect"},
		}, StageName, false},
		{"no echo", &LoginConfig{Echo: EchoNone}, []step{
			{"", "login: "}, {"guest\r", "Password: "},
		}, StagePassword, false},
		{"junk", &LoginConfig{Junk: "\r\nWelcome to host, last login: never\r\n"}, []step{
			{"", "last login: never\r\nlogin: "}, {"guest\r", "never\r\nPassword: "},
		}, StagePassword, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				l := NewLogin(far, tt.cfg)
				defer l.Close()
				for _, s := range tt.steps {
					near.send(s.send)
					near.await(time.Second, s.await)
				}
				near.hearNothingElse()
				if l.Stage() != tt.stage || l.LoggedIn() != tt.loggedIn {
					t.Errorf("stage %v, logged in %v; want %v, %v", l.Stage(), l.LoggedIn(), tt.stage, tt.loggedIn)
				}
			})
		})
	}
}

// hearNothingElse lets a second of silence pass, or whatever the peer sends.
func (n *terminal) hearNothingElse() {
	n.port.SetReadDeadline(time.Now().Add(time.Second))
	for n.read() == nil {
	}
}

func TestLoginHangsUp(t *testing.T) {
	tests := []struct {
		stage Stage
		want  string // the end of what is sent before the line goes
	}{
		{StageConnect, ""},
		{StageName, "login: "},
		{StagePassword, "Password: "},
		{StageCheck, "Password: \r\n"},
		{StageService, "Your choice: "},
		{StagePPP, string(PPPFrame())},
	}
	for _, tt := range tests {
		t.Run(tt.stage.String(), func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				l := NewLogin(far, &LoginConfig{HangUp: tt.stage, Menu: []string{"PPP"}})
				defer l.Close()
				near.port.Write([]byte("guest\rsecret\r1\r"))
				near.awaitEnd(time.Minute)
				if sent := l.Transcript().Sent(); !strings.HasSuffix(string(sent), tt.want) || (tt.want == "") != (len(sent) == 0) {
					t.Errorf("sent %q, want it to end with %q", sent, tt.want)
				}
				if l.Stage() != tt.stage || l.Err() != nil {
					t.Errorf("stage %v, %v; want %v and no error", l.Stage(), l.Err(), tt.stage)
				}
			})
		})
	}
}

func TestLoginFallsSilent(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		l := NewLogin(far, &LoginConfig{Silent: StagePassword})
		defer l.Close()
		near.await(time.Second, "login: ")
		near.send("guest\r")
		near.await(time.Second, "Password: ")
		near.send("secret\r")
		near.hear(time.Hour, "")
		if got := l.Transcript().Received(); string(got) != "guest\rsecret\r" {
			t.Errorf("received %q, want what was sent to it", got)
		}
	})
}

func TestLoginHangsUpAfterTheLastAttempt(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		l := NewLogin(far, &LoginConfig{Attempts: 2})
		defer l.Close()
		near.send("a\rb\rc\rd\r")
		near.awaitEnd(time.Second)
		if n := strings.Count(string(near.got), "Login incorrect"); n != 2 || l.LoggedIn() {
			t.Errorf("%d refusals, logged in %v; want 2, false", n, l.LoggedIn())
		}
	})
}

func TestLoginTakesItsTime(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		start := time.Now()
		l := NewLogin(far, &LoginConfig{PerByte: 10 * time.Millisecond, Delay: time.Second, Banner: "\r\n"})
		defer l.Close()
		near.await(time.Minute, "login: ")
		if took, want := time.Since(start), time.Second+9*10*time.Millisecond; took != want {
			t.Errorf("the prompt took %v, want %v", took, want)
		}
	})
}

func TestLoginNoiseIsRepeatable(t *testing.T) {
	sent := func(seed uint64) (all []byte) {
		onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
			l := NewLogin(far, &LoginConfig{Noise: 100, Seed: seed})
			defer l.Close()
			near.await(time.Second, "login: ")
			all = l.Transcript().Sent()
		})
		return all
	}
	first, again, other := sent(1), sent(1), sent(2)
	if !bytes.Equal(first, again) || bytes.Equal(first, other) {
		t.Error("the same seed must give the same noise, another seed another")
	}
	if want := len(sent(3)); len(first) != want || want < 100 {
		t.Errorf("%d and %d bytes, want the same number, above 100", len(first), want)
	}
}

func TestLoginLosesItsLine(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		l := NewLogin(far, nil)
		near.await(time.Second, "login: ")
		near.port.Close()
		if err := l.Err(); err == nil {
			t.Error("Err is nil after the far end went, want the port's error")
		}
		l.Close()
	})
}

func TestLoginCloseFreesPauses(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		start := time.Now()
		l := NewLogin(far, &LoginConfig{Delay: time.Hour})
		near.await(time.Second, "host\r\n\r\n")
		l.Close()
		l.Close()
		if took := time.Since(start); took != 0 || l.Err() != nil {
			t.Errorf("Close took %v, error %v; want 0 and nil", took, l.Err())
		}
	})
}

func TestLoginHandsPPPOver(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		l := NewLogin(far, &LoginConfig{PPP: func(p port.Port) {
			reply := make([]byte, 6)
			io.ReadFull(p, reply)
			p.Write(bytes.ToUpper(reply))
		}})
		defer l.Close()
		near.send("guest\rsecret\r~early")
		near.await(time.Second, string(PPPFrame())+"~EARLY")
		near.awaitEnd(time.Second)
	})
}

func TestTranscriptMasksPasswords(t *testing.T) {
	for _, echo := range []Echo{EchoNames, EchoAll} {
		onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
			l := NewLogin(far, &LoginConfig{Echo: echo, PerByte: time.Millisecond})
			defer l.Close()
			near.await(time.Second, "login: ")
			near.send("guest\rhunter2\rguest\rsecret\r")
			near.await(time.Minute, string(PPPFrame()))
			text := l.Transcript().String()
			for _, hidden := range []string{"hunter2", "secret", `"h"`, `"n"`, `"c"`} {
				if strings.Contains(text, hidden) {
					t.Errorf("the listing shows %s:\n%s", hidden, text)
				}
			}
			if !strings.Contains(text, "***") || !strings.Contains(text, "Login incorrect") {
				t.Errorf("the listing lacks something:\n%s", text)
			}
			if got := string(l.Transcript().Received()); got != "guest\rhunter2\rguest\rsecret\r" {
				t.Errorf("received %q, want what was sent", got)
			}
		})
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	log := newTranscript()
	for range transcriptLimit/1000 + 2 {
		log.add(Record{Data: make([]byte, 1000)})
	}
	if kept := len(log.Received()); kept != transcriptLimit || log.Dropped() == 0 {
		t.Errorf("kept %d bytes and dropped %d, want %d kept and the rest dropped", kept, log.Dropped(), transcriptLimit)
	}
}

func TestTranscriptTakesBackWhatWasNotSent(t *testing.T) {
	log := newTranscript()
	log.add(Record{Sent: true, Data: []byte("abc")})
	log.add(Record{Data: []byte("in")})
	err := log.send(Record{Data: []byte("defgh")}, nil, func([]byte) (int, error) { return 2, io.ErrClosedPipe })
	if err != io.ErrClosedPipe || string(log.Sent()) != "abcde" || string(log.Received()) != "in" {
		t.Errorf("%v, sent %q, received %q; want abcde and in", err, log.Sent(), log.Received())
	}
}

// The frame must be one that a PPP implementation accepts: RFC 1662 gives
// 0xF0B8 as what a good frame's check sequence comes to.
func TestPPPFrameIsValid(t *testing.T) {
	f := PPPFrame()
	if !bytes.HasPrefix(f, []byte{0x7E, 0xFF, 0x7D, 0x23, 0xC0, 0x21}) || f[len(f)-1] != 0x7E {
		t.Fatalf("frame % X: want it to start with 7E FF 7D 23 C0 21 and end with 7E", f)
	}
	var content []byte
	for i := 1; i < len(f)-1; i++ {
		c := f[i]
		if c == pppEscape {
			i++
			c = f[i] ^ pppFlip
		}
		content = append(content, c)
	}
	if got := fcs16(content); got != 0xF0B8 {
		t.Errorf("check sequence over the whole frame is %04X, want F0B8", got)
	}
	if size := int(content[6])<<8 | int(content[7]); size != len(content)-6 {
		t.Errorf("LCP length %d, want %d", size, len(content)-6)
	}
}
