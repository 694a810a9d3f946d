package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scriptfile"
	"github.com/rasline/rasline/script/scripttest"
)

// conversation records what is received ("<…") and sent (">…").
func conversation(t *testing.T, path string, steps ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w, err := capture.NewWriter(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		near, far := virtual.Pair(virtual.NoLines())
		defer far.Close()
		p := capture.Record(near, w)
		for _, s := range steps {
			from, to := port(p), port(far)
			if s[0] == '<' {
				from, to = to, from
			}
			from.Write([]byte(s[1:]))
			io.ReadFull(to, make([]byte, len(s)-1))
			peertest.Pass(time.Second)
		}
		p.Close()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

type port io.ReadWriter

// TestDraftsOfStrangeConversations has what a draft could take for its own
// language. rasline and chat(8) run the drafts.
func TestDraftsOfStrangeConversations(t *testing.T) {
	var every strings.Builder
	for i := range 300 {
		every.WriteByte(byte(i * 7))
	}
	long := strings.Repeat("abcdefghij", 110) // more than a line of chat(8)
	for name, steps := range map[string][]string{
		"keywords": {"<ECHO", ">a\r", "<ABORT", ">b\r", "<TIMEOUT", ">c\r", "<SAY", ">d\r", "<HANGUP", ">e\r", "<REPORT", ">f\r", "<CLR_ABORT", ">g\r", "<CLR_REPORT", ">ABORT\r"},
		"aborts":   {">ATDT1\r", "<\r\nBUSY\r\n", ">ATDT2\r", "<NO CARRIER since 10:02, try line 2: ", ">2\r", "<CONNECT\r\n"},
		"binary":   {"<\x01\x02\x05", ">" + every.String(), "<\x1b[6n", ">\x00\r", "<\xff\xfe", ">\xff\xfe\x80", "<ok> "},
		"long":     {"<login: ", ">" + long + "\r", "<" + long + ": ", ">x\r"},
		"quotes":   {"<it's \"q\" \\ ^M <cr> $x: ", ">'\"\\^M<cr>$USERID-a\r", "<-a-b-: ", ">x -y\r", "<@x: ", ">@/etc/passwd\r", "<#k: ", ">#x\r", "< ", "> "},
		"words":    {"<a: ", ">EOT\r", "<b: ", ">EOT", "<c: ", ">BREAK\r", "<d: ", ">BREAK", "<f: ", ">\r", "<g: ", ">\n", "<h: ", ">\r\n", "<i: ", ">\\c"},
	} {
		path := filepath.Join(t.TempDir(), "line\nhangup\n.pcapng") // which a comment must not end at
		conversation(t, path, steps...)
		for _, language := range []string{"scp", "chat"} {
			t.Run(name+"/"+language, func(t *testing.T) {
				draft, _ := rastrace(t, exitOK, language, path)
				s, err := scriptfile.Load("draft."+language, []byte(draft), nil)
				if err != nil {
					t.Fatalf("%v\n%s", err, draft)
				}
				synctest.Test(t, func(t *testing.T) {
					near, far := virtual.Pair()
					defer near.Close()
					host := scripttest.NewPlayback(far, open(t, path), nil)
					_, err := script.Run(t.Context(), near, s.Executor(), &script.Config{Params: &ras.DialParams{}})
					if closeErr := host.Close(); err != nil || closeErr != nil {
						t.Errorf("the draft: %v; the playback: %v\n%s", err, closeErr, draft)
					}
				})
			})
		}
		t.Run(name+"/chat(8)", func(t *testing.T) {
			t.Parallel() // it sends a byte each 10 ms
			chat := peertest.Program(t, "chat")
			draft, _ := rastrace(t, exitOK, "chat", path)
			runChat(t, chat, draft, path)
		})
	}
}

// runChat has chat(8) run a draft on a pseudo-terminal on which the recording is
// played.
func runChat(t *testing.T, chat, draft, path string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "draft.chat")
	if err := os.WriteFile(file, []byte(draft), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.OpenFile(pair.Name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	host := scripttest.NewPlayback(pair.Port, open(t, path), &scripttest.PlaybackConfig{Hold: true})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chat, "-s", "-f", file)
	var log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = line, line, &log
	if err := cmd.Run(); err != nil {
		t.Errorf("chat: %v\n%s\n%s", err, log.Bytes(), draft)
	}
	if err := host.Close(); err != nil {
		t.Errorf("the playback: %v\n%s", err, draft)
	}
}
