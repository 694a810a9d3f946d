package match

import "slices"

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

	hits  []int
	local [8]int // room for the hits of a small set
}

// Reset starts a wait for the patterns of s. It allocates nothing if s has at
// most eight patterns, none of them a regular expression, or is the set of the
// last wait.
func (sc *Scanner) Reset(s *Set) {
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

// Scan reads b, which continues what came before, up to and including the
// first byte on which a pattern completes, and returns the number of bytes
// read. If ok is false no pattern completed and n is len(b). Another call goes
// on from there, so that matches that overlap are found too.
//
// A regular expression that may end in a byte that is no UTF-8 can complete up
// to three bytes later than that, when it is certain.
func (sc *Scanner) Scan(b []byte) (n int, ok bool) {
	sc.hits = sc.hits[:0]
	switch {
	case sc.set.byByte:
		n, ok = sc.scanAll(b)
	case len(sc.set.texts) > 0:
		n, ok = sc.scanTexts(b)
	default:
		return len(b), false
	}
	if ok {
		sc.collect()
	}
	return n, ok
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
		need = min(need, int(a.dist[sc.state[i]/a.stride]))
	}
	for i := range sc.vms {
		need = min(need, sc.vms[i].need(sc.decode.n))
	}
	return need
}

// collect fills hits after a byte on which something completed.
func (sc *Scanner) collect() {
	for i, a := range sc.set.texts {
		if s := sc.state[i]; s >= a.accept {
			sc.hits = a.appendHits(sc.hits, s)
		}
	}
	for i := range sc.vms {
		if v := &sc.vms[i]; v.matched {
			sc.hits = append(sc.hits, v.prog.index)
		}
	}
	slices.Sort(sc.hits)
}

// scanTexts is Scan for one automaton.
func (sc *Scanner) scanTexts(b []byte) (int, bool) {
	a, s := sc.set.texts[0], sc.state[0]
	accept, rows, class := a.accept, a.rows, &a.class
	for i := 0; i < len(b); {
		if s == 0 {
			i += sc.set.filter.skip(b[i:])
		}
		for i < len(b) {
			s = rows[s+uint32(class[b[i]])]
			i++
			// The root and the states that accept, in one comparison.
			if s-1 >= accept-1 {
				break
			}
		}
		if s >= accept {
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
			sc.vms[i].move(sc.begun)
		}
	}
	return n
}

// step gives a byte to all machines and reports whether a pattern completed.
func (sc *Scanner) step(c byte) bool {
	ok := false
	for k, a := range sc.set.texts {
		s := a.rows[sc.state[k]+uint32(a.class[c])]
		sc.state[k] = s
		ok = ok || s >= a.accept
	}
	if len(sc.vms) > 0 {
		ok = sc.stepRegexps(c) || ok
	}
	return ok
}

// stepRegexps gives a byte to the regular expressions and reports whether one
// of them matched.
func (sc *Scanner) stepRegexps(c byte) bool {
	for i := range sc.vms {
		sc.vms[i].clear()
	}
	sc.seen++
	sc.decode.add(c)
	ok := false
	for {
		r, size := sc.decode.next()
		if size == 0 {
			return ok
		}
		sc.begun += int64(size)
		for i := range sc.vms {
			sc.vms[i].step(r, sc.begun)
			ok = ok || sc.vms[i].matched
		}
	}
}
