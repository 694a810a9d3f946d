package script

import (
	"bytes"
	"context"
	"regexp"
	"time"
)

// Shell runs commands on a peer that shows a prompt after each: a router, a
// switch, a shell. Set the exported fields before the first Run. It is for use
// by one goroutine at a time.
type Shell struct {
	// Dialog is the line. It must be set.
	Dialog *Dialog

	// Prompt ends the output of a command. It must be set. A Text such as
	// "router# " is best; a prompt that occurs in the output ends it early.
	Prompt Pattern

	// More is what the peer shows when a page is full. It is answered with
	// MoreKey and is not part of the output. Default: --More-- and its like,
	// in any letter case.
	More Pattern

	// MoreKey is the answer to More. Default: a space.
	MoreKey string

	// LineEnd is sent after a command. Default: CR.
	LineEnd string

	// Timeout bounds one command. Default, and for 0: a minute. Negative: no
	// limit.
	Timeout time.Duration
}

var morePrompt = Regexp(regexp.MustCompile(`(?i)(?: ?-{2,3} ?more ?--|<-* ?more ?-*>|---\(more[^)\r\n]*\)---|press any key to continue)`))

// Run sends a command and returns its output: what arrives up to the prompt,
// without the echo of the command, the page prompts and what the peer sends to
// erase them. The error is that of Dialog.WaitFor, with the output up to there.
func (s *Shell) Run(ctx context.Context, command string) ([]byte, error) {
	timeout, more, key, end := s.Timeout, s.More, s.MoreKey, s.LineEnd
	if timeout == 0 {
		timeout = time.Minute
	}
	if more == nil {
		more = morePrompt
	}
	if key == "" {
		key = " "
	}
	if end == "" {
		end = "\r"
	}
	start := time.Now()
	if err := s.Dialog.Send(ctx, []byte(command+end)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	erasing := false // whether the erasure of a page prompt may follow
	for {
		left := timeout
		if timeout > 0 {
			left = max(timeout-time.Since(start), time.Nanosecond)
		}
		var page bytes.Buffer
		m, err := s.Dialog.ReadUntil(ctx, &page, left, s.Prompt, more)
		text := page.Bytes()
		if erasing {
			text = text[len(erasure.Find(text)):]
		}
		out.Write(text)
		if err != nil || m.Index == 0 {
			return withoutEcho(out.Bytes(), command), err
		}
		if err := s.Dialog.Send(ctx, []byte(key)); err != nil {
			return withoutEcho(out.Bytes(), command), err
		}
		erasing = true
	}
}

// erasure is what a peer sends to erase a page prompt: backspaces, spaces and
// backspaces over it, or CR, spaces and CR, or a terminal's erase sequence.
var erasure = regexp.MustCompile("^ ?(?:\x08+ *\x08+|\x08+|\r +\r|\r?\x1b\\[[02]?K\r?)+")

// withoutEcho removes the echo of a command from the front of its output.
func withoutEcho(b []byte, command string) []byte {
	rest, ok := bytes.CutPrefix(b, []byte(command))
	if !ok {
		return b
	}
	rest = bytes.TrimLeft(rest, "\r")
	return bytes.TrimPrefix(rest, []byte("\n"))
}
