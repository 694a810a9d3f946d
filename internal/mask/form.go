package mask

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// longest is the number of characters of a secret that are enough to recognise
// it, however long it is: what systems with passwords of eight characters keep.
const longest = 8

// form is one spelling of a secret, as a view shows it.
type form struct {
	text  []byte
	least int  // characters in a piece that is recognised
	gram  int  // characters of it that follow each other without an error, at least
	strip bool // compared with the characters without their high bit
	plain bool // as a peer echoes it, not as a program encodes it
	head  [256]int16
	next  []int16 // the next place with the same character; -1: none
}

func newForm(text []byte, least int, strip, plain bool) *form {
	f := &form{text: text, least: max(least, 1), strip: strip, plain: plain, next: make([]int16, len(text))}
	f.gram = min((f.least+1)/2, maxGram) // one error leaves half of a piece whole
	for i := range f.head {
		f.head[i] = -1
	}
	for i := len(text) - 1; i >= 0; i-- {
		f.next[i], f.head[text[i]] = f.head[text[i]], int16(i)
	}
	return f
}

// maxForm bounds the characters of a form. A secret that is longer is
// recognised by its beginning.
const maxForm = 1024

// formsOf returns the spellings of a secret.
func formsOf(secret string) []*form {
	least := min(len(secret)-1, longest)
	var forms []*form
	seen := make(map[string]bool)
	plain := true
	add := func(spelling string, strip bool) {
		text := fold([]byte(spelling), strip)
		text = text[:min(len(text), maxForm)]
		key := fmt.Sprint(strip, string(text))
		if len(text) == 0 || seen[key] {
			return
		}
		seen[key] = true
		scaled := max(least, len(text)*least/len(secret))
		forms = append(forms, newForm(text, min(scaled, len(text)), strip, plain))
	}
	ascii := true
	for _, c := range []byte(secret) {
		ascii = ascii && c < 0x80
	}
	add(secret, true)
	if !ascii {
		add(secret, false)
		add(strings.ToLower(secret), false)
		add(strings.ToUpper(secret), false)
		for _, spelling := range [...]string{secret, strings.ToLower(secret), strings.ToUpper(secret)} {
			if text, ok := latin1(spelling); ok {
				add(text, false)
			}
		}
	}
	plain = false
	spelt := func(s string) { add(s, ascii) }
	for _, quote := range []string{strconv.Quote(secret), strconv.QuoteToASCII(secret)} {
		spelt(quote[1 : len(quote)-1])
	}
	spelt(html.EscapeString(secret))
	spelt(url.QueryEscape(secret))
	spelt(url.PathEscape(secret))
	add(hex.EncodeToString([]byte(secret)), true)
	add(fmt.Sprintf("% x", secret), true)
	add(strings.ReplaceAll(fmt.Sprintf(" % x", secret), " ", `\x`), true)
	add(strings.Trim(fmt.Sprint([]byte(secret)), "[]"), true)
	add(strings.ReplaceAll(fmt.Sprintf("% #x", secret), " ", ", "), true) // a []byte with %#v
	for shift := range 3 {
		// In the middle of other text the characters of the first and last
		// group depend on what is before and after the secret.
		code := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
		code = strings.TrimRight(code, "=")
		code = code[[]int{0, 2, 3}[shift]:]
		if len(code) > Short {
			code = code[:len(code)-1]
		}
		add(code, true)
		add(strings.NewReplacer("+", "-", "/", "_").Replace(code), true)
	}
	return forms
}

// latin1 returns a text in ISO 8859-1, which peers and terminals of one byte for
// each character use, or false if it has other characters.
func latin1(text string) (string, bool) {
	var out []byte
	for _, r := range text {
		if r > 0xFF {
			return "", false
		}
		out = append(out, byte(r))
	}
	return string(out), true
}

// piece is a piece of a form that ends with a certain character.
type piece struct {
	n     int32 // characters of the form in it; 0: none
	start int   // offset of its first byte in the stream
}

// pieces are those that end with one character of the stream, by the place of
// that character in the form. An entry counts only if the form has the
// character there.
type pieces struct {
	char  byte
	set   bool
	none  bool // the form does not have the character
	long  bool // one of them has as many characters as a gram
	exact []piece
	wrong []piece // with one error: a character more, less or another one
}

// formState is a form in the middle of a stream.
type formState struct {
	*form
	last    [3]pieces // the characters seen last, in turn
	now     int       // index of the latest
	idle    bool      // the form has neither of the last two characters
	first   int       // offset of the first character
	begun   bool
	live    int // of the last step; -1: none
	hide    int // of the last step; -1: nothing
	headEnd int // bytes at the start of the stream that are the end of the form
	passed  int // for skip: bytes up to which it was stepped
}

func newFormState(f *form) *formState {
	s := &formState{form: f, live: -1, hide: -1}
	n := len(f.text)
	all := make([]piece, 6*n)
	for i := range s.last {
		s.last[i].exact, s.last[i].wrong = all[2*i*n:][:n:n], all[(2*i+1)*n:][:n:n]
	}
	return s
}

func (s *formState) reset() {
	for i := range s.last {
		s.last[i].set, s.last[i].long = false, false
	}
	s.begun, s.headEnd, s.live, s.hide = false, 0, -1, -1
}

// at returns the piece of list that ends at place j of the form.
func (s *formState) at(p *pieces, list []piece, j int) piece {
	if j < 0 || !p.set || s.text[j] != p.char {
		return piece{}
	}
	return list[j]
}

// step adds a character that ends at the given offset. It returns the starts of
// the earliest piece that is now recognised, of the earliest that still may be,
// and of the earliest among those that Flush hides; -1 for none.
func (s *formState) step(c byte, offset int) (from, live, hide int) {
	if !s.begun {
		s.begun, s.first = true, offset
	}
	before := &s.last[(s.now+2)%3]
	prev := &s.last[s.now]
	s.now = (s.now + 1) % 3
	now := &s.last[s.now]
	now.char, now.set, now.none, now.long = c, true, s.head[c] < 0, false
	if s.idle = now.none && (prev.none || !prev.set); s.idle {
		return -1, -1, -1
	}
	from, live, hide = -1, -1, -1
	for j := int(s.head[c]); j >= 0; j = int(s.next[j]) {
		exact := s.at(prev, prev.exact, j-1)
		if exact.n == 0 {
			exact.start = offset
		}
		exact.n++
		wrong := s.at(prev, prev.wrong, j-1)
		for _, p := range [...]piece{
			s.at(before, before.exact, j-2), // another character
			s.at(before, before.exact, j-1), // one too many
			s.at(prev, prev.exact, j-2),     // one missing
		} {
			if p.n > wrong.n {
				wrong = p
			}
		}
		if wrong.n > 0 {
			wrong.n++
		}
		now.exact[j], now.wrong[j] = exact, wrong
		now.long = now.long || max(int(exact.n), int(wrong.n)) >= s.gram
		for _, p := range [...]piece{exact, wrong} {
			if int(p.n) >= s.least {
				from = earlier(from, p.start)
			}
		}
		if exact.start == s.first && j == len(s.text)-1 && exact.n >= 2 {
			s.headEnd = offset + 1
		}
		s.keep(exact, j, &live, &hide)
		if wrong.n >= 3 {
			s.keep(wrong, j, &live, &hide)
		}
	}
	// A piece that ended one character ago continues if this one is the error.
	if prev.set {
		for j := int(s.head[prev.char]); j >= 0; j = int(s.next[j]) {
			if p := prev.exact[j]; p.n >= 3 {
				s.keep(p, j, &live, &hide)
			}
		}
	}
	return from, live, hide
}

// quiet reports whether no piece that can still grow has a gram of the form.
func (s *formState) quiet() bool {
	return !s.last[s.now].long && !s.last[(s.now+2)%3].long
}

// earlier returns the lesser of two offsets of which -1 is none.
func earlier(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// enough is how long a piece from the middle of a form must be to be hidden
// before it is clear whether it is recognised. Shorter ones are in every other
// word.
const enough = 4

// keep notes a piece that ends at place j and may still become long enough.
func (s *formState) keep(p piece, j int, live, hide *int) {
	start := int(p.n) == j+1 // the piece begins where the form does
	if int(p.n) >= s.least || j == len(s.text)-1 || p.n < 2 && !start || int(p.n)+len(s.text)-1-j < s.least {
		return
	}
	*live = earlier(*live, p.start)
	if start && s.plain && p.n >= 2 || p.n >= enough {
		*hide = earlier(*hide, p.start)
	}
}

// fills reports whether a piece of at least two characters reaches from the
// first character of the stream to its end.
func (s *formState) fills() bool {
	now := &s.last[s.now]
	if !now.set {
		return false
	}
	for j := int(s.head[now.char]); j >= 0; j = int(s.next[j]) {
		if p := now.exact[j]; p.n >= 2 && p.start == s.first {
			return true
		}
	}
	return false
}
