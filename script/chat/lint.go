package chat

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rasline/rasline/script/lint"
)

// maxEntries is how many strings the lists of chat(8) hold.
const maxEntries = 50

// linter looks for what is allowed and probably not meant.
type linter struct {
	found   *findings
	aborts  []word // the texts awaited by ABORT at this point
	entries [kindSay + 1]int
	limit   time.Duration // of the timeout in force; 0 if options decide
	prompt  string        // the text awaited last
	name    pos           // of the first send with \T in it, if there is one
	secret  pos           // of the first send with \U in it, if there is one
	dollars []lint.Finding
	highs   []lint.Finding
}

// inspect adds warnings about the steps of a script, and returns what else it
// has found.
func inspect(steps []step, found *findings) *linter {
	l := &linter{found: found}
	for i, s := range steps {
		l.step(s)
		w := s.word
		if i := lint.CurlyQuote(w.text); i >= 0 {
			found.warn(w.at(i), "a curly quote is an ordinary character and encloses nothing: use the straight quote ' or \"")
		}
		if i, name := lint.Invisible(strings.TrimPrefix(w.text, bom)); name != "" {
			found.warn(w.at(i), "a %s is part of this word: replace it by a plain space, or remove it", name)
		}
		for i := 0; i < len(w.text); i++ {
			switch {
			case w.text[i] == '\\':
				i++
			case w.text[i] == '$' && i+1 < len(w.text) && isNameByte(w.text[i+1]) && w.text[i+1] > '9' &&
				!strings.HasSuffix(lint.Fold(w.text[:i]), "at"): // AT$ begins commands of some modems
				n := i + 1
				for n < len(w.text) && isNameByte(w.text[n]) {
					n++
				}
				l.dollars = append(l.dollars, found.finding(lint.SeverityWarning, w.at(i),
					"%s stays as it is: names are replaced only with the option -E (Config.Env); write the value itself", w.text[i:n]))
				i = n - 1
			}
		}
		if i > 0 {
			// The second part of a modem command with spaces and no quotes is
			// awaited.
			before := steps[i-1]
			if before.kind == kindSend && s.kind == kindExpect && !before.word.quoted && !w.quoted && before.word.line == w.line && found.file != "" &&
				strings.HasPrefix(lint.Fold(before.word.text), "at") && commandTail.MatchString(strings.ToUpper(w.text)) {
				found.warn(w.pos, "%q is awaited, not sent: a command with spaces needs quotes, such as '%s %s'", w.text, before.word.text, w.text)
			}
		}
	}
	if len(steps) > 0 {
		switch first := steps[0].word; first.text {
		case "exec", "chat", "/usr/sbin/chat", "connect", "pppd":
			found.warn(first.pos, "%q is awaited as a text: a script file has no command and no options before its words", first.text)
		}
	}
	if n := len(steps); n > 0 && steps[n-1].kind == kindExpect && steps[n-1].word.text != "" {
		found.warn(steps[n-1].word.pos, "the script ends with a text to wait for: the number of words is odd; add '' if nothing is to be sent")
	}
	return l
}

const bom = "\ufeff"

// commandTail is what a part of a modem command looks like: V1, &C1, S0=0,
// +FCLASS=0.
var commandTail = regexp.MustCompile(`^([&%*#\\][A-Z][0-9]*|[A-Z][0-9]+|S[0-9]+[=?].*|[+$^*][A-Z]+[=?].*)+$`)

// modemCommand is what a script sends and does not wait for.
var modemCommand = regexp.MustCompile(`^(?i:AT(Z[0-9]?|H[0-9]?|D[TP*0-9].*|[&+*#%$].*|[EILMQVX][0-9].*|S[0-9]+[=?].*)?)$`)

func (l *linter) step(s step) {
	switch s.kind {
	case kindExpect:
		l.expect(s.word)
	case kindSend:
		l.send(s.word)
	case kindAbort, kindReport:
		name := "ABORT"
		if s.kind == kindReport {
			name = "REPORT"
		}
		if _, ok := keywords[s.word.text]; ok && !s.word.quoted {
			l.found.warn(s.word.pos, "%s is the string of %s here and is no keyword: the string that belongs to %s is missing", s.word.text, name, name)
		}
		text := expectText(s.word.text, nil)
		if text == "" {
			l.found.warn(s.word.pos, "an empty %s string comes with the first byte of any wait", name)
		}
		if l.entries[s.kind]++; l.entries[s.kind] == maxEntries+1 {
			l.found.warn(s.word.pos, "chat(8) takes %d %s strings at most", maxEntries, name)
		}
		if s.kind == kindAbort && text != "" && len(l.aborts) < maxEntries {
			l.aborts = append(l.aborts, word{pos: s.word.pos, text: text})
		}
	case kindClearAbort:
		text := expectText(s.word.text, nil)
		kept := l.aborts[:0]
		for _, a := range l.aborts {
			if a.text != text {
				kept = append(kept, a)
			}
		}
		l.entries[kindAbort] -= len(l.aborts) - len(kept)
		l.aborts = kept
	case kindTimeout:
		l.limit = seconds(expectText(s.word.text, nil))
		if l.limit <= 0 {
			l.limit = defaultTimeout
			l.found.warn(s.word.pos, "TIMEOUT %s sets 45 seconds, not an endless wait: write a number of seconds above 0", s.word.text)
		}
	case kindEcho:
		if s.word.text != "ON" && s.word.text != "OFF" {
			l.found.warn(s.word.pos, "ECHO %s turns the echo off: write ON or OFF, in capital letters", s.word.text)
		}
	case kindHangup:
		if s.word.text != "ON" && s.word.text != "OFF" {
			l.found.warn(s.word.pos, "HANGUP %s lets a hang-up end the script: write ON or OFF, in capital letters", s.word.text)
		}
	}
}

func (l *linter) expect(w word) {
	if keyword := strings.ToUpper(w.text); keyword != w.text && keywords[keyword] != kindExpect && !w.quoted {
		l.found.warn(w.pos, "%q is awaited as a text: the keyword is %s, in capital letters", w.text, keyword)
	}
	if keyword, _, ok := strings.Cut(strings.ToUpper(w.text), "="); ok && keywords[keyword] != kindExpect {
		l.found.warn(w.pos, "%q is awaited as a text: %s and its value are two words, with a space between them", w.text, keyword)
	}
	if modemCommand.MatchString(w.text) {
		l.found.warn(w.pos, "%q is awaited, not sent: a script begins with a text to wait for, '' for none, and then the two take turns", w.text)
	}
	if first, rest, ok := splitExpect(w.text); ok && !isPhoneNumber(w.text) && first != "" && rest != "" && !strings.Contains(rest, "-") && rest != "BREAK" && rest != "EOT" {
		l.found.warn(w.pos, "this waits for %q, sends %q if it is not received, and goes on in any case: write \\- for a dash, and -- and the text again to wait anew", first, rest)
	}
	if isPhoneNumber(w.text) {
		l.found.warn(w.pos, "%q is awaited, and its dashes divide it into sub-expects: write \\- to wait for a dash, or check the order of the words", w.text)
	}
	for rest, more := w.text, true; more; {
		var text string
		at := len(w.text) - len(rest)
		text, rest, _ = splitExpect(rest)
		l.await(w.part(at, text))
		if rest == "" {
			return
		}
		at = len(w.text) - len(rest)
		text, rest, more = splitExpect(rest)
		l.send(w.part(at, text))
	}
}

// await checks one part of an expect word.
func (l *linter) await(w word) {
	text := expectText(w.text, nil)
	if text == "" {
		return
	}
	l.prompt = text
	if _, name := lint.Invisible(text); name == "" && lint.CurlyQuote(text) < 0 && strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) { // these have warnings of their own
		l.highs = append(l.highs, l.found.finding(lint.SeverityWarning, w.pos,
			"%q can be received only in 8-bit mode, since the high bit of what is received is cleared: wait for a part without such characters", text))
	}
	if result := strings.ToUpper(text); result != text && slices.Contains(results, result) {
		l.found.warn(w.pos, "%q is awaited: letter case counts, and modems answer %s", text, result)
	}
	for _, a := range l.aborts {
		switch {
		case a.text == text:
			l.found.warn(w.pos, "%q is an abort string as well, and is taken as awaited: CLR_ABORT removes it from the list", text)
		case strings.Contains(strings.TrimSuffix(text, a.text), a.text):
			l.found.warn(w.pos, "the abort string %q is a part of %q and comes first: make it longer", a.text, text)
		}
	}
}

func (l *linter) send(w word) {
	if _, ok := keywords[w.text]; ok {
		l.found.warn(w.pos, "%s is sent here and is no keyword: count the words before it, or write ''", w.text)
	}
	if slices.Contains(results, w.text) && w.text != "RING" && !modemCommand.MatchString(l.prompt) && len(l.found.Sorted()) == 0 { // or the cause has a warning
		l.found.warn(w.pos, "%q is sent, not awaited: texts to wait for and to send take turns, and ABORT takes one text", w.text)
	}
	if i := strayC(w.text); i >= 0 {
		l.found.warn(w.at(i), "\\c sends the letter c: it keeps the carriage return back only at the end")
	}
	m := sendText(w.text, nil, inserts{})
	if m.usesT && l.name == (pos{}) {
		l.name = w.pos
	}
	if m.usesU && l.secret == (pos{}) {
		l.secret = w.pos
	}
	if secretPrompt.MatchString(lint.Fold(l.prompt)) && !m.hidden && !m.usesU && !strings.HasPrefix(w.text, "@") && m.text != "" {
		l.found.warn(w.pos, "what answers %q is shown in logs: begin it with \\q", l.prompt)
	}
	// The pauses before the last byte count against the timeout.
	limit := cmp.Or(l.limit, defaultTimeout)
	parts := m.parts()
	var total time.Duration
	for _, p := range parts[:lastSend(parts)+1] {
		if p.action == actionPause {
			total += longPause
		}
	}
	if total >= limit {
		l.found.warn(w.pos, "the pauses of %v take longer than the timeout of %v, which limits the send too: set a longer TIMEOUT before it", total, limit)
	}
	l.prompt = ""
}

// secretPrompt matches a folded prompt that asks for something that must not be
// logged. The beginning of the word is often left out, since it may have been lost.
var secretPrompt = regexp.MustCompile(`ssword|asswd|sscode|ssphrase|secret|word:$`)

// results are what modems answer.
var results = []string{"OK", "CONNECT", "BUSY", "NO CARRIER", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE", "ERROR", "RING"}

// isPhoneNumber reports whether an expect word looks like a number to dial.
func isPhoneNumber(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c != '-':
			return false
		}
	}
	return digits >= 3 && strings.Contains(s, "-")
}

// strayC returns the index of a \c that does not end the word, or -1.
func strayC(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if s[i+1] == 'c' && i+2 < len(s) {
			return i
		}
		i++
	}
	return -1
}
