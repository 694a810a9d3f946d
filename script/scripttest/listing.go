package scripttest

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/rasline/rasline/internal/mask"
)

// String lists the conversation for people, one line for what one side sent
// before the other did: the time, "<" for sent and ">" for received (the
// client's view), the bytes quoted. A password shows as ***, wherever it is and
// however it is echoed: that of the configuration, and what was received at a
// password prompt. The data that passes through a Modem shows as "7 bytes".
func (t *Transcript) String() string {
	var b strings.Builder

	// Join neighbours of the same direction, with every run of secret bytes
	// replaced by three asterisks.
	all := t.Records()
	how := t.visibilities(all)
	var out []listed
	var masked [2]bool // per direction: whether a run of secret bytes continues
	for _, r := range all {
		w := way(r.Sent)
		for rest := r.Data; len(rest) > 0; {
			v, n := how[w][0], 1
			for n < len(rest) && how[w][n] == v {
				n++
			}
			piece := listed{Record: Record{At: r.At, Sent: r.Sent, Data: bytes.Clone(rest[:n])}}
			how[w], rest = how[w][n:], rest[n:]
			goesOn := masked[w] && v == secret
			masked[w] = v == secret
			switch {
			case goesOn:
				continue
			case v == secret:
				piece.Data = []byte(mask.Mark)
			case v == counted:
				piece.Data, piece.count = nil, n
			}
			last := len(out) - 1
			if last < 0 || out[last].Sent != r.Sent || (out[last].count > 0) != (piece.count > 0) {
				out = append(out, piece)
				continue
			}
			out[last].Data = append(out[last].Data, piece.Data...)
			out[last].count += piece.count
		}
	}

	for _, l := range out {
		mark := '>'
		if l.Sent {
			mark = '<'
		}
		fmt.Fprintf(&b, "%8.3fs %c ", l.At.Seconds(), mark)
		switch l.count {
		case 0:
			fmt.Fprintf(&b, "%q\n", l.Data)
		case 1:
			b.WriteString("1 byte\n")
		default:
			fmt.Fprintf(&b, "%d bytes\n", l.count)
		}
	}
	return b.String()
}

// Format prints what String returns under every verb.
func (t *Transcript) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// listed is one line of a listing. If count is not 0 it represents so many bytes
// of data that are not shown.
type listed struct {
	Record
	count int
}

// How a byte is shown.
type visibility uint8

const (
	shown visibility = iota
	secret
	counted
)

// visibilities returns for each direction how each of its bytes is shown.
func (t *Transcript) visibilities(all []Record) (how [2][]visibility) {
	var text [2][]byte
	for _, r := range all {
		v := shown
		if r.Secret {
			v = secret
		}
		w := way(r.Sent)
		text[w] = append(text[w], r.Data...)
		for range r.Data {
			how[w] = append(how[w], v)
		}
	}
	t.hidePasswords(all, &how)
	if !t.commands {
		return how
	}
	for w := range how {
		for _, m := range withSecret.FindAllSubmatchIndex(text[w], -1) {
			fill(how[w], span{m[2], m[3]}, secret)
		}
	}
	if t.showData {
		return how
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for w, spans := range t.data {
		for _, s := range spans {
			fill(how[w], s, counted)
		}
	}
	fill(how[0], span{t.judged, t.total[0]}, counted)
	return how
}

// fill sets a range, as far as it was kept.
func fill(how []visibility, s span, v visibility) {
	for i := s.from; i < min(s.to, len(how)); i++ {
		how[i] = v
	}
}

// withSecret matches the commands whose arguments are a PIN or a password
// (3GPP TS 27.007, and makers' own).
var withSecret = regexp.MustCompile(`(?i)[+^](?:CPIN2?|CPUK|CPWD|CLCK|QSIMPIN|CWJAP|CGAUTH)[ \t]*=((?:"[^"\r\n]*"?|[^\r\n;"])*)`)

// hidePasswords hides the passwords of a Login and their echo.
func (t *Transcript) hidePasswords(all []Record, how *[2][]visibility) {
	lines := linesOf(all)
	var maskers [2]mask.Masker
	known := map[string]bool{"": true, t.password: true}
	list := []string{t.password}
	for _, l := range lines {
		if l.secret && !known[l.text] && len(list) < maxPasswords {
			known[l.text] = true
			list = append(list, l.text)
		}
	}
	for _, password := range list {
		for w := range maskers {
			maskers[w].Add(password)
		}
	}
	streams := [2]*mask.Stream{maskers[0].Stream(), maskers[1].Stream()}
	// A short password is hidden where it was received, and in the echo of it.
	for i, r := range all {
		for len(lines) > 0 && lines[0].record <= i {
			if l := lines[0]; l.secret || l.text == t.password {
				maskers[1].Expect(l.text)
				if l.text != "" && len(l.text) < mask.Short {
					fill(how[0], l.span, secret)
				}
			}
			lines = lines[1:]
		}
		streams[way(r.Sent)].Hold(r.Data)
	}
	for w, s := range streams {
		for i, hidden := range s.Hidden() {
			if hidden {
				how[w][i] = secret
			}
		}
	}
}

// maxPasswords bounds the passwords whose echo is known in every form.
const maxPasswords = 32

// receivedLine is a line that was received.
type receivedLine struct {
	text   string // as edited
	secret bool   // at a password prompt
	record int    // the record in which it begins
	span          // without its end
}

// linesOf returns the lines that were received, the last one whether it ended or
// not.
func linesOf(all []Record) []receivedLine {
	var lines []receivedLine
	var text []byte
	l := receivedLine{record: -1}
	at := 0
	end := func() {
		if l.record >= 0 {
			l.text, l.to = string(text), at
			lines = append(lines, l)
		}
		l, text = receivedLine{record: -1}, text[:0]
	}
	for i, r := range all {
		if r.Sent {
			continue
		}
		for _, c := range r.Data {
			switch {
			case c == '\r' || c == '\n':
				end()
			case l.record < 0:
				l = receivedLine{record: i, span: span{from: at}}
				fallthrough
			default:
				l.secret = l.secret || r.Secret
				if c != '\b' && c != 0x7F {
					text = append(text, c)
				} else {
					text = text[:max(0, len(text)-1)]
				}
			}
			at++
		}
	}
	end()
	return lines
}
