package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

// TestNoEchoOfASecretIsInTheFile sends each secret, has it echoed in every form
// of package echo, in pieces of several sizes, and looks for it in every byte of
// the file.
func TestNoEchoOfASecretIsInTheFile(t *testing.T) {
	for _, secret := range echo.Secrets {
		for _, e := range echo.Of(secret) {
			for _, size := range []int{1, 3, 1000} {
				if e.Pause >= 0 && size != 1 {
					continue
				}
				t.Run(fmt.Sprintf("%d bytes/%s/%d", len(secret), e.Name, size), func(t *testing.T) {
					t.Parallel()
					var file []byte
					events := onLine(t, nil, func(l *line) {
						l.near.(port.Hider).Hide(secret)
						l.receive("Password: ")
						for i := range secret {
							l.send(secret[i : i+1])
						}
						l.send("\r")
						for b := e.Bytes; len(b) > 0; b = b[min(size, len(b)):] {
							l.receive(string(b[:min(size, len(b))]))
							peertest.Pass(e.Pause)
						}
						l.receive("\r\nWelcome")
						slog.New(l.w.Handler()).Warn("failed with "+secret, "text", string(e.Bytes))
						l.near.Close()
						l.w.Close()
						file = l.file.Bytes()
					})
					if piece := echo.Leak(string(file), secret); piece != "" {
						t.Errorf("the file shows %q:\n%s", piece, short(events))
					}
					if got := short(events); !strings.Contains(got, "Password: ") || !strings.Contains(got, "Welcome") {
						t.Errorf("more than the secret is hidden:\n%s", got)
					}
				})
			}
		}
	}
}

func TestHiddenPiecesAreMarked(t *testing.T) {
	events := onLine(t, nil, func(l *line) {
		l.w.Hide("hunter22")
		l.receive("login: hunt")
		l.receive("er22 and again hunter22!")
		l.send("hunter22\r")
		peertest.Pass(time.Second)
		l.receive("a hunt")
		l.send("x")
		peertest.Pass(time.Second)
		l.receive("and so on")
	})
	got := short(events[1 : len(events)-1])
	want := `0 received "login: ********" [{7 8}]
0 received " and again ********!" [{11 8}]
0 sent "********\r" [{0 8}]
0 received "a ********" [{2 8}]
0 sent "x"
0 received "and so on"
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if d := events[4].Time.Sub(events[3].Time); d != time.Second {
		t.Errorf("what was held back has a time %v after the event before, want 1s", d)
	}
}

// TestHeldBytesKeepTheOrder holds bytes back that may be the start of a secret,
// and so what follows in either direction.
func TestHeldBytesKeepTheOrder(t *testing.T) {
	onLine(t, nil, func(l *line) {
		l.w.Hide("secret")
		l.receive("choose")
		l.receive(" s")
		l.send("1\r")
		peertest.Pass(150 * time.Millisecond)
		if got := short(readAll(t, l.file.Bytes())); !strings.Contains(got, `"choose"`) || strings.Contains(got, `1\r`) {
			t.Errorf("after 150 ms the file has\n%s", got)
		}
		peertest.Pass(51 * time.Millisecond)
		if got := short(readAll(t, l.file.Bytes())); !strings.Contains(got, `" s"`) || !strings.Contains(got, `1\r`) {
			t.Errorf("after 201 ms the file has\n%s", got)
		}
	})
}

func TestShortSecrets(t *testing.T) {
	events := onLine(t, nil, func(l *line) {
		l.receive("a cab is here\r\npassword: ")
		l.near.(port.Hider).Hide("ab")
		l.send("ab\r")
		l.receive("ab\r\na cab is here\r\n")
		l.send("ab\r")
	})
	want := `0 received "a cab is here\r\npassword: "
0 sent "********\r" [{0 8}]
0 received "********\r\na cab is here\r\n" [{0 8}]
0 sent "ab\r"
`
	if got := short(events[1 : len(events)-1]); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestShortSecretWithAFullQueue hides a short secret while a disk that hangs has
// filled the memory.
func TestShortSecretWithAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, w, p, far := newStuckLine(t)
		buf := make([]byte, 4096)
		for range 600 {
			far.Write(buf)
			io.ReadFull(p, buf)
		}
		for range 100 { // what is left of the memory
			far.Write(buf[:1])
			p.Read(buf)
		}
		p.(port.Hider).Hide("q7z")
		p.Write([]byte("q7z"))
		close(stuck.free)
		peertest.Pass(time.Second)
		far.Write([]byte("q7z\r\n"))
		p.Read(buf)
		p.Close()
		if err := w.Close(); !errors.As(err, new(*capture.WriteError)) {
			t.Errorf("Close: %v, want a WriteError: the queue was not full", err)
		}
		if bytes.Contains(stuck.kept.Bytes(), []byte("q7z")) {
			t.Error("the echo of the secret is in the file")
		}
	})
}

// TestManySecretsInOneEvent fills an event with as many secrets as it can hold:
// the reader accepts its block.
func TestManySecretsInOneEvent(t *testing.T) {
	const n = 40_000
	events := onLine(t, nil, func(l *line) {
		l.w.Hide("a")
		done := make(chan bool)
		go func() {
			io.ReadFull(l.far, make([]byte, 2*n))
			close(done)
		}()
		if _, err := io.WriteString(l.near, strings.Repeat("a ", n)); err != nil {
			t.Error(err)
		}
		<-done
	})
	hidden := 0
	for _, e := range events {
		hidden += len(e.Secrets)
	}
	if hidden != n {
		t.Errorf("%d secrets are hidden, want %d", hidden, n)
	}
}

// TestNotesStayReadable has passwords that are ordinary words, and parts of what
// the library notes.
func TestNotesStayReadable(t *testing.T) {
	for _, password := range []string{"secret", "device", "Connected", "hidden"} {
		events := onLine(t, nil, func(l *line) {
			l.w.Hide(password)
			slog.New(l.w.Handler()).Info("state", "state", "RASCS_DeviceConnected", "text", "all is fine, please wait: se")
			l.send(password + "\r")
		})
		got := short(events[1 : len(events)-1])
		want := "0 note (state state=RASCS_DeviceConnected text=\"all is fine, please wait: se\")\n" +
			"0 sent \"********\\r\" [{0 8}]\n"
		if got != want {
			t.Errorf("password %q: got\n%swant\n%s", password, got, want)
		}
	}
}

// TestPiecesChangeNothing cuts the same streams in different ways: what the file
// has of each direction is the same.
func TestPiecesChangeNothing(t *testing.T) {
	text := strings.Repeat("login: joe\r\nPassword: hunter22\r\n\x00\xff~hunterhunter22 hunt er22\r\n", 5)
	run := func(t *testing.T, seed uint64) (sent, received string) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		events := onLine(t, nil, func(l *line) {
			l.w.Hide("hunter22")
			for _, f := range []func(string){l.receive, l.send} {
				for rest := text; rest != ""; {
					n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(60)))
					f(rest[:n])
					rest = rest[n:]
					if seed > 0 && rnd.IntN(4) == 0 {
						peertest.Pass(50 * time.Millisecond)
					}
				}
			}
		})
		for _, e := range events {
			switch e.Kind {
			case capture.Sent:
				sent += string(e.Data)
			case capture.Received:
				received += string(e.Data)
			}
		}
		return sent, received
	}
	whole, _ := run(t, 0)
	for seed := range uint64(100) {
		sent, received := run(t, seed)
		if sent != whole || received != whole {
			t.Fatalf("seed %d: sent %q, received %q, want %q", seed, sent, received, whole)
		}
	}
}

// FuzzPieces records any bytes in any pieces and reads them again.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("login: joe\r\n"), uint16(3))
	f.Add([]byte{0, 255, 10, 13, 10}, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		size := int(cut)%2000 + 1
		synctest.Test(t, func(t *testing.T) {
			var file bytes.Buffer
			w, err := capture.NewWriter(&file, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, b := virtual.Pair(virtual.BufferSize(len(data) + 1))
			defer b.Close()
			p := capture.Record(a, w)
			defer p.Close()
			b.Write(data)
			got := make([]byte, len(data))
			for rest := got; len(rest) > 0; {
				n, err := p.Read(rest[:min(size, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				if n, err = p.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			var all [2][]byte
			for _, e := range readAll(t, file.Bytes()) {
				switch e.Kind {
				case capture.Sent:
					all[0] = append(all[0], e.Data...)
				case capture.Received:
					all[1] = append(all[1], e.Data...)
				}
			}
			if !bytes.Equal(all[0], data) || !bytes.Equal(all[1], data) {
				t.Errorf("sent %q, received %q, want %q", all[0], all[1], data)
			}
		})
	})
}

// TestPortsStayInOrder masks many events together and looks for those of two ports
// in the order in which they arrived.
func TestPortsStayInOrder(t *testing.T) {
	events := onLine(t, nil, func(l *line) {
		l.w.Hide("hunter22")
		near, far := virtual.Pair()
		defer far.Close()
		second := &line{t: t, w: l.w, near: capture.Record(near, l.w), far: far}
		defer second.near.Close()
		for range 3000 {
			l.receive("first")
			second.receive("second")
		}
	})
	want := 0
	for i, e := range events {
		if e.Kind != capture.Received {
			continue
		}
		if e.Port != want {
			t.Fatalf("event %d is of port %d, want %d", i, e.Port, want)
		}
		want = 1 - want
	}
}

// TestCutNotes has notes that are cut within a secret.
func TestCutNotes(t *testing.T) {
	const most = 4 << 10 // bytes of a note
	for _, secret := range []string{"pass", "hunter2x", "a-very-long-pass-phrase"} {
		for shown := 2; shown < len(secret); shown++ {
			events := onLine(t, nil, func(l *line) {
				l.w.Hide(secret)
				log := slog.New(l.w.Handler())
				log.Info(strings.Repeat("x", most-shown) + secret + " and more")
				log.Info("state", "state", "RASCS_Authenticate", "text", strings.Repeat("x", most-len("state state=RASCS_Authenticate text=")-shown)+secret)
			})
			notes := 0
			for _, e := range events {
				if e.Kind != capture.Note {
					continue
				}
				notes++
				if strings.Contains(e.Note, "x"+secret[:2]) || !strings.HasSuffix(e.Note, "…") {
					t.Errorf("%d bytes of %q at the end of a note: it ends with %q", shown, secret, e.Note[len(e.Note)-32:])
				}
			}
			if notes != 2 {
				t.Errorf("%d notes, want 2", notes)
			}
		}
	}
}

func TestSecretInTheNameOfAPort(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, nil)
	if err != nil {
		t.Fatal(err)
	}
	near, far := virtual.Pair(virtual.Names("tcp://joe:hunter2x@host", "far"))
	defer far.Close()
	w.Hide("hunter2x")
	capture.Record(near, w).Close()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file.Bytes(), []byte("hunter2x")) {
		t.Errorf("the file has the secret:\n%q", file.Bytes())
	}
}
