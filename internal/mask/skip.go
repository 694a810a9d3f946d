package mask

import (
	"cmp"
	"slices"
)

// Most of a stream has nothing to do with a secret. A piece that is recognised has
// one error at most, so that half of its characters follow each other as in the
// form: it has a gram of it, two to four characters. Stream.skip looks for grams
// alone, which costs the same however many secrets there are; where it finds one
// it steps that form, and only where the form is then recognised are all
// forms stepped.
//
// The forms have no state for what was skipped. They do not need it: a piece
// without a gram spans less than maxSpan characters, so that maxSpan characters
// after it was reset the state of a form is what it would be without the skip.
// They begin again at a place that is 2*maxSpan characters before the first gram,
// or before the end of the text. By then they are right about all that can be
// recognised or has to be held back.
const (
	maxGram = 4
	maxSpan = 2 * maxGram // two runs of maxGram-1 with an error in between, and one to spare

	// worthwhile is the least number of bytes that are skipped in.
	worthwhile = 8 * maxSpan

	// between is how many bytes are stepped before it is tried again.
	between = 2 * maxSpan
)

// filter finds the grams of some forms.
type filter struct {
	of           int // number of the forms
	plain, strip gramSet
}

// gramSet holds the grams of one view.
type gramSet struct {
	sizes [maxGram + 1]bool // of the grams in it
	bits  []uint64          // of the hashes of the grams
	shift int               // from a product to a hash
	list  []gram            // ordered by key
}

type gram struct {
	key  uint32
	form int32 // index in the forms of the masker
}

// gramKey returns the latest characters as the key of a gram of n of them.
// Characters are not below ' ', so that keys of different sizes differ.
func gramKey(recent uint64, n int) uint32 {
	if n == maxGram {
		return uint32(recent)
	}
	return uint32(recent)&(1<<(8*n)-1) | uint32(n)<<24
}

// filter returns the filter of all forms, or nil if skip cannot be used with
// them. m is locked.
func (m *Masker) filter() *filter {
	if m.grams == nil || m.grams.of != len(m.forms) {
		f := &filter{of: len(m.forms)}
		for i, form := range m.forms {
			set := &f.plain
			if form.strip {
				set = &f.strip
			}
			set.sizes[form.gram] = true
			var recent uint64
			for n, c := range form.text {
				if recent = recent<<8 | uint64(c); n+1 >= form.gram {
					set.list = append(set.list, gram{gramKey(recent, form.gram), int32(i)})
				}
			}
		}
		f.plain.index()
		f.strip.index()
		m.grams = f
	}
	if m.grams.plain.sizes[1] || m.grams.strip.sizes[1] {
		return nil // a form of control characters, which no view shows
	}
	return m.grams
}

// index orders the grams and sets the bits of their hashes.
func (g *gramSet) index() {
	slices.SortFunc(g.list, func(a, b gram) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.form, b.form))
	})
	g.list = slices.Clip(slices.Compact(g.list))
	size := 6 // of bits, as a power of two: about one in 32 is set
	for 1<<size < 32*len(g.list) {
		size++
	}
	g.bits, g.shift = make([]uint64, 1<<(size-6)), 32-size
	for _, x := range g.list {
		h := g.hash(x.key)
		g.bits[h/64] |= 1 << (h % 64)
	}
}

func (g *gramSet) hash(key uint32) uint32 { return key * 0x9E3779B1 >> g.shift }

// may reports whether the latest characters may be a gram.
func (g *gramSet) may(recent uint64) bool {
	return g.sizes[4] && g.has(uint32(recent)) || g.sizes[3] && g.has(gramKey(recent, 3)) || g.sizes[2] && g.has(gramKey(recent, 2))
}

// has reports whether the hash of a key is that of one of the grams.
func (g *gramSet) has(key uint32) bool {
	h := g.hash(key)
	return g.bits[h/64]&(1<<(h%64)) != 0
}

// find appends the forms with a gram that is the latest characters.
func (g *gramSet) find(recent uint64, forms []int32) []int32 {
	for n := 2; n <= maxGram; n++ {
		key := gramKey(recent, n)
		i, ok := slices.BinarySearchFunc(g.list, key, func(x gram, key uint32) int { return cmp.Compare(x.key, key) })
		for ; ok && i < len(g.list) && g.list[i].key == key; i++ {
			forms = append(forms, g.list[i].form)
		}
	}
	return forms
}

// quiet reports whether nothing that has arrived is part of a piece with a gram.
func (s *Stream) quiet() bool {
	if len(s.short) > 0 || len(s.forms) == 0 {
		return false
	}
	for _, f := range s.forms {
		if !f.quiet() {
			return false
		}
	}
	return true
}

// place is a place in a text, as an index, and the views before it.
type place struct {
	at           int
	plain, strip view
}

// skip adds bytes at the beginning of b without stepping the forms and returns
// how many, and the index up to which the forms must be stepped before skip is
// used again. The stream is quiet. f is the filter of its forms.
func (s *Stream) skip(b []byte, f *filter) (n, until int) {
	for _, form := range s.forms {
		form.passed = 0
	}
	both := len(f.plain.list) > 0
	here := place{0, s.plain, s.strip}
	from, to := here, here // where the forms may begin again, now and later
	chars := 0             // between to and here
	passed := 0            // up to there the forms that were stepped have pieces
	found := make([]int32, 0, 16)
	for until = len(b); until == len(b) && here.at < len(b); {
		if chars == 2*maxSpan {
			from, to, chars = to, here, 0
		}
		if here.at >= passed {
			chars += f.advance(&here, b, 2*maxSpan-chars)
			if chars == 2*maxSpan || here.at == len(b) {
				continue
			}
		}
		_, skipPlain := here.plain.next(b[here.at])
		_, skipStrip := here.strip.next(b[here.at])
		here.at++
		if skipStrip && (skipPlain || !both) {
			continue
		}
		if both && skipPlain != skipStrip {
			until = here.at // characters are counted for both views alike
			break
		}
		if f.strip.may(here.strip.recent) || both && f.plain.may(here.plain.recent) {
			found = f.plain.find(here.plain.recent, f.strip.find(here.strip.recent, found[:0]))
			for _, i := range found {
				form := s.forms[i]
				if here.at <= form.passed {
					continue
				}
				if from.at == 0 || !form.passes(b, here) {
					until = here.at
					break
				}
				passed = max(passed, form.passed)
			}
		}
		if chars++; here.at <= passed {
			to, chars = here, 0
		}
	}
	if from.at > 0 {
		s.held = append(s.held, b[:from.at]...)
		s.hidden = append(s.hidden, make([]bool, from.at)...)
		s.plain, s.strip = from.plain, from.strip
		s.active, s.live, s.hide = 0, -1, -1
		for _, form := range s.forms {
			form.reset()
		}
	}
	return from.at, until
}

// advance moves a place over characters that end no gram, up to limit of them, and
// over what is ignored between them. It returns how many characters they are.
func (f *filter) advance(p *place, b []byte, limit int) (n int) {
	if !p.plain.ordinary() || !p.strip.ordinary() {
		return 0
	}
	set := &f.strip
	four, three, two, both := set.sizes[4], set.sizes[3], set.sizes[2], len(f.plain.list) > 0
	recent, plain := p.strip.recent, p.plain.recent
	at := p.at
	for ; n < limit && at < len(b); at++ {
		c := uint64(b[at])
		if c < ' ' && c != '\b' && c != 0x1b {
			continue
		}
		if c < ' ' || c >= 0x7F {
			break
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		now := recent<<8 | c
		if four && set.has(uint32(now)) || three && set.has(gramKey(now, 3)) || two && set.has(gramKey(now, 2)) || both && f.plain.may(plain<<8|c) {
			break
		}
		recent, plain = now, plain<<8|c
		n++
	}
	p.strip.recent, p.plain.recent, p.at = recent, plain, at
	return n
}

// passes steps the form from maxSpan characters before a place in b until it has
// no piece with a gram any more, at f.passed. It returns false if a piece is
// recognised before, or if b ends.
func (f *formState) passes(b []byte, p place) bool {
	v := p.plain
	if f.strip {
		v = p.strip
	}
	f.reset()
	for shift := 8 * (maxSpan - 1); shift >= 0; shift -= 8 {
		if c := byte(v.recent >> shift); c != 0 {
			if from, _, _ := f.step(c, 0); from >= 0 {
				return false
			}
		}
	}
	for f.passed = p.at; f.passed < len(b); f.passed++ {
		if f.quiet() {
			return true
		}
		if c, skip := v.next(b[f.passed]); !skip {
			if from, _, _ := f.step(c, 0); from >= 0 {
				return false
			}
		}
	}
	return false
}
