package switchinf_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/switchinf"
)

const testdata = "../../testdata/switchinf"

// A dialogue is a recording of one run, from the peer's side. Its lines are
//
//	# a comment
//	user NAME, password TEXT, phone TEXT: the parameters, guest and hunter2 unless given
//	section NAME: the section to run, the first unless given
//	< "text": the peer sends
//	> "text": the peer receives exactly this
//	wait 2s: the peer does nothing for so long
//	hangup: the peer drops the carrier
//	= text: a line of the result, see describe
//
// Quoted texts are Go strings.
type dialogue struct {
	params  ras.DialParams
	section string
	moves   []move
	want    []string
}

type move struct {
	kind string // "<", ">", "wait" or "hangup"
	text string
	time time.Duration
}

func readDialogue(t testing.TB, path string) dialogue {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := dialogue{params: ras.DialParams{UserName: "guest", Password: "hunter2"}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if err := d.line(lines.Text()); err != nil {
			t.Fatalf("%s: %q: %v", path, lines.Text(), err)
		}
	}
	return d
}

func (d *dialogue) line(line string) (err error) {
	kind, rest, _ := strings.Cut(line, " ")
	m := move{kind: kind}
	switch kind {
	case "", "#":
		return nil
	case "user":
		d.params.UserName = unquote(rest)
		return nil
	case "password":
		d.params.Password = ras.Secret(unquote(rest))
		return nil
	case "phone":
		d.params.PhoneNumber = unquote(rest)
		return nil
	case "section":
		d.section = rest
		return nil
	case "=":
		d.want = append(d.want, rest)
		return nil
	case "<", ">":
		m.text, err = strconv.Unquote(rest)
	case "wait":
		m.time, err = time.ParseDuration(rest)
	case "hangup":
	default:
		err = errors.New("no such line in a dialogue")
	}
	d.moves = append(d.moves, m)
	return err
}

// unquote returns what s quotes, or s.
func unquote(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}

// play makes the peer's moves, what it sends in pieces of at most size
// bytes, and returns what it saw otherwise than expected.
func (d *dialogue) play(far *virtual.Port, size int) error {
	for _, m := range d.moves {
		switch m.kind {
		case "<":
			for text := m.text; text != ""; {
				n := min(size, len(text))
				if _, err := io.WriteString(far, text[:n]); err != nil {
					return err
				}
				synctest.Wait()
				text = text[n:]
			}
		case ">":
			got := make([]byte, len(m.text))
			n, err := io.ReadFull(far, got)
			if err != nil || string(got) != m.text {
				return fmt.Errorf("the far end received %q, %v; want %q", got[:n], err, m.text)
			}
		case "wait":
			<-time.After(m.time)
		case "hangup":
			far.HangUp()
		}
	}
	return nil
}

// terminal is what the user sees.
type terminal struct{ bytes.Buffer }

func (terminal) Read([]byte) (int, error) { return 0, io.EOF }

// A result is what a run came to.
type result struct {
	err      error
	took     time.Duration
	unread   string
	terminal string
	log      string
	late     string // what the far end received after its last move
}

// perform runs a section of f against the dialogue.
func (d *dialogue) perform(t *testing.T, f *switchinf.File, cfg switchinf.Config, size int, exact bool) result {
	t.Helper()
	var log bytes.Buffer
	cfg.DeviceLog = switchinf.NewDeviceLog(&log)
	cfg.PortName = "COM1"
	e, err := f.Executor(d.section, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	var r result
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		played := make(chan error, 1)
		go func() { played <- d.play(far, size) }()
		var term terminal
		res, err := script.Run(t.Context(), near, e, &script.Config{Params: &d.params, Terminal: &term, Exact: exact})
		r = result{err: err, took: res.Duration, terminal: term.String(), log: log.String(), unread: string(res.Unread)}
		if err := <-played; err != nil {
			t.Error(err)
		}
		r.unread += rest(near)
		r.late = rest(far)
		far.Close()
	})
	return r
}

// rest reads what has arrived.
func rest(p *virtual.Port) string {
	p.SetReadDeadline(time.Now().Add(time.Millisecond))
	b, _ := io.ReadAll(p)
	return string(b)
}

// describe returns the result as a dialogue reports it.
func describe(r result) []string {
	out := []string{"connected after " + r.took.String()}
	var e *switchinf.Error
	if errors.As(r.err, &e) {
		out[0] = fmt.Sprintf("failed in line %d after %v: %s", e.Line, r.took, e.Code.Name())
	} else if r.err != nil {
		out[0] = r.err.Error()
	}
	for _, rest := range []struct{ name, text string }{
		{"unread", r.unread}, {"terminal", r.terminal}, {"late", r.late},
	} {
		if rest.text != "" {
			out = append(out, fmt.Sprintf("%s %q", rest.name, rest.text))
		}
	}
	return out
}

// TestDialogues runs every script of testdata that has a recorded dialogue,
// with the peer's bytes cut in several ways, and with and without a reader
// who must not take too much.
func TestDialogues(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testdata, "*.txt"))
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d dialogues in %s, %v; want 30 at least", len(paths), testdata, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			d := readDialogue(t, path)
			f := parseFile(t, strings.TrimSuffix(path, ".txt")+".inf")
			if d.section == "" {
				d.section = f.Sections()[0].Name
			}
			var first string
			for _, size := range []int{1 << 20, 1, 2, 5} {
				for _, exact := range []bool{false, true} {
					r := d.perform(t, f, switchinf.Config{}, size, exact)
					got := strings.Join(describe(r), "\n")
					if want := strings.Join(d.want, "\n"); got != want {
						t.Errorf("in pieces of %d, exact %v:\ngot\n%s\nwant\n%s\nerror: %v", size, exact, got, want, r.err)
					}
					if first == "" {
						first = r.log
					}
					if stripDate(r.log) != stripDate(first) {
						t.Errorf("in pieces of %d, exact %v, the device log is\n%s\nwant\n%s", size, exact, r.log, first)
					}
					if strings.Contains(fmt.Sprint(r.log, r.err), d.params.Password.Reveal()) && d.params.Password != "" {
						t.Errorf("the password shows in the log or the error:\n%s\n%v", r.log, r.err)
					}
				}
			}
		})
	}
}

func stripDate(log string) string {
	_, rest, _ := strings.Cut(log, "\n")
	return rest
}

func parseFile(t testing.TB, path string) *switchinf.File {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := switchinf.Parse(filepath.Base(path), src)
	if err != nil {
		t.Fatalf("%v: %v", err, err.(*lint.ParseError).Findings)
	}
	return f
}
