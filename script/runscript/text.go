package runscript

import (
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// text is a string of a script, with its escapes read.
type text struct {
	pieces []piece
	open   bool // \c: no line end follows
}

// piece is a part of a text: the name of a variable of the environment, a \n,
// or else bytes.
type piece struct {
	bytes   string
	name    string // of $(NAME)
	newline bool
}

// pieces adds bytes to a text.
func (t *text) add(s string) {
	if n := len(t.pieces); n > 0 && t.pieces[n-1].name == "" && !t.pieces[n-1].newline {
		t.pieces[n-1].bytes += s
		return
	}
	t.pieces = append(t.pieces, piece{bytes: s})
}

// uses reports whether the text has $(name).
func (t *text) uses(name string) bool {
	for _, p := range t.pieces {
		if p.name == name {
			return true
		}
	}
	return false
}

// unescape reads the escapes of words that were joined by spaces. Quotes are
// gone, and each backslash is still before what it protects.
func unescape(s string) text {
	var t text
	for len(s) > 0 {
		c, next := s[0], s[1:]
		switch {
		case c == '\\' && next != "":
			switch e := next[0]; {
			case e == 'n':
				t.pieces = append(t.pieces, piece{newline: true})
			case e == 'c':
				t.open = true
			case '0' <= e && e <= '7':
				v, n := 0, 0
				for n < len(next) && n < 4 && '0' <= next[n] && next[n] <= '7' {
					v = v<<3 | int(next[n]-'0')
					n++
				}
				t.add(string([]byte{byte(v)}))
				next = next[n-1:]
			default:
				if i := strings.IndexByte("rabf", e); i >= 0 {
					e = "\r\a\b\f"[i]
				}
				t.add(string([]byte{e}))
			}
			next = next[1:]
		case c == '^' && next != "" && ('A' <= next[0] && next[0] <= '_' || 'a' <= next[0] && next[0] <= 'z'):
			t.add(string(rune(next[0] & 0x1F)))
			next = next[1:]
		case c == '$' && strings.HasPrefix(next, "("):
			name, rest, closed := strings.Cut(next[1:], ")")
			if !closed {
				t.add("$")
				break
			}
			t.pieces = append(t.pieces, piece{name: name})
			next = rest
		default:
			t.add(s[:1])
		}
		s = next
	}
	return t
}

// word is one word of a line.
type word struct {
	at     int    // column, from 0
	raw    string // without quotes, each backslash before what it protects
	quoted bool   // a part of it is in quotes
}

// plain returns the word as a name or a keyword, "" if it is quoted.
func (w word) plain() string {
	if w.quoted {
		return ""
	}
	return w.raw
}

// words cuts a line into words, from a column on. The column of a quote that is
// not closed is returned as open, and -1 if there is none.
func words(line string, from int) (all []word, open int) {
	for i := from; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		w := word{at: i}
		var raw strings.Builder
		quote := -1
		closed := false // a closing quote ends the word, an opening one does not begin one
		for ; i < len(line) && !closed && (quote >= 0 || line[i] != ' ' && line[i] != '\t'); i++ {
			switch {
			case line[i] == '\\' && i+1 < len(line):
				raw.WriteString(line[i : i+2])
				i++
			case line[i] == '\\':
				return all, i
			case line[i] == '"' && quote < 0:
				quote, w.quoted = i, true
			case line[i] == '"':
				quote, closed = -1, true
			default:
				raw.WriteByte(line[i])
			}
		}
		if quote >= 0 {
			return all, quote
		}
		w.raw = raw.String()
		all = append(all, w)
	}
	return all, -1
}

// shown quotes a word for a message.
func (w word) shown() string {
	const shown = 40
	s := lint.Visible(w.raw)
	if len(s) > shown {
		s = strings.ToValidUTF8(s[:shown], "") + "..."
	}
	return `"` + s + `"`
}
