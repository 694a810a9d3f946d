package scp

import "sort"

// source is the text of a script file and where its lines begin.
type source struct {
	name   string
	text   string
	starts []int32
}

func newSource(name, text string) *source {
	s := &source{name: name, text: text, starts: []int32{0}}
	for i := 0; i < len(text); {
		if !isLineEnd(text[i]) {
			i++
			continue
		}
		i += lineEnd(text[i:])
		s.starts = append(s.starts, int32(i))
	}
	return s
}

// place returns line and column of a byte offset, both counted from 1.
func (s *source) place(pos int) (line, col int) {
	line = sort.Search(len(s.starts), func(i int) bool { return int(s.starts[i]) > pos })
	return line, pos - int(s.starts[line-1]) + 1
}

// line returns a line without its line end.
func (s *source) line(n int) string {
	from, to := int(s.starts[n-1]), len(s.text)
	if n < len(s.starts) {
		to = int(s.starts[n])
	}
	for to > from && isLineEnd(s.text[to-1]) {
		to--
	}
	return s.text[from:to]
}
