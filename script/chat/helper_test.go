package chat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// said is what a peer does: wait, and then send a text, or do something else
// to the line or the run.
type said struct {
	after time.Duration
	text  string
	do    func(far *virtual.Port, cancel context.CancelCauseFunc)
}

// scene is one run of a script against a peer, on fake time.
type scene struct {
	args   []string
	file   string // if there are no args
	opts   Config
	far    []said
	loose  bool                                    // take more than needed from the line
	wrap   func(a port.Port) port.Port             // what the script runs on
	params *ras.DialParams                         // of the call
	setup  func(t *testing.T, s *Script, p *scene) // before the run
}

// outcome is everything that can be seen of a run.
type outcome struct {
	Status  int           // exit status
	Sent    string        // what the far end received
	Left    string        // what the script left unread
	Stderr  string        // with the report lines where there is no Report
	Log     string        // messages, one a line
	Elapsed time.Duration // of the run
	err     error
}

// plainLog writes nothing but the messages.
type plainLog struct {
	w     io.Writer
	level slog.Level
}

func (l plainLog) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l plainLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l plainLog) WithGroup(string) slog.Handler                    { return l }
func (l plainLog) Handle(_ context.Context, r slog.Record) error {
	_, err := io.WriteString(l.w, r.Message+"\n")
	return err
}

func (sc *scene) parse(t *testing.T) *Script {
	t.Helper()
	s, err := Parse(sc.args)
	if sc.args == nil {
		s, err = ParseFile("script", []byte(sc.file))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// play runs the scene in a bubble.
func (sc *scene) play(t *testing.T) (out outcome) {
	t.Helper()
	s := sc.parse(t)
	synctest.Test(t, func(t *testing.T) { out = sc.playHere(t, s) })
	return out
}

func (sc *scene) playHere(t *testing.T, s *Script) outcome {
	t.Helper()
	var stderr, log bytes.Buffer
	cfg := sc.opts
	if cfg.Stderr == nil {
		cfg.Stderr = &stderr
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(plainLog{&log, slog.LevelDebug})
	}
	if cfg.Gap == 0 {
		cfg.Gap = -1
	}
	if sc.setup != nil {
		sc.setup(t, s, sc)
	}
	a, b := virtual.Pair()
	ctx, cancel := context.WithCancelCause(t.Context())
	var far sync.WaitGroup
	sent := new(bytes.Buffer)
	far.Go(func() { io.Copy(sent, b) })
	far.Go(func() { speak(ctx, b, cancel, sc.far) })

	var line port.Port = a
	if sc.wrap != nil {
		line = sc.wrap(a)
	}
	result, err := script.Run(ctx, line, s.Executor(&cfg), &script.Config{Exact: !sc.loose, Params: sc.params})
	left := drain(result.Port())
	cancel(nil)
	a.Close()
	far.Wait()
	b.Close()
	return outcome{
		Status: status(t, err), Sent: sent.String(), Left: left, Stderr: stderr.String(),
		Log: log.String(), Elapsed: result.Duration, err: err,
	}
}

// speak plays the peer until its text or the run is over.
func speak(ctx context.Context, b *virtual.Port, cancel context.CancelCauseFunc, far []said) {
	for _, s := range far {
		select {
		case <-time.After(s.after):
		case <-ctx.Done():
			return
		}
		if s.do != nil {
			s.do(b, cancel)
		}
		if _, err := io.WriteString(b, s.text); err != nil {
			return
		}
	}
}

// drain reads what is there already, and what a peer sends at this moment.
func drain(p port.Port) string {
	p.SetReadDeadline(time.Now().Add(time.Millisecond))
	b, _ := io.ReadAll(p)
	return string(b)
}

// status returns the exit status for which err stands.
func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("error is %T %v, want an *ExitError in it", err, err)
	}
	return exit.Status
}

// lines joins texts as lines.
func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

func words(s string) []string {
	return texts(fileWords(lint.NewSource("", []byte(s)), newFindings("", s)))
}

func now(text string) []said { return []said{{text: text}} }
