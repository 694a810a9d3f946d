package chat

import (
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// word is one word of a script as it is written, without its quotes.
type word struct {
	pos
	text   string
	quoted bool
}

// at returns the place of the byte with index i.
func (w word) at(i int) pos {
	if w.quoted {
		i++
	}
	return pos{w.line, w.col + i}
}

// part returns a part of the word that begins at index i.
func (w word) part(i int, text string) word { return word{pos: w.at(i), text: text} }

// argumentWords makes words of arguments, each of which is one.
func argumentWords(args []string) []word {
	words := make([]word, len(args))
	for i, a := range args {
		words[i] = word{pos: pos{i + 1, 1}, text: a}
	}
	return words
}

// fileWords splits a file into words. It continues after an error with the next
// line.
func fileWords(src *lint.Source, found *findings) []word {
	l := &lexer{found: found}
	if src.HasBOM() {
		found.warn(pos{1, 1}, "the file begins with a byte order mark (BOM), which chat(8) takes for a part of the first word: save the file without one")
	}
	for text := range strings.Lines(src.Text()) {
		l.number++
		l.readLine(text)
	}
	return l.words
}

type lexer struct {
	found  *findings
	words  []word
	number int // of the line, from 1
	crlf   bool
}

// readLine adds the words of one line, which ends with a line feed or with the
// file.
func (l *lexer) readLine(text string) {
	text, ended := strings.CutSuffix(text, "\n")
	if ended && strings.HasSuffix(text, "\r") {
		text = text[:len(text)-1]
		if !l.crlf {
			l.crlf = true
			l.found.warn(l.at(len(text)),
				"lines end in CR LF: chat(8) takes the CR for a part of the word; save the file with LF alone")
		}
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		l.found.warn(l.at(i), "a NUL byte ends the line here: write \\N to send one")
		text = text[:i]
	}
	if strings.HasPrefix(text, "#") {
		return
	}
	for _, marker := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
		if strings.HasPrefix(text, marker) {
			l.found.warn(l.at(0), "%s is the conflict marker of a version control system: keep one of the two versions and delete the marker", marker)
		}
	}
	for i := 0; i < len(text); {
		switch text[i] {
		case ' ', '\t':
			i++
		case '\'', '"':
			i = l.quoted(text, i)
		default:
			j := i
			for j < len(text) && text[j] != ' ' && text[j] != '\t' {
				j++
			}
			switch {
			case text[i:j] == `\` && strings.Trim(text[j:], " \t") == "":
				l.found.warn(l.at(i), `\ is a word of its own here: a script needs none to go on in the next line`)
			case (j-i-len(strings.TrimRight(text[i:j], `\`)))%2 == 1 && strings.Trim(text[j:], " \t") != "":
				l.found.warn(l.at(j-1), `\ does not protect a space: quote the word, or write \s for the space`)
			case i == len(text)-len(strings.TrimLeft(text, " \t")) && (text[i] == ';' || strings.HasPrefix(text[i:], "//")):
				l.found.warn(l.at(i), "%q is a word, not a comment: a comment has # in column 1", text[i:j])
			case strings.Count(text[i:j], `"`)%2 == 1 && strings.Contains(text[j:], `"`):
				l.found.warn(l.at(i+strings.LastIndexByte(text[i:j], '"')), "a quote inside a word is an ordinary character, and the word ends at the next space: quote the whole word with '")
			}
			if text[i] == '#' {
				l.found.warn(l.at(i), "%q is a word, not a comment: a comment has its # in column 1 (quote the word to say that you mean it)", text[i:j])
			}
			l.words = append(l.words, word{l.at(i), text[i:j], false})
			i = j
		}
	}
}

func (l *lexer) at(i int) pos { return pos{l.number, i + 1} }

// quoted reads the word whose quote is at i and returns where the line continues.
// A backslash keeps the next byte from ending the word, and both stay in it.
func (l *lexer) quoted(text string, i int) int {
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case text[i]:
			l.words = append(l.words, word{l.at(i), text[i+1 : j], true})
			if j+1 < len(text) && text[j+1] != ' ' && text[j+1] != '\t' {
				l.found.warn(l.at(j+1), "the quote ends the word, and what follows it is a word of its own: leave a space, or quote all of it")
			}
			return j + 1
		}
	}
	l.found.add(lint.SeverityError, l.at(i), "unterminated quote (line %d): close it before the line ends", l.number)
	return len(text)
}
