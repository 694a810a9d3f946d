package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rasline/rasline/port/capture"
)

// turn is a step of a conversation: what was received, and the answer.
type turn struct {
	received []byte
	sent     []piece
}

// piece is a part of what was sent; a hidden one is a secret.
type piece struct {
	text   string
	hidden bool
}

var errNothing = errors.New("nothing was sent or received: there is nothing to make a script of")

// turns reads the conversation. Characters that the peer echoed one by one are
// one answer.
func (p *program) turns() ([]turn, error) {
	var all []turn
	last := func() *turn { return &all[len(all)-1] }
	var echo []byte // what the peer is expected to echo, as far as it did not
	var several *capture.PortError
	err := p.each(func(r *capture.Reader, e *capture.Event) {
		if ports := r.Ports(); len(ports) > 1 && p.port == "" {
			several = &capture.PortError{Ports: ports}
		}
		switch e.Kind {
		case capture.Received:
			if len(all) == 0 || len(last().sent) > 0 {
				if len(e.Data) <= len(echo) && bytes.HasPrefix(echo, e.Data) && !bytes.ContainsAny(e.Data, "\r\n") {
					echo = echo[len(e.Data):]
					return
				}
				all = append(all, turn{})
			}
			echo = nil
			if n := len(e.Secrets); n > 0 {
				// What was masked cannot be waited for.
				s := e.Secrets[n-1]
				last().received = append(append(last().received, 0), e.Data[s.Offset+s.Len:]...)
				return
			}
			last().received = append(last().received, e.Data...)
		case capture.Sent:
			if len(all) == 0 {
				all = append(all, turn{})
			}
			at := 0
			for _, s := range e.Secrets {
				last().send(string(e.Data[at:s.Offset]), false)
				last().send("", true)
				at = s.Offset + s.Len
			}
			last().send(string(e.Data[at:]), false)
			echo = append(echo, e.Data...)
		}
	})
	switch {
	case err == nil && several != nil:
		err = several
	case err == nil && len(all) == 0:
		err = errNothing
	}
	return all, err
}

func (t *turn) send(text string, hidden bool) {
	n := len(t.sent)
	switch {
	case text == "" && !hidden:
	case n > 0 && t.sent[n-1].hidden == hidden:
		t.sent[n-1].text += text
	default:
		t.sent = append(t.sent, piece{text, hidden})
	}
}

// maxPrompt bounds the text that a draft waits for.
const maxPrompt = 40

// prompt returns what to wait for before the answer: the end of the last text
// that was received, or the last control character.
func (t *turn) prompt() string {
	b := t.received
	for end := len(b); end > 0; {
		if !readable(b[end-1]) {
			end--
			continue
		}
		start := end
		for start > 0 && readable(b[start-1]) {
			start--
		}
		if text := string(b[max(start, end-maxPrompt):end]); isText(text) {
			if end == len(b) {
				return strings.TrimLeft(text, " ")
			}
			return strings.TrimSpace(text)
		}
		end = start
	}
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 && b[i] < 0x7F {
			return string(b[i])
		}
	}
	return ""
}

// isText reports whether s is something that people read, such as "$ " or
// "login: ", and not a part of a PPP frame that happens to be of ASCII.
func isText(s string) bool {
	words := 0
	for _, c := range []byte(s) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			words++
		}
	}
	s = strings.TrimSpace(s)
	return s != "" && (2*words >= len(s) || strings.Trim(s, "$#%>:?") == "")
}

func readable(c byte) bool { return c >= ' ' && c < 0x7F }

// comment returns the name of the recording for a comment of a draft, which a
// name of several lines must not leave.
func (p *program) comment() string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(p.title(), "?"))
}

// scp writes a draft in the language of .scp files.
func (p *program) scp() error {
	turns, err := p.turns()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.out)
	fmt.Fprintf(out, "; A draft made of %s by rastrace: see what depends on the peer.\n", p.comment())
	fmt.Fprint(out, "; $PASSWORD is sent where a secret was hidden in the recording.\n\nproc main\n")
	for _, t := range turns {
		if prompt := t.prompt(); prompt != "" {
			fmt.Fprintf(out, "  waitfor \"%s\", matchcase until 60\n", scpText(prompt))
			fmt.Fprintf(out, "  if $FAILURE then\n    halt\n  endif\n")
		}
		for _, s := range t.sent {
			if s.hidden {
				fmt.Fprintln(out, "  transmit $PASSWORD, raw")
			} else {
				fmt.Fprintf(out, "  transmit \"%s\"\n", scpText(s.text))
			}
		}
	}
	fmt.Fprint(out, "endproc\n")
	return out.Flush()
}

// scpText writes a text as it is written between the quotes of a string.
func scpText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			b.WriteByte('^')
			b.WriteByte(c + '@')
		case strings.IndexByte(`"^<\`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// chat writes a draft in the language of chat(8).
func (p *program) chat() error {
	turns, err := p.turns()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.out)
	fmt.Fprintf(out, "# A draft made of %s by rastrace: see what depends on the peer.\n", p.comment())
	fmt.Fprint(out, "# Replace PASSWORD by the password; \\q keeps it out of the log.\nTIMEOUT 60\n")
	for _, s := range [...]string{"BUSY", "NO CARRIER"} {
		// One that was received did not end the conversation.
		if !slices.ContainsFunc(turns, func(t turn) bool { return bytes.Contains(t.received, []byte(s)) }) {
			fmt.Fprintf(out, "ABORT '%s'\n", s)
		}
	}
	for _, t := range turns {
		fmt.Fprintf(out, "'%s'", chatWord(chatText(t.prompt())))
		if len(t.sent) == 0 { // what is received last
			fmt.Fprint(out, " '\\c'\n")
			continue
		}
		sent := inLines(t.sent)
		for i, pieces := range sent {
			if i > 0 {
				fmt.Fprint(out, "''")
			}
			fmt.Fprintf(out, " '%s'\n", chatWord(chatSend(pieces, i < len(sent)-1)))
		}
	}
	return out.Flush()
}

// maxLine bounds the bytes of an answer in a line of a chat script: chat(8) reads
// lines of 1023 characters, and a byte is up to four of them.
const maxLine = 200

// inLines splits an answer into those of several lines.
func inLines(sent []piece) (lines [][]piece) {
	var line []piece
	size := 0
	for _, s := range sent {
		for {
			if size >= maxLine {
				lines, line, size = append(lines, line), nil, 0
			}
			n := min(len(s.text), maxLine-size)
			if len(s.text)-n == 1 {
				n-- // a CR at the end has text before it
			}
			line = append(line, piece{s.text[:n], s.hidden})
			size += max(n, len("PASSWORD"))
			if s.text = s.text[n:]; s.text == "" {
				break
			}
			size = maxLine
		}
	}
	return append(lines, line)
}

// chatWords are the words that chat(8) does not take as text, unless a character is
// escaped.
var chatWords = []string{"ABORT", "BREAK", "CLR_ABORT", "CLR_REPORT", "ECHO", "EOT", "HANGUP", "REPORT", "SAY", "TIMEOUT"}

func chatWord(s string) string {
	if slices.Contains(chatWords, s) {
		return fmt.Sprintf(`\%03o`, s[0]) + s[1:]
	}
	return s
}

// chatText writes bytes as they are written between single quotes.
func chatText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c >= 0x7F || strings.IndexByte(`'"-^$@`, c) >= 0:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// chatSend writes an answer, or a part of one that another line continues. chat(8)
// adds a CR, which \c keeps away.
func chatSend(pieces []piece, continued bool) string {
	var b strings.Builder
	cr := false
	for i, s := range pieces {
		text := s.text
		if cr = !continued && !s.hidden && i == len(pieces)-1 && strings.HasSuffix(text, "\r"); cr {
			text = strings.TrimSuffix(text, "\r")
		}
		if s.hidden {
			b.WriteString(`\qPASSWORD`)
			if i < len(pieces)-1 && (len(pieces) > 2 || pieces[i+1].text != "\r") {
				b.WriteString(`\q`)
			}
			continue
		}
		b.WriteString(strings.ReplaceAll(chatText(text), `\000`, `\N`))
	}
	if !cr {
		b.WriteString(`\c`)
	}
	return b.String()
}
