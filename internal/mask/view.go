package mask

// view is a stream as forms see it: letters in lower case, without line ends,
// control characters, terminal sequences, and characters that overtype another
// after a backspace.
type view struct {
	strip    bool   // without the high bits, which may be parity
	overtype bool   // the next character is typed over the one before
	sequence byte   // ESC, '[' or '(' of a terminal sequence; 0: none
	recent   uint64 // the last eight characters, the latest in the low bits
}

// next returns the character that c denotes, or skip.
func (v *view) next(c byte) (char byte, skip bool) {
	if v.strip {
		c &= 0x7F
	}
	switch v.sequence {
	case 0x1b:
		v.sequence = 0
		if c == '[' {
			v.sequence = c
			return 0, true
		}
		if c == ']' { // a title, which may be what was typed: its text is seen
			return 0, true
		}
		if c == '(' || c == ')' {
			v.sequence = '('
			return 0, true
		}
		if c < '@' { // ESC 7 and the like are complete with it
			return 0, true
		}
	case '(':
		v.sequence = 0
		return 0, true
	case '[':
		if c >= '@' && c <= '~' || c < ' ' {
			v.sequence = 0
		}
		return 0, true
	}
	switch {
	case c == 0x1b:
		v.sequence = 0x1b
		return 0, true
	case c == '\b':
		v.overtype = true
		return 0, true
	case c < ' ' || c == 0x7F:
		return 0, true
	case v.overtype:
		v.overtype = false
		return 0, true
	}
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	v.recent = v.recent<<8 | uint64(c)
	return c, false
}

// ordinary reports whether a printable character is what it is, and in no
// sequence.
func (v *view) ordinary() bool { return v.sequence == 0 && !v.overtype }

// fold returns b as a view shows it.
func fold(b []byte, strip bool) []byte {
	out := make([]byte, 0, len(b))
	v := view{strip: strip}
	for _, c := range b {
		if char, skip := v.next(c); !skip {
			out = append(out, char)
		}
	}
	return out
}
