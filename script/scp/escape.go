package scp

import "strings"

// expand returns s with its escapes replaced, reading once from left to right:
// ^@ to ^_ and ^a to ^z, <cr> and <lf> in any letter case, and \" \^ \< \\.
// Everything else is itself. A text without escapes is returned as it is.
func expand(s string) string {
	i := strings.IndexAny(s, `^<\`)
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for i < len(s) {
		var n int
		b, n = expandOne(b, s[i:])
		i += n
	}
	return string(b)
}

// expandOne appends what s begins with to b and returns how many bytes of s
// that was. A ^ or a \ takes the next byte with it even where the two mean
// nothing, so that this byte begins no other escape.
func expandOne(b []byte, s string) ([]byte, int) {
	switch c := s[0]; {
	case c == '<' && len(s) >= 4 && s[3] == '>':
		switch fold(s[1:3]) {
		case "cr":
			return append(b, '\r'), 4
		case "lf":
			return append(b, '\n'), 4
		}
	case c == '^' && len(s) >= 2:
		switch d := s[1]; {
		case '@' <= d && d <= '_':
			return append(b, d-'@'), 2
		case 'a' <= d && d <= 'z':
			return append(b, d-'a'+1), 2
		}
		return append(b, c, s[1]), 2
	case c == '\\' && len(s) >= 2:
		switch d := s[1]; d {
		case '"', '^', '<', '\\':
			return append(b, d), 2
		}
		return append(b, c, s[1]), 2
	}
	return append(b, s[0]), 1
}
