package scp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// A dialogue is a conversation with a script, from the peer's side, and how it
// must end. It is read from a text with one word and its value on a line; # and
// what follows it at the start of a line is a comment.
//
//	user "guest"        $USERID
//	password "secret"   $PASSWORD
//	mode 7E1            of the port, before the script
//	modeless            the port has no mode
//	exact               not one byte past the last match is taken
//	strip7              received bytes lose their high bit
//	steps 100           MaxSteps
//	string 100          MaxString
//	idle 5s             limit for silence
//	limit 1m            of the whole run; one hour unless given
//
//	send "login: "      the peer sends
//	expect "guest\r"    the script must send just this
//	wait 2s             the peer does nothing
//	silence 2s          nor must the script
//	hangup              the carrier goes
//
//	outcome completed   as Outcome.String has it; completed unless given
//	line 12             where it failed
//	error "division"    part of the error's text
//	code 638            of the error
//	address 10.0.0.7    in Result.IPAddr
//	rest "~\x7f"        what comes next on the port after the script
//	took 30s            of fake time
//	format 7E1          of the port, after the script
type dialogue struct {
	user, password string
	mode           port.Mode
	modeless       bool
	exact          bool
	dialog         script.DialogConfig
	steps, maximum int
	limit          time.Duration

	turns []turn

	outcome string
	line    int
	text    string
	code    ras.Code
	address netip.Addr
	rest    string
	took    time.Duration // -1: any
	format  string
}

// turn is one line of the conversation.
type turn struct {
	word string
	data string
	time time.Duration
}

func parseDialogue(text string) (*dialogue, error) {
	d := &dialogue{outcome: "completed", took: -1, limit: time.Hour}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, arg, _ := strings.Cut(line, " ")
		if err := d.set(word, strings.TrimSpace(arg)); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", i+1, line, err)
		}
	}
	return d, nil
}

func (d *dialogue) set(word, arg string) (err error) {
	switch word {
	case "modeless":
		d.modeless = true
	case "exact":
		d.exact = true
	case "strip7":
		d.dialog.Strip7 = true
	case "mode":
		d.mode, err = port.ParseMode(arg)
	case "steps":
		d.steps, err = strconv.Atoi(arg)
	case "string":
		d.maximum, err = strconv.Atoi(arg)
	case "line":
		d.line, err = strconv.Atoi(arg)
	case "code":
		var n int
		n, err = strconv.Atoi(arg)
		d.code = ras.Code(n)
	case "outcome":
		d.outcome = arg
	case "address":
		d.address, err = netip.ParseAddr(arg)
	case "format":
		d.format = arg
	case "idle", "took", "limit", "wait", "silence":
		err = d.setTime(word, arg)
	default:
		err = d.setText(word, arg)
	}
	return err
}

func (d *dialogue) setTime(word, arg string) error {
	t, err := time.ParseDuration(arg)
	switch word {
	case "idle":
		d.dialog.Idle = t
	case "took":
		d.took = t
	case "limit":
		d.limit = t
	default:
		d.turns = append(d.turns, turn{word: word, time: t})
	}
	return err
}

func (d *dialogue) setText(word, arg string) (err error) {
	text := ""
	if arg != "" {
		if text, err = strconv.Unquote(arg); err != nil {
			return err
		}
	}
	switch word {
	case "user":
		d.user = text
	case "password":
		d.password = text
	case "error":
		d.text = text
	case "rest":
		d.rest = text
	case "send", "expect", "hangup":
		d.turns = append(d.turns, turn{word: word, data: text})
	default:
		err = errors.New("unknown word")
	}
	return err
}

// pieces cuts what the peer sends.
type pieces func(s string) []string

func whole(s string) []string { return []string{s} }

func byBytes(s string) []string {
	out := make([]string, len(s))
	for i := range len(s) {
		out[i] = s[i : i+1]
	}
	return out
}

// play runs a script against a dialogue, given as text, and reports every
// difference: once with what the peer sends in one piece, and once byte by
// byte.
func play(t *testing.T, src, text string) {
	t.Helper()
	d, err := parseDialogue(text)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := Parse("t.scp", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []struct {
		name string
		cut  pieces
	}{{"whole", whole}, {"byte by byte", byBytes}} {
		t.Run(cut.name, func(t *testing.T) { d.play(t, prog, cut.cut) })
	}
}

// playBody is play with the commands of main, which begin in line 2.
func playBody(t *testing.T, commands, text string) {
	t.Helper()
	play(t, "proc main\n"+strings.Trim(commands, "\n")+"\nendproc\n", text)
}

// play runs the program once.
func (d *dialogue) play(t *testing.T, prog *Program, cut pieces) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.Mode(d.mode))
		defer near.Close()
		told := make(chan error, 1)
		go func() { told <- d.far(far, cut) }()

		var log bytes.Buffer
		run := prog.Executor(&Config{
			Dialog: &d.dialog, MaxSteps: d.steps, MaxString: d.maximum,
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		var line port.Port = near
		if d.modeless {
			line = struct{ port.Port }{near}
		}
		res, err := script.Run(context.Background(), line, run, &script.Config{
			Params:  &ras.DialParams{UserName: d.user, Password: ras.Secret(d.password), NoPassword: d.password == ""},
			Exact:   d.exact,
			Timeout: d.limit,
		})
		d.compare(t, res, err)
		d.compareRest(t, near, res)
		d.searchSecret(t, log.String(), err)
		near.Close()
		if err := <-told; err != nil {
			t.Errorf("far end: %v", err)
		}
	})
}

// far is the peer. It ends when the near end closes.
func (d *dialogue) far(p *virtual.Port, cut pieces) error {
	defer p.Close()
	for _, turn := range d.turns {
		switch turn.word {
		case "send":
			for _, piece := range cut(turn.data) {
				synctest.Wait()
				io.WriteString(p, piece)
			}
		case "expect":
			buf := make([]byte, len(turn.data))
			n, err := io.ReadFull(p, buf)
			if string(buf[:n]) != turn.data {
				return fmt.Errorf("got %q (%v), want %q", buf[:n], err, turn.data)
			}
		case "wait":
			<-time.After(turn.time)
		case "silence":
			if err := silence(p, turn.time); err != nil {
				return err
			}
		case "hangup":
			return p.Close()
		}
	}
	extra, _ := io.ReadAll(p)
	if len(extra) > 0 {
		return fmt.Errorf("got %q after the last turn", extra)
	}
	return nil
}

func silence(p *virtual.Port, d time.Duration) error {
	p.SetReadDeadline(time.Now().Add(d))
	defer p.SetReadDeadline(time.Time{})
	var b [1]byte
	if n, err := p.Read(b[:]); n > 0 || !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		return fmt.Errorf("got %q, %v, want %v of silence", b[:n], err, d)
	}
	return nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// ending is how a script ended, in a word.
func ending(err error) string {
	switch {
	case err == nil:
		return "completed"
	case errors.Is(err, ErrHalted):
		return "halted"
	case errors.As(err, new(*lint.ParseError)):
		return "rejected"
	}
	return "failed"
}

// compare checks how the run ended.
func (d *dialogue) compare(t *testing.T, res *script.Result, err error) {
	t.Helper()
	if got := ending(err); got != d.outcome {
		t.Errorf("outcome %s (%v), want %s", got, err, d.outcome)
	}
	var at *script.RunError
	if errors.As(err, &at); d.line != 0 && (at == nil || at.Line != d.line || at.File != "t.scp") {
		t.Errorf("error %v, want one in line %d", err, d.line)
	}
	if err != nil && !strings.Contains(err.Error(), d.text) {
		t.Errorf("error %v, want %q in it", err, d.text)
	}
	if got := ras.CodeOf(err); d.code != 0 && got != d.code {
		t.Errorf("code %v of error %v, want %v", got, err, d.code)
	}
	if res.IPAddr != d.address {
		t.Errorf("address %v, want %v", res.IPAddr, d.address)
	}
	if d.took >= 0 && res.Duration != d.took {
		t.Errorf("took %v, want %v", res.Duration, d.took)
	}
	if res.Leaks != 0 {
		t.Errorf("%d buffers leaked", res.Leaks)
	}
}

// compareRest checks the port after the run.
func (d *dialogue) compareRest(t *testing.T, near *virtual.Port, res *script.Result) {
	t.Helper()
	if mode, err := near.Mode(); d.format != "" && (err != nil || !strings.Contains(mode.String(), d.format)) {
		t.Errorf("mode %v, %v, want %s", mode, err, d.format)
	}
	var next io.Reader = res.Port()
	if d.exact {
		next = near
		if len(res.Unread) > 0 {
			t.Errorf("%q was taken from the port and not used in an exact run", res.Unread)
		}
	}
	near.SetReadDeadline(time.Now().Add(time.Millisecond))
	if rest, _ := io.ReadAll(next); string(rest) != d.rest {
		t.Errorf("after the script comes %q, want %q", rest, d.rest)
	}
}

// searchSecret looks for the password, as it is and with its codes expanded, in
// what people see.
func (d *dialogue) searchSecret(t *testing.T, log string, err error) {
	t.Helper()
	if len(d.password) < 4 {
		return
	}
	seen := log + fmt.Sprint(err)
	for _, secret := range []string{d.password, expand(d.password)} {
		for _, text := range []string{secret, strings.Trim(strconv.Quote(secret), `"`)} {
			if strings.Contains(seen, text) {
				t.Errorf("%q is shown: %s", text, seen)
			}
		}
	}
}
