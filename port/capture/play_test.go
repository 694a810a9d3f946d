package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

// step is a part of a conversation: what one side sends.
type step struct {
	near bool
	text string
}

var login = []step{
	{false, "login: "}, {true, "joe\r"}, {false, "joe\r\nPassword: "}, {true, "hunter22"}, {true, "\r"},
	{false, "\r\nWelcome\r\n$ "}, {true, "hunter22 again\r"}, {false, "bye\r\n"},
}

// recordSteps returns a recording of a conversation with a second between the
// steps.
func recordSteps(t *testing.T, secret string, steps []step) []byte {
	t.Helper()
	var file []byte
	synctest.Test(t, func(t *testing.T) {
		l := &line{t: t}
		l.below, l.far = virtual.Pair()
		var err error
		if l.w, err = capture.NewWriter(&l.file, nil); err != nil {
			t.Fatal(err)
		}
		l.near = capture.Record(l.below, l.w)
		l.w.Hide(secret)
		for _, s := range steps {
			peertest.Pass(time.Second)
			if s.near {
				l.send(s.text)
			} else {
				l.receive(s.text)
			}
		}
		l.near.Close()
		l.far.Close()
		if err := l.w.Close(); err != nil {
			t.Fatal(err)
		}
		file = l.file.Bytes()
	})
	return file
}

func openFile(t *testing.T, file []byte) *capture.Reader {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// onPlayback calls f with the near end of a playback in a bubble.
func onPlayback(t *testing.T, file []byte, cfg *capture.PlayConfig, f func(t *testing.T, near *virtual.Port, p *capture.Playback)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		p := capture.Play(far, openFile(t, file), cfg)
		defer p.Close()
		f(t, near, p)
	})
}

// act plays the near side of a conversation, in pieces of the given size.
func act(t *testing.T, near port.Port, steps []step, size int) {
	t.Helper()
	for _, s := range steps {
		text := s.text
		if !s.near {
			text = strings.ReplaceAll(text, "hunter22", capture.Mask)
			got := make([]byte, len(text))
			near.SetReadDeadline(time.Now().Add(time.Minute))
			if n, err := io.ReadFull(near, got); err != nil || string(got) != text {
				t.Fatalf("received %q, %v; want %q", got[:n], err, text)
			}
			continue
		}
		for text != "" {
			n := min(size, len(text))
			if _, err := near.Write([]byte(text[:n])); err != nil {
				t.Fatalf("write %q: %v", text[:n], err)
			}
			text = text[n:]
		}
	}
}

func ended(t *testing.T, near port.Port) {
	t.Helper()
	near.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, port.ErrCarrierLost) {
		t.Errorf("after the end: %v, want the carrier lost", err)
	}
}

// TestPlay plays a recording to a near side that does the same, with other
// passwords, in pieces of any size.
func TestPlay(t *testing.T) {
	file := recordSteps(t, "hunter22", login)
	for _, password := range []string{"hunter22", "x", "another, and a longer one"} {
		for size := 1; size < 20; size += 3 {
			onPlayback(t, file, nil, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
				start := time.Now()
				steps := append([]step(nil), login...)
				for i := range steps {
					steps[i].text = strings.ReplaceAll(steps[i].text, "hunter22", password)
				}
				act(t, near, steps, size)
				ended(t, near)
				<-p.Done()
				if err := p.Err(); err != nil {
					t.Errorf("password %q in pieces of %d: %v", password, size, err)
				}
				if d := time.Since(start); d != 0 {
					t.Errorf("it took %v, want no time", d)
				}
			})
		}
	}
}

func TestPlayWithRecordedTimes(t *testing.T) {
	file := recordSteps(t, "hunter22", login)
	for _, speed := range []float64{1, 2, 0.5} {
		onPlayback(t, file, &capture.PlayConfig{Speed: speed}, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
			start := time.Now()
			act(t, near, login, 100)
			ended(t, near)
			// Three of the four seconds of what the peer sends; its first event is
			// the state of the lines, a second earlier.
			if d, want := time.Since(start), time.Duration(4*float64(time.Second)/speed); d != want {
				t.Errorf("speed %v: it took %v, want %v", speed, d, want)
			}
		})
	}
}

// TestDivergence has near sides that send something else, less, or more.
func TestDivergence(t *testing.T) {
	file := recordSteps(t, "hunter22", login)
	tests := []struct {
		name  string
		steps []step
		close bool
		want  string
	}{
		{"another text", []step{login[0], {true, "jim\r"}}, false, `the recording diverges at event 3 (offset 228, after 2s): "joe\r" is sent there, and "jim\r" was sent`},
		{"less", []step{login[0], {true, "jo"}}, true, `at event 3 (offset 228, after 2s): it goes on with "e\r" sent, and the line was closed`},
		{"the password in the wrong place", []step{login[0], {true, "swordfish\r"}}, false, `"joe\r" is sent there, and "***`},
		{"another line end", append(login[:3:3], step{true, "pw\n"}), true, `it goes on with "\r" sent, and the line was closed`},
		{"after the password", append(login[:6:6], step{true, "pw once\r"}), true, `it goes on with " again\r" sent`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onPlayback(t, file, nil, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
				p.Hide("swordfish")
				act(t, near, test.steps, 100)
				if test.close {
					near.Close()
				} else {
					ended(t, near)
				}
				err := p.Close()
				var d *capture.DivergenceError
				if !errors.As(err, &d) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got  %v\nwant %s", err, test.want)
				}
			})
		})
	}
}

// TestHold sends more after the last data, also while the end is a second away.
func TestHold(t *testing.T) {
	file := recordSteps(t, "hunter22", append(login[:len(login):len(login)], step{false, ""}))
	for _, speed := range []float64{0, 1} {
		onPlayback(t, file, &capture.PlayConfig{Hold: true, Speed: speed}, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
			act(t, near, login, 100)
			near.Write([]byte("more"))
			near.SetReadDeadline(time.Now().Add(time.Hour))
			if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read %v, want silence", err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHoldAfterTooMuch sends more before the last data is played.
func TestHoldAfterTooMuch(t *testing.T) {
	file := recordSteps(t, "hunter22", login)
	onPlayback(t, file, &capture.PlayConfig{Hold: true, Speed: 1}, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
		steps := slices.Clone(login)
		steps[6].text += "more"
		act(t, near, steps, 100)
		ended(t, near)
		if err := p.Close(); err == nil || !strings.Contains(err.Error(), `nothing more is sent there, and "more" was sent`) {
			t.Errorf("got %v", err)
		}
	})
}

// TestPlayLinesAndBreaks plays a modem that raises DCD, rings, hangs up when DTR
// falls, and sends a break.
func TestPlayLinesAndBreaks(t *testing.T) {
	file := func() []byte {
		var file []byte
		onLine(t, &capture.Config{Watch: true}, func(l *line) {
			lines := l.near.(port.LineController)
			l.far.Drive(port.Inputs, port.CTS|port.DSR)
			synctest.Wait()
			l.send("ATD\r")
			l.far.Drive(port.Inputs, port.CTS|port.DSR|port.DCD)
			synctest.Wait()
			l.receive("CONNECT\r\n")
			l.far.SendBreak(l.t.Context(), 0)
			synctest.Wait()
			lines.SetLines(port.DTR, 0)
			l.far.Drive(port.Inputs, port.CTS|port.DSR)
			synctest.Wait()
			l.receive("NO CARRIER\r\n")
			l.near.Close()
			l.w.Close()
			file = l.file.Bytes()
		})
		return file
	}()
	onPlayback(t, file, nil, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
		synctest.Wait()
		check := func(when string, want port.Lines) {
			t.Helper()
			if got, err := near.Lines(); err != nil || got&port.Inputs != want {
				t.Errorf("%s: lines %v, %v; want %v", when, got&port.Inputs, err, want)
			}
		}
		check("at first", port.CTS|port.DSR)
		act(t, near, []step{{true, "ATD\r"}, {false, "CONNECT\r\n"}}, 9)
		check("after CONNECT", port.CTS|port.DSR|port.DCD)
		peertest.Pass(time.Second)
		if s, err := near.Stats(); err != nil || s.Breaks != 1 {
			t.Errorf("%d breaks received, %v; want 1", s.Breaks, err)
		}
		check("before DTR falls", port.CTS|port.DSR|port.DCD)
		near.SetLines(port.DTR, 0)
		act(t, near, []step{{false, "NO CARRIER\r\n"}}, 9)
		ended(t, near)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPlayOneOfSeveralPorts(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		a, b := virtual.Pair(virtual.Names(fmt.Sprint("line", i), "far"))
		p := capture.Record(a, w)
		fmt.Fprintf(b, "this is %d", i)
		p.Read(make([]byte, 99))
		p.Close()
		b.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	onPlayback(t, file.Bytes(), &capture.PlayConfig{Port: "line1"}, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
		act(t, near, []step{{false, "this is 1"}}, 1)
		ended(t, near)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"", "line7"} {
		onPlayback(t, file.Bytes(), &capture.PlayConfig{Port: name}, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
			<-p.Done()
			var choice *capture.PortError
			if err := p.Close(); !errors.As(err, &choice) || choice.Name != name || !strings.Contains(err.Error(), `"line1"`) {
				t.Errorf("port %q: %v, want a PortError that names the ports", name, err)
			}
		})
	}
}

// TestPlayCutRecording plays up to where a recording is cut off.
func TestPlayCutRecording(t *testing.T) {
	file := recordSteps(t, "hunter22", login)
	at := blocks(file)
	onPlayback(t, file[:at[5]+9], nil, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
		act(t, near, login[:2], 1)
		ended(t, near)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestPlayGenerated records random conversations and plays them to a near side
// that does the same in other pieces.
func TestPlayGenerated(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var steps []step
		for range 1 + rnd.IntN(20) {
			text := make([]byte, 1+rnd.IntN(200))
			for i := range text {
				text[i] = byte(rnd.IntN(256))
			}
			steps = append(steps, step{rnd.IntN(2) == 0, string(text)})
		}
		onPlayback(t, recordSteps(t, "", steps), nil, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
			act(t, near, steps, 1+rnd.IntN(50))
			near.SetReadDeadline(time.Now().Add(time.Second))
			near.Read(make([]byte, 1))
			if err := p.Close(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}

// TestNearObeysDeadlines writes to a playback that cannot compare, since nothing
// reads what it sends: the deadline and Close end the wait for it.
func TestNearObeysDeadlines(t *testing.T) {
	file := recordSteps(t, "hunter22", []step{{false, strings.Repeat("x", 4000)}, {true, "joe\r"}})
	for _, v := range []struct {
		name string
		end  func(p port.Port)
	}{
		{"a write deadline", func(p port.Port) { p.SetWriteDeadline(time.Now()) }},
		{"a deadline", func(p port.Port) { p.SetDeadline(time.Now()) }},
		{"close", func(p port.Port) { p.Close() }},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair(virtual.BufferSize(16))
				defer near.Close()
				play := capture.Play(far, openFile(t, file), nil)
				p := play.Near(near)
				start := time.Now()
				time.AfterFunc(time.Millisecond, func() { v.end(p) })
				p.Write([]byte("joe\r"))
				if d := time.Since(start); d > time.Millisecond {
					t.Errorf("Write returned after %v", d)
				}
				near.Close()
				play.Close()
			})
		})
	}
}

// TestPlaySpeeds has speeds at which a pause is too long for a time.Duration, or none.
func TestPlaySpeeds(t *testing.T) {
	file := recordSteps(t, "", []step{{false, "a"}, {false, "b"}})
	for _, tt := range []struct {
		speed   float64
		arrives bool
	}{{1e-300, false}, {1e-12, false}, {0.5, true}, {1e300, true}, {math.Inf(1), true}, {math.NaN(), true}, {-1, true}} {
		onPlayback(t, file, &capture.PlayConfig{Speed: tt.speed}, func(t *testing.T, near *virtual.Port, p *capture.Playback) {
			near.SetReadDeadline(time.Now().Add(time.Hour))
			n, err := io.ReadFull(near, make([]byte, 2))
			if (err == nil) != tt.arrives {
				t.Errorf("speed %v: %d bytes, %v", tt.speed, n, err)
			}
		})
	}
}
