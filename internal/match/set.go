package match

import (
	"fmt"
	"math"
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
	most   int // see Longest
}

// MaxText is the number of bytes that all texts of a set may have, and about
// what a regular expression may take when it is compiled.
const MaxText = 1 << 20

// Compile prepares p for scanning, in time and memory linear in the texts. It
// fails for a regular expression that asks about bytes after the match ($, \z,
// \b, \B), with an error that names what to write instead, and for more than
// MaxText. The error is a *PatternError if one pattern is to blame.
func Compile(p []Pattern) (*Set, error) {
	s := &Set{lens: make([]int, len(p)), empty: -1}
	var exact, fold []text
	size := 0
	for i, pat := range p {
		if pat.Re != nil {
			prog, err := compileRegexp(i, pat.Re)
			if err != nil {
				return nil, &PatternError{Index: i, Err: err}
			}
			s.lens[i] = -1
			s.most = math.MaxInt
			s.progs = append(s.progs, prog)
			continue
		}
		s.lens[i] = len(pat.Text)
		s.most = max(s.most, len(pat.Text))
		if size += len(pat.Text); size > MaxText {
			return nil, fmt.Errorf("the patterns have more than %d bytes of text: wait for fewer at a time", MaxText)
		}
		if pat.Fold {
			fold = append(fold, text{i, []byte(pat.Text)})
		} else {
			exact = append(exact, text{i, []byte(pat.Text)})
		}
	}
	s.addTexts(exact, fold)
	s.setBegins(exact, fold)
	first := -1
	for i, n := range s.lens {
		if n == 0 {
			first = i
			break
		}
	}
	for _, p := range s.progs {
		var v vm
		v.reset(p)
		if v.matched && (first < 0 || p.index < first) {
			first = p.index
		}
	}
	s.empty = first
	s.byByte = len(s.progs) > 0 || len(s.texts) > 1 || slices.Contains(s.lens, 0)
	return s, nil
}

// PatternError is what is wrong with one pattern. Its text does not show the
// pattern, which may be a secret.
type PatternError struct {
	Index int // of the pattern in the list
	Err   error
}

// Error returns "pattern N: CAUSE", counted from 1.
func (e *PatternError) Error() string { return fmt.Sprintf("pattern %d: %v", e.Index+1, e.Err) }

// Unwrap returns the cause.
func (e *PatternError) Unwrap() error { return e.Err }

func (s *Set) addTexts(exact, fold []text) {
	if len(exact)+len(fold) == 0 {
		return
	}
	shortest := math.MaxInt
	for _, list := range [][]text{exact, fold} {
		for _, t := range list {
			shortest = min(shortest, len(t.bytes))
		}
	}
	f := &filter{stride: max(1, min(16, shortest-1, 64/(len(exact)+len(fold))))}
	if shortest == 1 {
		f.back = 1
	}
	if shortest > 1 && len(exact)+len(fold) > fewTexts {
		f.samples = new([1 << 10]uint64)
	}
	for i, t := range exact {
		f.add(t.bytes, false, i)
	}
	for i, t := range fold {
		f.add(t.bytes, true, len(exact)+i)
	}
	s.filter = f
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

// Longest returns the length in bytes of the longest match that is possible,
// which is math.MaxInt for a regular expression.
func (s *Set) Longest() int { return s.most }
