package match

import (
	"fmt"
	"regexp"
	"slices"
)

// Pattern is one thing to look for.
type Pattern struct {
	Text string         // a text; the empty one matches without any input
	Fold bool           // whether ASCII letters of Text match in either case
	Re   *regexp.Regexp // if not nil, Text and Fold are ignored
}

// Set is a compiled list of patterns. It never changes, so any number of
// Scanners may use it at the same time.
type Set struct {
	lens   []int        // length of each pattern's text; -1 for a regexp
	texts  []*automaton // none, or the exact texts', or the folded texts', or both
	filter *filter      // where a text can begin; nil if there are no texts
	progs  []*program
	begins [256]bool // the bytes with which a match can begin; filled if there are progs
	byByte bool      // whether a pattern can complete on any byte, or there are several machines
	empty  int
}

// Compile prepares p for scanning. It fails for a regular expression that asks
// about bytes after the match ($, \z, \b, \B), with an error that names the
// pattern and says what to write instead.
func Compile(p []Pattern) (*Set, error) {
	s := &Set{lens: make([]int, len(p)), empty: -1}
	var exact, fold []text
	for i, pat := range p {
		if pat.Re != nil {
			prog, err := compileRegexp(i, pat.Re.String())
			if err != nil {
				return nil, fmt.Errorf("pattern %d, regexp %q: %w", i+1, pat.Re, err)
			}
			s.lens[i] = -1
			s.progs = append(s.progs, prog)
			continue
		}
		s.lens[i] = len(pat.Text)
		if pat.Fold {
			fold = append(fold, text{i, []byte(pat.Text)})
		} else {
			exact = append(exact, text{i, []byte(pat.Text)})
		}
	}
	s.addTexts(exact, fold)
	s.setBegins(exact, fold)
	s.empty = s.firstEmpty()
	s.byByte = len(s.progs) > 0 || len(s.texts) > 1 || slices.Contains(s.lens, 0)
	return s, nil
}

func (s *Set) addTexts(exact, fold []text) {
	if len(exact)+len(fold) == 0 {
		return
	}
	s.filter = newFilter(exact, fold)
	if len(exact) > 0 {
		s.texts = append(s.texts, newAutomaton(exact, false))
	}
	if len(fold) > 0 {
		s.texts = append(s.texts, newAutomaton(fold, true))
	}
}

func (s *Set) setBegins(exact, fold []text) {
	if len(s.progs) == 0 {
		return
	}
	for c := range s.begins {
		for _, t := range exact {
			s.begins[c] = s.begins[c] || len(t.bytes) == 0 || t.bytes[0] == byte(c)
		}
		for _, t := range fold {
			s.begins[c] = s.begins[c] || len(t.bytes) == 0 || foldByte(t.bytes[0], true) == foldByte(byte(c), true)
		}
		for _, p := range s.progs {
			s.begins[c] = s.begins[c] || p.begins[c]
		}
	}
}

// Empty returns the index of the first pattern that matches without any input
// at the start of a wait, and -1 if there is none. Such a pattern also
// completes on every byte at which it matches the empty string.
func (s *Set) Empty() int { return s.empty }

func (s *Set) firstEmpty() int {
	first := -1
	for i, n := range s.lens {
		if n == 0 {
			first = i
			break
		}
	}
	for _, p := range s.progs {
		if p.matchesEmpty() && (first < 0 || p.index < first) {
			first = p.index
		}
	}
	return first
}
