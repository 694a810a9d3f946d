//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// generator makes plays of all that the language has. By rule it keeps away from
// what differs on purpose, each with a test among knownDifferences:
//
//   - a secret is made of letters that nothing else has, and the log is off in a
//     play that sends one without \q, since its echo and its log are masked;
//   - no string is declared twice, and CLR_REPORT precedes the first wait;
//   - no REPORT where a signal ends the play;
//   - pauses stay below the timeout in force;
//   - no line of a file is longer than 1,023 bytes;
//   - abort strings have no control characters.
//
// A file with CR LF is for this program alone: chat(8) gets it with LF.
type generator struct {
	*rand.Rand
	inFile bool // the script is in a file
	env    bool // $ is live
	secret bool // the script sends secrets, so that logs differ
	words  []string
	replys []string
	spoken strings.Builder // the reply that is being made
	aborts []string        // in force
	all    []string        // every string that was declared
	waited bool            // a wait has been made
	report bool            // a REPORT was made
}

// The texts have letters that overlap, so that much nearly matches. Secrets
// have letters that nothing else has.
const (
	letters = "aabbAB"
	strange = "\r\n\x01\x7f\t -^\\$"
	secrets = "QWZ789"
)

func newPlay(seed, n uint64) *play {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, n))}
	g.inFile = g.one(3)
	g.env = g.one(4)
	g.secret = g.one(4)
	p := &play{env: []string{"VAR=ab", "X_1=a b\\r", "EMPTY="}, strip: true}
	p.args = g.options()
	g.script()
	g.hear()
	p.first, p.replys = g.replys[0], g.replys[1:]
	p.sub = pick(g, `\qQW`+"\n", `\qZ\c`, `\q\121`+"\n\n", `\qQ W\K`, `\qZ`+"\x00a\n", `\q8`+"\r\n", "")
	if g.one(12) && len(p.replys) > 0 && !g.report {
		g.word("TIMEOUT")
		g.word("2")
		g.word("never!")
		p.signal = pick(g, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	} else if len(g.words)%2 == 0 && g.one(16) {
		g.word(pick(g, "ABORT", "TIMEOUT", "SAY", "ECHO", "HANGUP", "REPORT", "CLR_ABORT")) // without a value
	}
	if g.inFile {
		p.file = g.file()
		p.crlf = g.one(6) && !strings.Contains(p.file, "\x00") // chat(8) loses the rest of such a line, CR included
		p.args = append(p.args, "-f", "@FILE")
		return p
	}
	if len(g.words) > 0 && strings.HasPrefix(g.words[0], "-") {
		p.args = append(p.args, "--")
	}
	p.args = append(p.args, g.words...)
	return p
}

// one is true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

// pick returns one of the choices.
func pick[T any](g *generator, choices ...T) T { return choices[g.IntN(len(choices))] }

func (g *generator) options() []string {
	args := []string{"-S"}
	for _, o := range []struct {
		flag  string
		often int
	}{{"-s", 2}, {"-e", 4}, {"-V", 6}} {
		if g.one(o.often) {
			args = append(args, o.flag)
		}
	}
	if !g.secret && g.one(2) {
		args = append(args, "-v")
	}
	if g.one(2) {
		args = append(args, "-r", "@REPORT")
	}
	if g.env {
		args = append(args, "-E")
	}
	if g.one(4) {
		args = append(args, "-T", pick(g, "555", "a-b", `1\p2\x3\c`, "", "a^Mb$VAR"))
	}
	if g.secret {
		args = append(args, "-U", g.text(secrets, 2)+`\x`)
	}
	return append(args, "-t"+pick(g, "1", "2", "01", " 1"))
}

// text makes a text of up to n letters, at least one.
func (g *generator) text(from string, n int) string {
	b := make([]byte, 1+g.IntN(n))
	for i := range b {
		b[i] = from[g.IntN(len(from))]
	}
	return string(b)
}

func (g *generator) word(w string) { g.words = append(g.words, w) }

// say adds to what the peer sends at this point, now and then with parity bits.
func (g *generator) say(s string) {
	b := []byte(s)
	if g.one(8) {
		for i := range b {
			b[i] |= 0x80
		}
	}
	g.spoken.Write(b)
}

// hear ends what the peer sends: the program has sent a carriage return.
func (g *generator) hear() {
	g.replys = append(g.replys, g.spoken.String())
	g.spoken.Reset()
}

func (g *generator) script() {
	for range g.IntN(6) {
		g.keyword()
	}
	for range 1 + g.IntN(4) {
		if g.one(3) {
			g.keyword()
		}
		g.expect()
		g.send()
	}
	if g.one(3) {
		g.expect()
	}
}

// declare returns a new string for a list, or false if it is in one already.
func (g *generator) declare(from string, n int) (string, bool) {
	s := g.text(from, n)
	if slices.Contains(g.all, s) {
		return "", false
	}
	g.all = append(g.all, s)
	return s, true
}

func (g *generator) keyword() {
	switch g.IntN(11) {
	case 0, 1:
		if s, ok := g.declare(letters, 4); ok {
			g.aborts = append(g.aborts, s)
			g.word("ABORT")
			g.word(g.expected(s))
		}
	case 2:
		s := g.text(letters, 2)
		if len(g.aborts) > 0 && g.one(2) {
			s = pick(g, g.aborts...)
		}
		g.aborts = slices.DeleteFunc(g.aborts, func(a string) bool { return a == s })
		g.word("CLR_ABORT")
		g.word(g.expected(s))
	case 3, 4:
		if s, ok := g.declare(letters+"\r ", 3); ok {
			g.report = true
			g.word("REPORT")
			g.word(g.expected(s))
		}
	case 5:
		if !g.waited {
			g.word("CLR_REPORT")
			g.word(g.expected(pick(g, append(g.all, "ab")...)))
		}
	case 6, 7:
		g.word("TIMEOUT")
		g.word(pick(g, "1", "2", "1x", " 2", `\061`, "+1", "01", "1s", `1\q`))
	case 8:
		g.word("ECHO")
		g.word(pick(g, "ON", "OFF", "ON", "on", "", `\117N`, `ON\q`))
	case 9:
		g.word("HANGUP")
		g.word(pick(g, "ON", "OFF", "x", "off", `\117FF`))
	case 10:
		g.word("SAY")
		g.word(g.sayWord())
	}
}

// expect adds an expect word, and most often lets it come.
func (g *generator) expect() {
	g.waited = true
	if g.one(6) {
		g.word(pick(g, "", `\q`, `^@`, `\0`, `\0\q`))
		return
	}
	s := g.text(letters+strange, 4)
	w := g.expected(s)
	if g.one(10) {
		w = pick(g, `\q`, "") + w + pick(g, `\q`, `\0`, "^@", "")
	}
	var subs strings.Builder
	for g.one(5) && subs.Len() < 12 {
		w += "-" + g.subSend()
		if g.one(4) {
			break // it ends with the send
		}
		sub := g.text(letters, 3)
		subs.WriteString(sub)
		w += "-" + pick(g, g.expected(sub), g.expected(sub), "")
	}
	g.word(w)
	g.say(g.text(letters+strange+"\x00", 6))
	if len(g.aborts) > 0 && g.one(6) {
		g.say(pick(g, g.aborts...))
	}
	if !g.one(6) {
		g.say(s)
	}
	if g.one(3) {
		g.say(g.text(letters+strange, 3))
	}
	if subs.Len() > 0 && g.one(2) { // for the retries
		g.hear()
		g.say(subs.String())
	}
}

func (g *generator) subSend() string {
	return pick(g, "", "b", "EOT", "BREAK", `\c`, `x\-y`, `\p`, `\N`, "q^Mr", `\s\t`, `\377\c`, `\K\c`, "@@SUB", `a\134b`, "AT")
}

func (g *generator) send() {
	w := g.sendWord(g.secret)
	switch g.IntN(24) {
	case 0, 1:
		w = "EOT"
	case 2, 3:
		w = "BREAK"
	case 4:
		w = pick(g, "@", "@ ", "EOTx", "eot", `BREAK\c`, `\@x`)
	case 5:
		w = "@@SUB"
	case 6:
		g.word("TIMEOUT")
		g.word("3")
		g.word("")
		w = `a\db` + pick(g, "", `\c`, `\d\c`)
	}
	g.word(w)
	g.hear()
}

// sayWord makes a word to show, without secrets.
func (g *generator) sayWord() string {
	if g.one(2) {
		return pick(g, "hi", `hi\n`, `hi\c`, `a\tb\n\c`, "^M^J", `x\qy`, `\141\b`, `a\Nb`, "", "--", `\`, "^", `a\134b`, `\T`, `\d\p\K`)
	}
	for {
		if w := g.sendWord(false); !strings.ContainsAny(w, secrets) {
			return w
		}
	}
}

// sendWord makes a word to send, with escapes of every kind.
func (g *generator) sendWord(secret bool) string {
	if g.one(8) {
		return `\q` + g.text(secrets, 4)
	}
	w := g.sent(g.text(letters+strange, 5))
	for range g.IntN(3) {
		w += pick(g, `\p`, `\K`, `\N`, `\b`, `\s`, `\t`, `\\`, `\-`, `\$`, `\x`, `\c`, `\377`, `\0`, "^^", "^?", "^@", "-",
			`\9`, `\08`, `\400`, "^ ", `\ `, `\'`, `\"`, `\T`, "^", `\1`, `\12`, `\777`, `\134`, `\534`, `\134d`, `\134c`, "$")
		if g.one(2) {
			w += g.text(letters, 2)
		}
	}
	if secret && g.one(2) {
		w += `\U`
	}
	if g.env && g.one(2) {
		w += pick(g, "$VAR", "$X_1", "$NONE-", "$", "$EMPTY", `\$VAR`, "$VAR$X_1", "$1")
	}
	return w + pick(g, "", "", `\c`, `\c`, `\`, "^", `\\c`, `\\\c`, `^\c`, `\^`, `\134`)
}

// expected writes a text to wait for.
func (g *generator) expected(s string) string {
	if g.env && s == "ab" {
		return "$VAR"
	}
	return g.written(s, false)
}

// sent writes a text to send.
func (g *generator) sent(s string) string { return g.written(s, true) }

// written writes each byte of a text by any spelling that the language has for
// it there.
func (g *generator) written(s string, send bool) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(g.spelling(s[i], s[i+1:], send))
	}
	return b.String()
}

var named = map[byte]string{'\b': `\b`, '\n': `\n`, '\r': `\r`, ' ': `\s`, '\t': `\t`}

// spelling writes one byte that is followed by the text next.
func (g *generator) spelling(c byte, next string, send bool) string {
	ways := []string{fmt.Sprintf(`\%03o`, c), fmt.Sprintf(`\%03o`, int(c)+0o400)}
	if next == "" || next[0] < '0' || next[0] > '7' {
		ways = append(ways, `\`+strconv.FormatInt(int64(c), 8))
	}
	if name := named[c]; name != "" {
		ways = append(ways, name, name)
	}
	switch {
	case c < ' ':
		ways = append(ways, "^"+string(c|0x40), "^"+string(c|0x60))
		if !g.inFile || c == '\x01' {
			ways = append(ways, string(c))
		}
	case c == '-' && send:
		ways = append(ways, "-", `\-`)
	case strings.IndexByte(`-\^$`, c) >= 0:
		ways = append(ways, `\`+string(c), `\`+string(c))
	case c == 'B' || c == 'A':
		ways = append(ways, `\`+string(c))
	}
	if c >= ' ' && strings.IndexByte(`-\^$`, c) < 0 && !g.one(6) {
		return string(c)
	}
	return pick(g, ways...)
}

// file writes the words as a file.
func (g *generator) file() string {
	var b strings.Builder
	if g.one(3) {
		b.WriteString("# a comment 'with a quote\n")
	}
	for i, w := range g.words {
		b.WriteString(g.quote(w))
		between := pick(g, " ", "\n", "\t", "\n\n ", " \n", "\n# c\n")
		if i%8 == 7 {
			between = "\n"
		}
		if g.one(40) {
			between = "\x00lost\n"
		}
		b.WriteString(between)
	}
	if g.one(3) {
		return strings.TrimRight(b.String(), " \n\t")
	}
	return b.String()
}

// quote puts a word in quotes, if it must be or need not.
func (g *generator) quote(w string) string {
	must := w == "" || strings.ContainsAny(w, " \t") || strings.ContainsAny(w[:1], `'"#`)
	open := (len(w)-len(strings.TrimRight(w, `\`)))%2 == 1 // its last backslash would take the quote
	if open && must {
		w += "x"
	} else if open || !must && !g.one(3) {
		return w
	}
	q := pick(g, `'`, `"`)
	return q + w + q
}
