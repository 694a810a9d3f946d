package scripttest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// errHangUp ends a conversation as configured.
var errHangUp = errors.New("the host hangs up")

// lineLimit bounds a line that a client types; what follows is dropped.
const lineLimit = 256

// serve runs the conversation. It returns errHangUp or the port's error.
func (l *Login) serve() error {
	if err := l.reach(StageConnect); err != nil {
		return err
	}

	var seen string
	for !strings.HasSuffix(seen, l.cfg.Wake) {
		c, err := l.next(false)
		if err != nil {
			return err
		}
		seen += string([]byte{c})
		seen = seen[max(0, len(seen)-len(l.cfg.Wake)):]
	}
	l.afterCR = strings.HasSuffix(l.cfg.Wake, "\r")

	if err := l.send([]byte(l.cfg.Banner)); err != nil {
		return err
	}
	if err := l.logIn(); err != nil {
		return err
	}
	l.passed.Store(true)
	before := []byte(l.cfg.Welcome)
	if l.cfg.ServicePrompt != "" {
		if err := l.chooseService(); err != nil {
			return err
		}
		before = []byte("\r\nStarting PPP.\r\n")
	}

	// The text and the first frame are sent in one write.
	if err := l.send(append(before, l.cfg.Frame...)); err != nil {
		return err
	}
	if err := l.reach(StagePPP); err != nil {
		return err
	}
	if l.cfg.PPP == nil {
		return l.listen()
	}
	l.cfg.PPP(&replayed{Port: l.port, in: l.in})
	l.in = nil
	return errHangUp
}

// reach records a stage and hangs up or falls silent if that is configured for it.
func (l *Login) reach(s Stage) error {
	l.stage.Store(int32(s))
	switch s {
	case l.cfg.HangUp:
		return errHangUp
	case l.cfg.Silent:
		return l.listen()
	}
	return nil
}

// listen records what is received until the line ends. What follows a password
// prompt is a password, also if the host is silent.
func (l *Login) listen() error {
	for {
		if _, err := l.next(l.Stage() == StagePassword); err != nil {
			return err
		}
	}
}

// logIn prompts until the client gives the right name and password or has no
// attempts left.
func (l *Login) logIn() error {
	for range l.cfg.Attempts {
		name, err := l.prompt(StageName, l.cfg.NamePrompt)
		if err != nil {
			return err
		}
		password, err := l.prompt(StagePassword, l.cfg.PasswordPrompt)
		if err != nil {
			return err
		}
		if err := l.reach(StageCheck); err != nil {
			return err
		}
		if name == l.cfg.User && password == l.cfg.Password.Reveal() {
			return nil
		}
		if err := l.send([]byte(l.cfg.Refusal)); err != nil {
			return err
		}
	}
	return errHangUp
}

// chooseService shows the menu until the client chooses PPP.
func (l *Login) chooseService() error {
	menu := l.cfg.Welcome
	for i, entry := range l.cfg.Menu {
		menu += fmt.Sprintf("  %d) %s\r\n", i+1, entry)
	}
	for {
		if err := l.send([]byte(menu)); err != nil {
			return err
		}
		choice, err := l.prompt(StageService, l.cfg.ServicePrompt)
		if err != nil {
			return err
		}
		service := strings.TrimSpace(choice)
		if n, err := strconv.Atoi(service); err == nil && n >= 1 && n <= len(l.cfg.Menu) {
			service = l.cfg.Menu[n-1]
		}
		switch {
		case strings.EqualFold(service, "ppp"):
			return nil
		case strings.EqualFold(service, "quit"):
			return errHangUp
		case service != "":
			menu = fmt.Sprintf("\r\n%s: not available here\r\n", service)
		default:
			menu = "\r\n"
		}
	}
}

// prompt sends a prompt with what is configured before it, and reads the answer.
func (l *Login) prompt(s Stage, text string) (string, error) {
	if err := l.pause(l.cfg.Delay); err != nil {
		return "", err
	}
	b := make([]byte, l.cfg.Noise)
	for i := range b {
		b[i] = byte(l.rand.Uint32())
	}
	before := append([]byte(l.cfg.Junk), b...)
	if err := l.send(append(before, text...)); err != nil {
		return "", err
	}
	if err := l.reach(s); err != nil {
		return "", err
	}

	// Read and echo up to a carriage return, a line feed or both, and obey
	// backspace and delete.
	secret := s == StagePassword
	var line []byte
	for {
		c, err := l.next(secret)
		if err != nil {
			return "", err
		}
		afterCR := l.afterCR
		l.afterCR = c == '\r'
		switch {
		case c == '\n' && afterCR:
			continue
		case c == '\r' || c == '\n':
			return string(line), l.echo("\r\n", false)
		case c == '\b' || c == 0x7F:
			if len(line) == 0 {
				continue
			}
			line = line[:len(line)-1]
			err = l.echo("\b \b", secret)
		case len(line) < lineLimit:
			line = append(line, c)
			err = l.echo(string([]byte{c}), secret)
		}
		if err != nil {
			return "", err
		}
	}
}

// echo sends back what was typed, as configured.
func (l *Login) echo(s string, secret bool) error {
	switch {
	case l.cfg.Echo == EchoNone, secret && l.cfg.Echo == EchoNames:
		return nil
	case secret && l.cfg.Echo == EchoStars && s[0] != '\b':
		s = "*"
	}
	return l.write([]byte(s), secret)
}

// next returns the next received byte and records it.
func (l *Login) next(secret bool) (byte, error) {
	for len(l.in) == 0 {
		n, err := l.port.Read(l.buf[:])
		if n == 0 && err != nil {
			return 0, err
		}
		l.in = l.buf[:n]
	}
	c := l.in[0]
	l.log.add(Record{Secret: secret && c != '\r' && c != '\n', Data: l.in[:1]})
	l.in = l.in[1:]
	return c, nil
}

// send writes b, byte by byte with a pause before each if that is configured.
func (l *Login) send(b []byte) error { return l.write(b, false) }

func (l *Login) write(b []byte, secret bool) error {
	if l.cfg.PerByte <= 0 {
		return l.put(b, secret)
	}
	for i := range b {
		if err := l.pause(l.cfg.PerByte); err != nil {
			return err
		}
		if err := l.put(b[i:i+1], secret); err != nil {
			return err
		}
	}
	return nil
}

func (l *Login) put(b []byte, secret bool) error {
	return l.log.send(Record{Secret: secret, Data: b}, nil, l.port.Write)
}

// pause sleeps for d, or until Close.
func (l *Login) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.stop:
		return errHangUp
	}
}
