package capture_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

// readAll reads a recording, which must be whole.
func readAll(t testing.TB, file []byte) []capture.Event {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var all []capture.Event
	for {
		e, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

// short renders events without their times.
func short(events []capture.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d %v", e.Port, e.Kind)
		if len(e.Data) > 0 {
			fmt.Fprintf(&b, " %q", e.Data)
		}
		if e.Kind == capture.LinesChanged {
			fmt.Fprintf(&b, " %v", e.Lines)
		}
		if e.Out {
			b.WriteString(" out")
		}
		if e.Note != "" {
			fmt.Fprintf(&b, " (%s)", e.Note)
		}
		if len(e.Secrets) > 0 {
			fmt.Fprintf(&b, " %v", e.Secrets)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// memory is a file in memory that is read while it is written.
type memory struct {
	mu  sync.Mutex
	buf []byte
}

func (m *memory) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buf = append(m.buf, b...)
	return len(b), nil
}

func (m *memory) Bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.buf)
}

// line is a recorded port and its peer in a bubble of fake time.
type line struct {
	t     *testing.T
	file  memory
	w     *capture.Writer
	near  port.Port
	below *virtual.Port
	far   *virtual.Port
}

func onLine(t *testing.T, cfg *capture.Config, f func(l *line)) []capture.Event {
	t.Helper()
	var events []capture.Event
	synctest.Test(t, func(t *testing.T) {
		l := &line{t: t}
		l.below, l.far = virtual.Pair(virtual.Names("near", "far"))
		defer l.far.Close()
		var err error
		if l.w, err = capture.NewWriter(&l.file, cfg); err != nil {
			t.Fatal(err)
		}
		l.near = capture.Record(l.below, l.w)
		defer l.near.Close()
		f(l)
		if err := l.w.Close(); err != nil {
			t.Error(err)
		}
		events = readAll(t, l.file.Bytes())
	})
	return events
}

func (l *line) send(text string) {
	l.t.Helper()
	if _, err := l.near.Write([]byte(text)); err != nil {
		l.t.Error(err)
	}
	io.ReadFull(l.far, make([]byte, len(text)))
}

func (l *line) receive(text string) {
	l.t.Helper()
	l.far.Write([]byte(text))
	if _, err := io.ReadFull(l.near, make([]byte, len(text))); err != nil {
		l.t.Error(err)
	}
}

func TestRecord(t *testing.T) {
	var start time.Time
	events := onLine(t, nil, func(l *line) {
		start = time.Now()
		l.receive("login: ")
		peertest.Pass(time.Second)
		l.send("joe\r")
		l.near.(port.LineController).SetLines(port.DTR, 0)
		l.near.(port.Breaker).SendBreak(l.t.Context(), time.Millisecond)
		l.far.HangUp()
		l.near.(port.LineController).Lines()
		l.far.Restore()
		l.far.SendBreak(l.t.Context(), time.Millisecond)
		l.receive("x")
		slog.New(l.w.Handler()).Info("state", "state", "RASCS_Connected", "text", "all is\nwell", "data", "x")
		l.near.Close()
	})
	want := `0 lines DTR,RTS,CTS,DSR,DCD
0 received "login: "
0 sent "joe\r"
0 lines RTS,CTS,DSR,DCD
0 break out
0 lines RTS,CTS,DSR
0 received "x"
0 note (state state=RASCS_Connected text="all is\nwell")
0 break
0 end
`
	got := short(events)
	got = strings.ReplaceAll(got, "|", ",")
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if d := events[2].Time.Sub(events[1].Time); d != time.Second {
		t.Errorf("the answer was recorded %v after the prompt, want 1s", d)
	}
	if !events[1].Time.Equal(start) {
		t.Errorf("the prompt was recorded at %v, want %v", events[1].Time, start)
	}
}

func TestWatchRecordsLinesOfAnIdlePort(t *testing.T) {
	events := onLine(t, &capture.Config{Watch: true}, func(l *line) {
		synctest.Wait()
		l.far.Ring(true)
		synctest.Wait()
		l.far.Ring(false)
		synctest.Wait()
	})
	if n := strings.Count(short(events), " lines "); n != 3 {
		t.Errorf("%d states of the lines were recorded, want 3:\n%s", n, short(events))
	}
}

func TestPortsOfOneFile(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, &capture.Config{Name: "modem"})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(w.Handler())
	log.Info("early")
	for range 3 {
		a, b := virtual.Pair(virtual.Names("line", "far"), virtual.NoLines())
		p := capture.Record(a, w)
		b.Write([]byte("hello"))
		p.Read(make([]byte, 9))
		p.Close()
		b.Close()
	}
	log.Info("late", "port", "line-2")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	got := short(readAll(t, file.Bytes()))
	want := `0 note (early)
0 received "hello"
0 end
1 received "hello"
1 end
2 received "hello"
2 end
2 note (late port=line-2)
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	if got, want := fmt.Sprint(r.Ports()), "[{modem 115200,8N1,none} {line 115200,8N1,none} {line-2 115200,8N1,none}]"; got != want {
		t.Errorf("ports %s, want %s", got, want)
	}
}

// TestPortWithoutEvents has the interface of a port in the file on which nothing
// has passed, so that a file that ends there is a recording.
func TestPortWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file bytes.Buffer
		w, err := capture.NewWriter(&file, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		a, b := virtual.Pair(virtual.Names("line", "far"), virtual.NoLines())
		defer a.Close()
		defer b.Close()
		capture.Record(a, w)
		peertest.Pass(101 * time.Millisecond)
		synctest.Wait()
		r, err := capture.NewReader(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != io.EOF || fmt.Sprint(r.Ports()) != "[{line 115200,8N1,none}]" {
			t.Errorf("%v, ports %v; want the end and one port", err, r.Ports())
		}
	})
}

// TestWriteIsRecordedBeforeItsAnswer has a peer that answers before the Write
// returns.
func TestWriteIsRecordedBeforeItsAnswer(t *testing.T) {
	events := onLine(t, nil, func(l *line) {
		slow := &slowWriter{Port: l.below}
		p := capture.Record(slow, l.w)
		slow.answer = func() {
			l.far.Write([]byte("answer"))
			p.Read(make([]byte, 9))
		}
		p.Write([]byte("question"))
	})
	want := "1 sent \"question\"\n1 received \"answer\"\n"
	if got := short(events); !strings.Contains(got, want) {
		t.Errorf("got\n%swant in it\n%s", got, want)
	}
}

// slowWriter is a port whose Write returns after answer.
type slowWriter struct {
	*virtual.Port
	answer func()
}

func (s *slowWriter) Write(b []byte) (int, error) {
	n, err := s.Port.Write(b)
	s.answer()
	return n, err
}

// TestWriteThatBlocks does not keep what is received meanwhile from the file, and
// records what was accepted alone.
func TestWriteThatBlocks(t *testing.T) {
	onLine(t, nil, func(l *line) {
		done := make(chan int)
		l.near.SetWriteDeadline(time.Now().Add(time.Minute))
		go func() {
			n, err := l.near.Write(make([]byte, 20000))
			if err == nil {
				t.Error("the write did not block")
			}
			done <- n
		}()
		synctest.Wait()
		l.receive("stop!")
		peertest.Pass(time.Second)
		if got := short(readAll(t, l.file.Bytes())); !strings.Contains(got, "stop!") || strings.Contains(got, "sent") {
			t.Errorf("while the write blocks the file has\n%s", got)
		}
		n := <-done
		peertest.Pass(time.Second)
		all := readAll(t, l.file.Bytes())
		if last := all[len(all)-1]; last.Kind != capture.Sent || len(last.Data) != n {
			t.Errorf("the last event is %v of %d bytes, want sent of %d", last.Kind, len(last.Data), n)
		}
	})
}

// TestCloseOfAPortWithABlockedWrite has the accepted part in the recording, before
// its end.
func TestCloseOfAPortWithABlockedWrite(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Second} {
		events := onLine(t, nil, func(l *line) {
			done := make(chan int)
			go func() {
				n, _ := l.near.Write(make([]byte, 10000))
				done <- n
			}()
			synctest.Wait()
			peertest.Pass(wait)
			l.near.Close()
			if n := <-done; n == 0 || n == 10000 {
				t.Errorf("the write accepted %d bytes, want a part of them", n)
			}
		})
		last := events[len(events)-2:]
		if last[0].Kind != capture.Sent || len(last[0].Data) == 0 || last[1].Kind != capture.End {
			t.Errorf("closed after %v: the recording ends with\n%.200s", wait, short(last))
		}
	}
}

// TestLongAndBrokenNames has names that a file cannot hold as they are.
func TestLongAndBrokenNames(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{strings.Repeat("n", 1<<16), strings.Repeat("n", 240)},
		{strings.Repeat("n", 239) + "ä", strings.Repeat("n", 239) + "\uFFFD"},
		{"\xff1", "\uFFFD1"},
	} {
		for _, cfg := range []*capture.Config{nil, {Name: tt.name}} {
			var file bytes.Buffer
			w, err := capture.NewWriter(&file, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				near, far := virtual.Pair(virtual.Names(tt.name, "far"))
				capture.Record(near, w).Close()
				far.Close()
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			readAll(t, file.Bytes())
			r, err := capture.NewReader(&file)
			if err != nil {
				t.Fatal(err)
			}
			for _, err = r.Next(); err == nil; _, err = r.Next() {
			}
			if p := r.Ports(); len(p) != 2 || p[0].Name != tt.want || p[1].Name != tt.want+"-2" {
				t.Errorf("%.20q: ports %q, want %q and %q", tt.name, p, tt.want, tt.want+"-2")
			}
		}
	}
}
