//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
)

// generator makes plays. What it makes keeps away from the known differences;
// those have a test of their own.
type generator struct {
	*rand.Rand
	inFile bool // the script is in a file
	env    bool // $ is live
	secret bool // the script sends secrets, so that logs differ
	words  []string
	replys []string
	spoken strings.Builder // the reply that is being made
	aborts []string
}

// The texts have letters that overlap, so that much nearly matches. Secrets
// have letters that nobody else uses.
const (
	letters = "aabbAB"
	strange = "\r\n\x01\x7f\t"
	secrets = "QWZ789"
)

func newPlay(seed, n uint64) *play {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, n))}
	g.inFile = g.one(3)
	g.env = g.one(4)
	g.secret = g.one(4)
	p := &play{env: []string{"VAR=ab", "X_1=a b\\r", "EMPTY="}}
	p.args = g.options()
	g.script()
	g.hear()
	p.first, p.replys = g.replys[0], g.replys[1:]
	if g.one(12) && len(p.replys) > 0 && !slices.Contains(g.words, "REPORT") {
		g.word("TIMEOUT")
		g.word("2")
		g.word("never!")
		p.signal = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[g.IntN(3)]
	}
	if g.inFile {
		p.file = g.quoted()
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

func (g *generator) options() []string {
	args := []string{"-S"}
	for flag, often := range map[string]int{"-s": 2, "-e": 4, "-V": 6} {
		if g.one(often) {
			args = append(args, flag)
		}
	}
	// A map's order is random; the letters' is not of interest to chat.
	if !g.secret && g.one(2) {
		args = append(args, "-v")
	}
	if g.one(2) {
		args = append(args, "-r", "@REPORT")
	}
	if g.env {
		args = append(args, "-E")
	}
	if g.secret {
		args = append(args, "-T", g.text(secrets, 5), "-U", g.text(secrets, 2)+`\x`)
	}
	return append(args, fmt.Sprint("-t", 1+g.IntN(2)))
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

// say adds to what the far end says at this point.
func (g *generator) say(s string) { g.spoken.WriteString(s) }

// hear ends what the far end says: the program has sent a carriage return.
func (g *generator) hear() {
	g.replys = append(g.replys, g.spoken.String())
	g.spoken.Reset()
}

func (g *generator) script() {
	for range g.IntN(6) {
		g.keyword()
	}
	for range 1 + g.IntN(4) {
		if g.one(4) {
			g.keyword()
		}
		g.expect()
		g.send()
	}
	if g.one(4) {
		g.expect()
	}
}

func (g *generator) keyword() {
	switch g.IntN(9) {
	case 0, 1:
		s := g.text(letters, 4)
		if slices.Contains(g.aborts, s) {
			return // CLR_ABORT would not remove both there
		}
		g.aborts = append(g.aborts, s)
		g.word("ABORT")
		g.word(g.written(s, false))
	case 2:
		g.word("CLR_ABORT")
		g.word(g.written(g.text(letters, 2), false))
	case 3, 4:
		g.word("REPORT")
		g.word(g.written(g.text(letters+strange[:1], 3), false))
	case 5:
		g.word("TIMEOUT")
		g.word([]string{"1", "2", "1x", " 2", `\061`}[g.IntN(5)])
	case 6:
		g.word("ECHO")
		g.word([]string{"ON", "OFF", "ON", "on"}[g.IntN(4)])
	case 7:
		g.word("HANGUP")
		g.word([]string{"ON", "OFF", "x"}[g.IntN(3)])
	case 8:
		g.word("SAY")
		g.word(g.sayWord())
	}
}

// expect adds an expect word, and most often lets it come.
func (g *generator) expect() {
	if g.one(6) {
		g.word([]string{"", `\q`, `^@`, `\0`}[g.IntN(4)])
		return
	}
	s := g.text(letters+strange, 4)
	w := g.written(s, false)
	for range 2 {
		if g.one(5) {
			w += "-" + g.subSend()
			if g.one(3) {
				w += "-" + g.written(g.text(letters, 2), false)
			}
		}
	}
	g.word(w)
	g.say(g.text(letters+strange, 6))
	if len(g.aborts) > 0 && g.one(6) {
		g.say(g.aborts[g.IntN(len(g.aborts))])
	}
	if !g.one(6) {
		g.say(s)
	}
	if g.one(3) {
		g.say(g.text(letters+strange, 3))
	}
}

func (g *generator) subSend() string {
	return []string{"", "b", "EOT", "BREAK", `\c`, `x\-y`, `\p`}[g.IntN(7)]
}

func (g *generator) send() {
	w := g.sendWord(g.secret)
	switch g.IntN(12) {
	case 0:
		w = "EOT"
	case 1:
		w = "BREAK"
	case 2:
		w = "@"
	}
	g.word(w)
	g.hear()
}

// sayWord makes a word to show, without secrets.
func (g *generator) sayWord() string {
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
	w := g.written(g.text(letters+strange, 5), true)
	for range g.IntN(3) {
		w += []string{`\p`, `\K`, `\N`, `\b`, `\s`, `\t`, `\\`, `\-`, `\$`, `\x`, `\c`, `\377`, `\0`, `^^`, `^?`, `^@`, `-`}[g.IntN(17)]
		w += g.text(letters, 2)
	}
	if secret && g.one(2) {
		w += []string{`\T`, `\U`}[g.IntN(2)]
	}
	if g.env && g.one(2) {
		w += []string{"$VAR", "$X_1", "$NONE-", "$", "$EMPTY"}[g.IntN(5)]
	}
	return w + []string{"", `\c`, `\`, "^"}[g.IntN(4)]
}

// written writes a text with escapes where it must be and now and then where it
// need not.
func (g *generator) written(s string, send bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' && g.one(2):
			b.WriteByte('^')
			b.WriteByte(c | 0x60)
		case c < ' ' || c == 0x7F:
			fmt.Fprintf(&b, `\%03o`, c)
		case c == 'B' && g.one(3):
			b.WriteString(`\B`)
		case g.one(10):
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	if !send && g.env && s == "ab" {
		return "$VAR"
	}
	return b.String()
}

// quoted writes the words as a file.
func (g *generator) quoted() string {
	var b strings.Builder
	if g.one(3) {
		b.WriteString("# a comment 'with a quote\n")
	}
	for _, w := range g.words {
		b.WriteString(g.quote(w))
		b.WriteString([]string{" ", "\n", "\t", "\n\n ", " \n"}[g.IntN(5)])
	}
	return b.String()
}

// quote puts a word in quotes, if it must be or need not.
func (g *generator) quote(w string) string {
	bare := w != "" && !strings.ContainsAny(w, " \t\n\r") && !strings.ContainsAny(w[:1], `'"#`)
	if bare && !g.one(3) || strings.HasSuffix(w, `\`) && !strings.HasSuffix(w, `\\`) {
		return w
	}
	q := []string{`'`, `"`}[g.IntN(2)]
	return q + w + q
}
