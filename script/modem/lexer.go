package modem

// lineLimit bounds a line; what follows up to its end is dropped.
const lineLimit = 1024

// lexer cuts what a modem sends in command mode into lines. A verbose line
// ends with CR LF; a numeric result and an echo end with CR alone. The byte
// after a CR decides, but for a number that can be a result: nothing need
// follow that, so the CR completes it. It is told from a line of information
// that holds a number by the empty line that comes before information in
// verbose mode. So not one byte past a CONNECT is taken.
type lexer struct {
	isCode func(text string) bool // whether a number is a result code

	line  []byte
	cr    bool // line is complete if the next byte shows it is no result
	blank bool // an empty line came before
}

// lineText is a line without its end.
type lineText struct {
	text    string
	numeric bool // a number that is a result code
}

// feed takes one byte and returns the line that it completes, if any.
func (l *lexer) feed(c byte) (lineText, bool) {
	if l.cr {
		out, ok := l.flush()
		if c != '\n' {
			l.take(c)
		}
		return out, ok
	}
	return l.take(c)
}

func (l *lexer) take(c byte) (lineText, bool) {
	switch {
	case c == '\r' && len(l.line) == 0:
		l.blank = true
	case c == '\r':
		if !l.blank && l.isCode(string(l.line)) {
			out, _ := l.flush()
			out.numeric = true
			return out, true
		}
		l.cr = true
	case c == '\n':
		return l.flush()
	case c != 0 && len(l.line) < lineLimit:
		l.line = append(l.line, c)
	}
	return lineText{}, false
}

// begun reports whether there is part of a line.
func (l *lexer) begun() bool { return len(l.line) > 0 }

// flush returns what there is of a line.
func (l *lexer) flush() (lineText, bool) {
	out := lineText{text: string(l.line)}
	if len(l.line) > 0 {
		l.blank = false
	}
	l.line, l.cr = l.line[:0], false
	return out, out.text != ""
}
