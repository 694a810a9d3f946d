package match

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// A program is a compiled regular expression, the one of the pattern index.
type program struct {
	index int
	inst  []syntax.Inst
	start uint32
	dist  []uint32 // by instruction: fewest runes until it can match

	// begins holds the bytes that change a vm that is idle: those that can
	// begin a match, a newline, and all that are not ASCII.
	begins [256]bool
}

var (
	errEnd  = errors.New(`a stream has no end for $ or \z to find: write what follows instead, such as [\r\n]`)
	errLine = errors.New(`(?m)$ asks for a byte that has not come yet: write [\r\n] instead`)
	errWord = errors.New(`\b and \B ask for a byte that has not come yet: write the byte before or after the word instead, such as [^0-9A-Za-z_]`)
)

// instSize is about what one instruction takes, with its threads.
const instSize = 96

func compileRegexp(index int, re *regexp.Regexp) (*program, error) {
	tree, err := parse(re)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	size := len(prog.Inst) * instSize
	for i := range prog.Inst {
		size += 4 * len(prog.Inst[i].Rune)
	}
	if size > MaxText {
		return nil, fmt.Errorf("the regular expression compiles to %d KiB, at most %d: use fewer or shorter repeats", size>>10, MaxText>>10)
	}
	p := &program{index: index, inst: prog.Inst, start: uint32(prog.Start)}
	for i := range p.inst {
		if err := checkInst(&p.inst[i]); err != nil {
			return nil, err
		}
	}
	p.setDist()
	// Step every byte from the state before a match, at the start of a
	// line in case that makes a difference.
	var v vm
	v.reset(p)
	for c := range p.begins {
		p.begins[c] = c == '\n' || c >= utf8.RuneSelf || p.dist[p.start] == 0
		for _, t := range v.now {
			p.begins[c] = p.begins[c] || takes(&p.inst[t.pc], rune(c))
		}
	}
	return p, nil
}

// parse returns the syntax tree of re. Package regexp does not report whether re
// is of Compile or of CompilePOSIX, in which ^ is the start of a line and not of
// the text. Where an expression can be either and the two differ, texts that it
// matches after a line are tried on re itself.
func parse(re *regexp.Regexp) (*syntax.Regexp, error) {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	posix, posixErr := syntax.Parse(re.String(), syntax.POSIX)
	switch {
	case err != nil && posixErr == nil:
		return posix, nil
	case err != nil || posixErr != nil || tree.String() == posix.String():
		return tree, err
	}
	perl, err := regexp.Compile(re.String())
	if err != nil {
		return posix, nil
	}
	likePOSIX, err := regexp.CompilePOSIX(re.String())
	if err != nil {
		return tree, nil
	}
	for _, s := range []string{example(posix), "", "x"} {
		for _, probe := range []string{s, "x\n" + s, s + "\nx", "x\n" + s + "\nx"} {
			if want := likePOSIX.MatchString(probe); want != perl.MatchString(probe) {
				if re.MatchString(probe) == want {
					return posix, nil
				}
				return tree, nil
			}
		}
	}
	return tree, nil
}

// example returns a short text that re matches, if its assertions hold.
func example(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			return string(re.Rune[:1])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		return example(re.Sub[0])
	case syntax.OpRepeat:
		return strings.Repeat(example(re.Sub[0]), re.Min)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(example(sub))
		}
		return b.String()
	}
	return ""
}

func checkInst(in *syntax.Inst) error {
	if in.Op != syntax.InstEmptyWidth {
		return nil
	}
	switch op := syntax.EmptyOp(in.Arg); {
	case op&syntax.EmptyEndText != 0:
		return errEnd
	case op&syntax.EmptyEndLine != 0:
		return errLine
	case op&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0:
		return errWord
	}
	return nil
}

// successors returns the instructions that follow in, and the runes it takes.
func successors(in *syntax.Inst) (next [2]uint32, n int, runes uint32) {
	switch in.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return [2]uint32{in.Out, in.Arg}, 2, 0
	case syntax.InstCapture, syntax.InstEmptyWidth, syntax.InstNop:
		return [2]uint32{in.Out}, 1, 0
	case syntax.InstMatch, syntax.InstFail:
		return next, 0, 0
	}
	return [2]uint32{in.Out}, 1, 1
}

// setDist walks the program backwards from its match, those instructions
// first that take no rune.
func (p *program) setDist() {
	before := make([][]uint32, len(p.inst))
	p.dist = make([]uint32, len(p.inst))
	var level, nextLevel []uint32
	for i := range p.inst {
		p.dist[i] = far
		next, n, _ := successors(&p.inst[i])
		for _, to := range next[:n] {
			before[to] = append(before[to], uint32(i))
		}
		if p.inst[i].Op == syntax.InstMatch {
			level = append(level, uint32(i))
		}
	}
	for d := uint32(0); len(level) > 0; d++ {
		nextLevel = nextLevel[:0]
		for len(level) > 0 {
			at := level[len(level)-1]
			level = level[:len(level)-1]
			if p.dist[at] <= d {
				continue
			}
			p.dist[at] = d
			for _, from := range before[at] {
				if _, _, runes := successors(&p.inst[from]); runes == 0 {
					level = append(level, from)
				} else if p.dist[from] > d+1 {
					nextLevel = append(nextLevel, from)
				}
			}
		}
		level, nextLevel = nextLevel, level
	}
}

// A thread is at the instruction pc, which takes a rune, in an attempt that
// began at byte start.
type thread struct {
	pc    uint32
	start int64
}

// A vm is the state of one program in one wait. Its threads are in order of
// their starts, each instruction once, so that the first attempt to get
// anywhere is the leftmost.
type vm struct {
	prog      *program
	now, next []thread
	visited   []uint32 // by instruction: the round in which it was last reached
	round     uint32
	stack     []uint32

	idle    bool  // whether all threads are at their beginning, in the middle of a line
	matched bool  // whether an attempt has matched since clear
	start   int64 // where the leftmost of them began
}

// reset starts a wait for p.
func (v *vm) reset(p *program) {
	if v.prog != p {
		n := len(p.inst)
		*v = vm{
			prog:    p,
			now:     make([]thread, 0, n),
			next:    make([]thread, 0, n),
			visited: make([]uint32, n),
			stack:   make([]uint32, 0, 2*n),
		}
	}
	v.clear()
	v.idle = false
	v.begin()
	v.follow(thread{p.start, 0}, syntax.EmptyBeginText|syntax.EmptyBeginLine)
	v.now, v.next = v.next, v.now
}

func (v *vm) clear() { v.matched = false }

// begin makes room for the next threads.
func (v *vm) begin() {
	v.next = v.next[:0]
	if v.round++; v.round == 0 {
		clear(v.visited)
		v.round = 1
	}
}

// step takes the rune r; what begins after it begins at byte pos.
func (v *vm) step(r rune, pos int64) {
	var cond syntax.EmptyOp
	if r == '\n' {
		cond = syntax.EmptyBeginLine
	}
	v.begin()
	for _, t := range v.now {
		if in := &v.prog.inst[t.pc]; takes(in, r) {
			v.follow(thread{in.Out, t.start}, cond)
		}
	}
	v.idle = cond == 0 && len(v.next) == 0
	v.follow(thread{v.prog.start, pos}, cond)
	v.now, v.next = v.next, v.now
}

// takes reports whether in is an instruction that takes r.
func takes(in *syntax.Inst, r rune) bool {
	switch in.Op {
	case syntax.InstRune1:
		return in.Rune[0] == r
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return r != '\n'
	case syntax.InstRune:
		return in.MatchRune(r)
	}
	return false
}

// follow adds to next all threads that t becomes without a rune while cond
// holds.
func (v *vm) follow(t thread, cond syntax.EmptyOp) {
	v.stack = append(v.stack[:0], t.pc)
	for len(v.stack) > 0 {
		pc := v.stack[len(v.stack)-1]
		v.stack = v.stack[:len(v.stack)-1]
		if v.visited[pc] == v.round {
			continue
		}
		v.visited[pc] = v.round
		in := &v.prog.inst[pc]
		switch in.Op {
		case syntax.InstMatch:
			v.match(t.start)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^cond == 0 {
				v.stack = append(v.stack, in.Out)
			}
		case syntax.InstAlt, syntax.InstAltMatch:
			v.stack = append(v.stack, in.Arg, in.Out)
		case syntax.InstCapture, syntax.InstNop:
			v.stack = append(v.stack, in.Out)
		case syntax.InstFail:
		default:
			v.next = append(v.next, thread{pc, t.start})
		}
	}
}

// matchesInvalid reports whether the program matches after n more characters
// U+FFFD, without taking them.
func (v *vm) matchesInvalid(n int) bool {
	trial := vm{prog: v.prog, now: slices.Clone(v.now), visited: make([]uint32, len(v.prog.inst))}
	for range n {
		trial.step(utf8.RuneError, 0)
	}
	return trial.matched
}

func (v *vm) match(start int64) {
	if !v.matched || start < v.start {
		v.matched, v.start = true, start
	}
}

// A decoder cuts bytes into runes. A byte that is not part of one is
// utf8.RuneError of width 1, as soon as that is certain.
type decoder struct {
	buf [utf8.UTFMax]byte
	n   int
}

// next returns the next rune that is certain and its width, or a width of 0.
func (d *decoder) next() (rune, int) {
	if d.n == 0 || !utf8.FullRune(d.buf[:d.n]) {
		return 0, 0
	}
	r, size := utf8.DecodeRune(d.buf[:d.n])
	d.n = copy(d.buf[:], d.buf[size:d.n])
	return r, size
}
