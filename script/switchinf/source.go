package switchinf

import (
	"sort"
	"strings"
)

// A place is a byte of the file. Lines and columns count from 1.
type place struct {
	line, col int
	source    string // the line
}

// A line is a logical line: several lines of the file if those before the last
// end in a backslash. In text each \\ is one backslash.
type line struct {
	text  string
	marks []mark
}

// A mark specifies the place in the file of an offset in a logical line.
// It holds up to the next mark.
type mark struct {
	offset int
	place
}

// at returns the place of the byte at offset.
func (l *line) at(offset int) place {
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].offset > offset })
	m := l.marks[max(i-1, 0)]
	m.col += offset - m.offset
	return m.place
}

// lines reads logical lines. Comments and blank lines are left out.
type lines struct {
	rest   string
	end    string // of a line: LF, or CR in a file without LF
	number int    // of the line read last
	warn   func(at place, format string, args ...any)
}

// next returns the next logical line, without blanks in front: a line of the file and
// those that it is joined with.
func (r *lines) next() (line, bool) {
	for r.rest != "" {
		raw := r.read()
		text := strings.TrimLeft(raw, " \t")
		switch {
		case text == "", raw[0] == ';':
			continue
		case text[0] == ';':
			at := place{r.number, len(raw) - len(text) + 1, raw}
			r.warn(at, "a comment begins in column 1: Windows may take this line for something else")
			continue
		}
		var l line
		var joined strings.Builder
		for more := r.part(&l, &joined, raw, len(raw)-len(text)); more; {
			// A comment between joined lines does not end them.
			for strings.HasPrefix(r.rest, ";") {
				r.read()
			}
			if r.rest == "" {
				break
			}
			more = r.part(&l, &joined, r.read(), 0)
		}
		l.text = joined.String()
		return l, true
	}
	return line{}, false
}

// read returns the next line of the file without its end.
func (r *lines) read() string {
	r.number++
	raw, rest, found := strings.Cut(r.rest, r.end)
	r.rest = rest
	if found {
		raw = strings.TrimSuffix(raw, "\r")
	}
	return raw
}

// part appends one line of the file and reports whether it ends in a single
// backslash.
func (r *lines) part(l *line, text *strings.Builder, raw string, skip int) bool {
	l.mark(text.Len(), place{r.number, skip + 1, raw})
	from := skip // what is written next
	for i := skip; ; i++ {
		n := strings.IndexByte(raw[i:], '\\')
		if n < 0 {
			text.WriteString(raw[from:])
			return false
		}
		i += n
		if i+1 == len(raw) {
			text.WriteString(raw[from:i])
			return true
		}
		if raw[i+1] == '\\' {
			i++
			text.WriteString(raw[from:i])
			from = i + 1
			l.mark(text.Len(), place{r.number, from + 1, raw})
		}
	}
}

func (l *line) mark(offset int, p place) { l.marks = append(l.marks, mark{offset, p}) }
