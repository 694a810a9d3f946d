package scripttest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// Stage is a point in a login that a Login reaches, in this order.
type Stage int32

// The stages of a login. A Login that hangs up or falls silent at a stage has
// sent what the stage's comment specifies, and nothing after it.
const (
	// StageNone, the zero value, is never reached.
	StageNone Stage = iota

	// StageConnect is reached immediately, with nothing sent.
	StageConnect

	// StageName is reached with the banner and the name prompt sent.
	StageName

	// StagePassword is reached with the password prompt sent.
	StagePassword

	// StageCheck is reached with the password received and no answer sent.
	StageCheck

	// StageService is reached with the welcome text, the menu and its prompt
	// sent. A Login without Menu and ServicePrompt skips it.
	StageService

	// StagePPP is reached with the first PPP frame sent.
	StagePPP
)

var stageNames = [...]string{"none", "connect", "name", "password", "check", "service", "ppp"}

// String returns the stage's name in lower case.
func (s Stage) String() string {
	if s < 0 || int(s) >= len(stageNames) {
		return "unknown"
	}
	return stageNames[s]
}

// Echo specifies which received characters a Login sends back.
type Echo uint8

// The kinds of echo.
const (
	EchoNames Echo = iota // all but passwords, as most hosts do
	EchoNone              // nothing
	EchoStars             // a star for each character of a password
	EchoAll               // passwords too
)

// LoginConfig holds how a Login behaves. The zero LoginConfig and a nil one
// are a quick and well-behaved host that starts PPP right after the login.
type LoginConfig struct {
	// User and Password are what the host lets in. Default: "guest" and
	// "secret".
	User     string
	Password ras.Secret

	// Wake is what the host waits for before it sends anything; "\r" is a host
	// that waits for the Enter key. Default: it sends immediately.
	Wake string

	// Banner is sent first. Default: "\r\nrasline test host\r\n\r\n".
	Banner string

	// NamePrompt and PasswordPrompt are the prompts. Default: "login: " and "Password: ".
	NamePrompt     string
	PasswordPrompt string

	// Refusal answers a wrong name or password, after which the host prompts
	// again. Default: "\r\nLogin incorrect\r\n".
	Refusal string

	// Attempts is how many logins the host accepts before it hangs up.
	// Default, and for less than 1: 3.
	Attempts int

	// Welcome is sent after the login. Default: "\r\nWelcome.\r\n".
	Welcome string

	// Menu is listed after the login, numbered from 1. The client chooses by
	// number or by name, letter case aside: "PPP" starts PPP, "Quit" hangs up,
	// and to everything else the host answers that it does not have it and
	// prompts again. Default: no menu.
	Menu []string

	// ServicePrompt prompts for a choice from the menu, or, without a menu, for a
	// command as a terminal server does; the commands are those of Menu, and
	// "ppp" and "quit" are always understood. Default: "Your choice: " with a
	// menu; without one, PPP starts with no question.
	ServicePrompt string

	// Frame is what the host sends first once PPP has begun, in one write with
	// the text before it, if PerByte is 0. Default: PPPFrame().
	Frame []byte

	// PPP, if set, takes over after Frame, on the Login's goroutine. It may
	// read and write the port, and must return when the port is closed; the
	// Login hangs up after it. Default: what arrives is recorded until the line
	// ends.
	PPP func(p port.Port)

	// Echo specifies what the host echoes. Default: EchoNames.
	Echo Echo

	// PerByte is a pause before each byte sent, Delay one before each prompt.
	// Default: none.
	PerByte, Delay time.Duration

	// Junk is text sent before each prompt, and Noise a number of random bytes
	// before it, drawn from Seed. Default: none.
	Junk  string
	Noise int
	Seed  uint64

	// HangUp is the stage at which the host closes its port. Default: never.
	HangUp Stage

	// Silent is the stage from which on the host sends nothing more. It still
	// records what arrives. Default: never.
	Silent Stage
}

// Login is a host that a script logs in to. Its methods may be called from any
// goroutine.
type Login struct {
	cfg  LoginConfig
	port port.Port
	log  *Transcript
	rand *rand.Rand // the serving goroutine's

	stage  atomic.Int32
	passed atomic.Bool
	stop   chan struct{} // closed by Close: ends pauses
	once   sync.Once
	done   chan struct{} // closed when the serving goroutine has ended
	err    error         // written before done is closed

	// The line editor's; only the serving goroutine uses them.
	in      []byte // read and not yet consumed
	buf     [512]byte
	afterCR bool
}

// NewLogin starts a host on p, which belongs to it from now on. A nil cfg
// means all defaults. Call Close to end it.
func NewLogin(p port.Port, cfg *LoginConfig) *Login {
	var full LoginConfig
	if cfg != nil {
		full = *cfg
	}
	for _, d := range []struct {
		field *string
		value string
	}{
		{&full.User, "guest"},
		{(*string)(&full.Password), "secret"},
		{&full.Banner, "\r\nrasline test host\r\n\r\n"},
		{&full.NamePrompt, "login: "},
		{&full.PasswordPrompt, "Password: "},
		{&full.Refusal, "\r\nLogin incorrect\r\n"},
		{&full.Welcome, "\r\nWelcome.\r\n"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if full.ServicePrompt == "" && len(full.Menu) > 0 {
		full.ServicePrompt = "Your choice: "
	}
	if full.Attempts < 1 {
		full.Attempts = 3
	}
	if full.Frame == nil {
		full.Frame = PPPFrame()
	}
	l := &Login{
		cfg:  full,
		port: p,
		log:  newTranscript(),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	l.rand = rand.New(rand.NewPCG(l.cfg.Seed, l.cfg.Seed))
	l.log.password = l.cfg.Password.Reveal()
	go l.run()
	return l
}

// Format prints the stage under every verb, and nothing of the conversation.
func (l *Login) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "scripttest.Login(stage %v)", l.Stage())
}

// Close hangs up, waits until the host's goroutine has ended, and returns nil.
// It may be called more than once.
func (l *Login) Close() error {
	l.once.Do(func() { close(l.stop) })
	l.port.Close()
	<-l.done
	return nil
}

// Done returns a channel that is closed once the host has hung up or has lost
// its line.
func (l *Login) Done() <-chan struct{} { return l.done }

// Err waits for Done and returns why the host ended: nil if it hung up or was
// closed, the port's error if the line ended.
func (l *Login) Err() error {
	<-l.done
	return l.err
}

// Stage returns the last stage reached.
func (l *Login) Stage() Stage { return Stage(l.stage.Load()) }

// LoggedIn reports whether the client gave the right name and password.
func (l *Login) LoggedIn() bool { return l.passed.Load() }

// Transcript returns what was exchanged so far; it continues to grow.
func (l *Login) Transcript() *Transcript { return l.log }

// run serves the line until it ends or Close is called. NewLogin starts it.
func (l *Login) run() {
	defer close(l.done)
	defer l.port.Close()
	err := l.serve()
	if rest := l.in; l.Stage() == StagePassword { // hung up before it was read
		n := len(rest)
		if i := bytes.IndexAny(rest, "\r\n"); i >= 0 {
			n = i
		}
		l.log.add(Record{Secret: true, Data: rest[:n]})
		l.in = rest[n:]
	}
	l.log.add(Record{Data: l.in})
	select {
	case <-l.stop: // closed
	default:
		if !errors.Is(err, errHangUp) {
			l.err = err
		}
	}
}
