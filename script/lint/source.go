package lint

import (
	"fmt"
	"sort"
	"strings"
)

// MaxSource is the size in bytes of the largest script that is read.
const MaxSource = 1 << 20

const bom = "\xEF\xBB\xBF"

// Source is the text of a script file: its lines, for places, and what makes a
// file unreadable whatever its language. It does not change and may be used by
// several goroutines.
type Source struct {
	name, text string
	size       int
	starts     []int32
}

// NewSource returns the source of a file. The name is for messages. It copies
// src, or the first [MaxSource] bytes of it.
func NewSource(name string, src []byte) *Source {
	s := &Source{name: name, text: string(src[:min(len(src), MaxSource)]), size: len(src), starts: []int32{0}}
	for i := 0; i < len(s.text); i++ {
		c := s.text[i]
		if c == '\n' || c == '\r' && !strings.HasPrefix(s.text[i+1:], "\n") {
			s.starts = append(s.starts, int32(i+1))
		}
	}
	return s
}

// Name returns the name that was given to NewSource.
func (s *Source) Name() string { return s.name }

// Text returns the file as it is, with the mark of [Source.HasBOM].
func (s *Source) Text() string { return s.text }

// HasBOM reports whether the file begins with the byte order mark of UTF-8.
func (s *Source) HasBOM() bool { return strings.HasPrefix(s.text, bom) }

// Body returns the file without that mark.
func (s *Source) Body() string { return strings.TrimPrefix(s.text, bom) }

// Refusal returns why no script can be read from the file, or "": it is larger
// than MaxSource or in UTF-16 with a byte order mark.
func (s *Source) Refusal() string {
	switch {
	case s.size > MaxSource:
		return fmt.Sprintf("the file has %d bytes: a script has at most %d", s.size, MaxSource)
	case strings.HasPrefix(s.text, "\xFF\xFE"), strings.HasPrefix(s.text, "\xFE\xFF"):
		return "the file is in UTF-16: save it as plain text (ANSI or UTF-8)"
	}
	return ""
}

// NULRefusal is Refusal for the languages in which a NUL byte among the first n
// bytes shows that the file is not text.
func (s *Source) NULRefusal(n int) string {
	if text := s.Refusal(); text != "" {
		return text
	}
	if strings.IndexByte(s.text[:n], 0) >= 0 {
		return "the file contains NUL bytes and is no plain text: if an editor saved it as UTF-16 (Unicode), save it as ANSI or UTF-8"
	}
	return ""
}

// Place returns the line and the column of a byte offset, both counted from 1.
// CR, LF and CR LF each end a line.
func (s *Source) Place(pos int) (line, col int) {
	line = sort.Search(len(s.starts), func(i int) bool { return int(s.starts[i]) > pos })
	return line, pos - int(s.starts[line-1]) + 1
}

// Lines returns the number of lines; a line end at the end of the file begins a
// last, empty one.
func (s *Source) Lines() int { return len(s.starts) }

// Line returns a line without its line end.
func (s *Source) Line(n int) string {
	from, to := int(s.starts[n-1]), len(s.text)
	if n < len(s.starts) {
		to = int(s.starts[n])
	}
	return strings.TrimRight(s.text[from:to], "\r\n")
}

// Finding returns a finding at a byte offset.
func (s *Source) Finding(sev Severity, pos int, text string) Finding {
	line, col := s.Place(pos)
	return Finding{File: s.name, Line: line, Col: col, Severity: sev, Text: text, Source: s.Line(line)}
}
