package match

import (
	"slices"
	"unicode/utf8"
)

// Scanner is the state of one wait for the patterns of a Set. Reset makes it
// ready, also for another wait. It is not for use by several goroutines at a
// time, and must not be copied after Reset.
type Scanner struct {
	set    *Set
	state  [2]uint32 // of set.texts
	vms    []vm      // of set.progs
	decode decoder   // for vms
	begun  int64     // bytes that the decoder has passed on
	seen   int64     // bytes scanned; kept for vms alone
	began  int       // bytes that the decoder passed on in this step
	exact  bool      // see Reset
	over   int       // see Over
	again  int       // bytes that are about to be read again
	told   bool      // texts that end on this byte were reported when it was read first

	// The states of the texts before the bytes that the decoder holds, the
	// latest last: to return to when a regular expression turns out to have
	// matched before those bytes.
	before [utf8.UTFMax][2]uint32

	hits  []int
	local [8]int // room for the hits of a small set
}

// Reset starts a wait for the patterns of s. It allocates nothing if s has at
// most eight patterns, none of them a regular expression, or is the set of the
// last wait.
//
// A byte that may begin a character of several bytes decides nothing until the
// next byte has been read. An exact scanner does not read on: to it the end of
// what has been scanned is U+FFFD if a regular expression matches so.
func (sc *Scanner) Reset(s *Set, exact bool) {
	sc.exact, sc.over, sc.again, sc.told = exact, 0, 0, false
	sc.set = s
	sc.state = [2]uint32{}
	sc.decode.n, sc.begun, sc.seen = 0, 0, 0
	if cap(sc.hits) < len(s.lens) {
		sc.hits = sc.local[:]
		if len(s.lens) > len(sc.local) {
			sc.hits = make([]int, len(s.lens))
		}
	}
	sc.hits = sc.hits[:0]
	if cap(sc.vms) < len(s.progs) {
		sc.vms = make([]vm, len(s.progs))
	}
	sc.vms = sc.vms[:len(s.progs)]
	for i := range sc.vms {
		sc.vms[i].reset(s.progs[i])
	}
}

// Scan reads b, which continues the bytes before, up to and including the
// first byte on which a pattern completes, and returns the number of bytes
// read. If ok is false no pattern completed and n is len(b). Another call goes
// on from there, so that matches that overlap are found too.
//
// A regular expression that ends in a byte that is no UTF-8 completes when that
// is certain, up to three bytes later; Over reports how many of the bytes read
// are not part of the match.
func (sc *Scanner) Scan(b []byte) (n int, ok bool) {
	sc.hits = sc.hits[:0]
	sc.over = 0
	switch {
	case sc.set.byByte:
		n, ok = sc.scanAll(b)
	case len(sc.set.texts) > 0:
		n, ok = sc.scanTexts(b)
	default:
		return len(b), false
	}
	if ok {
		// Fill hits after a byte on which something completed.
		for i, a := range sc.set.texts {
			if s := sc.state[i]; a.accepts(s) && !sc.told {
				for n := a.out[a.identity(s)]; n != 0; n = a.outs[n-1].next {
					for _, p := range a.hits[a.outs[n-1].from:a.outs[n-1].to] {
						sc.hits = append(sc.hits, int(p))
					}
				}
			}
		}
		for i := range sc.vms {
			if v := &sc.vms[i]; v.matched {
				sc.hits = append(sc.hits, v.prog.index)
			}
		}
		slices.Sort(sc.hits)
	}
	return n, ok
}

// Over returns how many bytes Scan has read beyond the end of the match, 0 to 3.
// The scanner has forgotten them: to continue, Scan must be given them again.
func (sc *Scanner) Over() int { return sc.over }

// Undecoded returns how many of the last bytes read, 0 to 3, may be the beginning
// of a character. Over counts such bytes only.
func (sc *Scanner) Undecoded() int { return sc.decode.n }

// Slow reports whether the scanner may take a microsecond for each byte, because
// there are regular expressions.
func (sc *Scanner) Slow() bool { return len(sc.vms) > 0 }

// Pending returns how many of the last bytes read may be the beginning of a
// match.
func (sc *Scanner) Pending() int {
	pending := sc.decode.n
	for i, a := range sc.set.texts {
		pending = max(pending, a.depth(sc.state[i]))
	}
	for i := range sc.vms {
		// Where the first attempt that is under way began; those that
		// begin at pos have not read anything.
		v := &sc.vms[i]
		pos := sc.begun
		for _, t := range v.now {
			pos = min(pos, t.start)
		}
		pending = max(pending, int(sc.seen-pos))
	}
	return pending
}

// Hits returns the indices of all patterns that completed on the last byte
// that Scan read, in ascending order. They are valid until the next Scan.
func (sc *Scanner) Hits() []int { return sc.hits }

// Len returns the length in bytes of the match of pattern hit, one of Hits,
// up to and including the last byte that Scan read. That of a regular
// expression is from the leftmost place from which it matches to here. The
// match may have begun before the piece that was scanned last.
func (sc *Scanner) Len(hit int) int {
	if n := sc.set.lens[hit]; n >= 0 {
		return n
	}
	for i := range sc.vms {
		if v := &sc.vms[i]; v.prog.index == hit && v.matched {
			return int(sc.seen - v.start)
		}
	}
	return 0
}

// Need returns a number of bytes, at least 1, such that no pattern can
// complete within fewer further ones. For texts it is exact. A set without
// patterns needs more than there will ever be.
func (sc *Scanner) Need() int {
	need := far
	for i, a := range sc.set.texts {
		need = min(need, int(a.dist[a.identity(sc.state[i])]))
	}
	for i := range sc.vms {
		// The fewest bytes, at least 1, until the program can match. A
		// rune has one byte or more, and those that wait in the decoder are there.
		v := &sc.vms[i]
		best := v.prog.dist[v.prog.start] + 1
		for _, t := range v.now {
			best = min(best, v.prog.dist[t.pc])
		}
		need = min(need, max(1, int(best)-sc.decode.n))
	}
	return need
}

// scanTexts is Scan for one automaton.
func (sc *Scanner) scanTexts(b []byte) (int, bool) {
	a, s := sc.set.texts[0], sc.state[0]&^accept
	rows, class := a.rows, &a.class
	for i := 0; i < len(b); {
		switch {
		case s == 0:
			i += sc.set.filter.skip(b[i:])
		case s&sparse != 0:
			s = a.step(s, b[i])
			i++
		}
		for i < len(b) && s < sparse {
			s = rows[s+uint32(class[b[i]])]
			i++
			// The root, sparse states and those that accept, in one comparison.
			if s-1 >= sparse-1 {
				break
			}
		}
		if s&accept != 0 {
			sc.state[0] = s
			return i, true
		}
	}
	sc.state[0] = s
	return len(b), false
}

// scanAll is Scan for any machines, in step.
func (sc *Scanner) scanAll(b []byte) (int, bool) {
	for i := 0; i < len(b); {
		if sc.idle() {
			n := sc.skip(b[i:])
			if i += n; i == len(b) {
				break
			}
		}
		ok := sc.step(b[i])
		if i++; ok {
			return i, true
		}
	}
	return len(b), false
}

// idle reports whether no pattern has begun to match.
func (sc *Scanner) idle() bool {
	if sc.decode.n > 0 || sc.state != [2]uint32{} {
		return false
	}
	for i := range sc.vms {
		if !sc.vms[i].idle {
			return false
		}
	}
	return true
}

// skip passes over bytes at the front of b with which no pattern begins, while
// the scanner is idle, and returns their number.
func (sc *Scanner) skip(b []byte) int {
	if len(sc.vms) == 0 {
		return sc.set.filter.skip(b)
	}
	n := 0
	for n < len(b) && !sc.set.begins[b[n]] {
		n++
	}
	if n > 0 {
		sc.seen += int64(n)
		sc.begun += int64(n)
		for i := range sc.vms {
			// Make the threads of an idle vm begin at byte pos.
			v, pos := &sc.vms[i], sc.begun
			for i := range v.now {
				v.now[i].start = pos
			}
		}
	}
	return n
}

// step gives a byte to all machines and reports whether a pattern completed.
func (sc *Scanner) step(c byte) bool {
	if len(sc.vms) > 0 {
		sc.before[sc.decode.n] = sc.state
	}
	ok := false
	if sc.told = sc.again > 0; sc.told {
		sc.again--
	}
	for k, a := range sc.set.texts {
		sc.state[k] = a.step(sc.state[k], c)
		ok = ok || a.accepts(sc.state[k]) && !sc.told
	}
	if len(sc.vms) > 0 && sc.stepRegexps(c) {
		if sc.over = sc.decode.n; sc.over > 0 {
			// The bytes that are left were read to see that the match had
			// ended. Texts that end in them were reported but for the last.
			sc.again += sc.over
			if !sc.told {
				sc.again--
			}
			sc.told = true
			sc.state = sc.before[sc.began]
			sc.seen -= int64(sc.over)
			sc.decode.n = 0
		}
		return true
	}
	return ok
}

// stepRegexps gives a byte to the regular expressions and reports whether one
// of them matched. It stops after the first character with which one does.
func (sc *Scanner) stepRegexps(c byte) bool {
	for i := range sc.vms {
		sc.vms[i].clear()
	}
	sc.seen++
	// There is always room for one more byte.
	d := &sc.decode
	d.buf[d.n] = c
	d.n++
	sc.began = 0
	for {
		r, size := sc.decode.next()
		if size == 0 {
			if sc.exact && sc.endsHere() {
				return true
			}
			copy(sc.before[:], sc.before[sc.began:])
			return false
		}
		sc.began += size
		sc.begun += int64(size)
		ok := false
		for i := range sc.vms {
			sc.vms[i].step(r, sc.begun)
			ok = ok || sc.vms[i].matched
		}
		if ok {
			return true
		}
	}
}

// endsHere reports whether a regular expression matches if the bytes that the
// decoder holds are no UTF-8, and takes them for that if so.
func (sc *Scanner) endsHere() bool {
	if sc.decode.n == 0 {
		return false
	}
	found := false
	for i := range sc.vms {
		found = found || sc.vms[i].matchesInvalid(sc.decode.n)
	}
	if !found {
		return false
	}
	for ; sc.decode.n > 0; sc.decode.n-- {
		sc.begun++
		for i := range sc.vms {
			sc.vms[i].step(utf8.RuneError, sc.begun)
		}
	}
	return true
}
