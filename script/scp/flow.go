package scp

// checkUntils warns of each "waitfor ... until" after which a transmit may run
// although nobody asked whether the text came: the way on is the same for both
// cases and passes no $SUCCESS or $FAILURE. It takes time in proportion to the
// code.
func (p *parser) checkUntils() {
	blind := p.reachTransmit()
	for i, in := range p.code {
		if in.op != opWaitfor {
			continue
		}
		if w := p.waits[in.a]; w.until && !w.parts(int32(i)+1) && blind[i+1] {
			p.warn(in.pos, `whether this text came in time is not tested before the next "transmit": look at $SUCCESS or $FAILURE first`)
		}
	}
}

// parts reports whether every match leads elsewhere than to after, where a
// time-out leads.
func (w *waitSite) parts(after int32) bool {
	for _, e := range w.entries {
		if e.target == next || e.target == after {
			return false
		}
	}
	return true
}

// reachTransmit tells for each instruction whether a transmit can follow
// before the result of the last wait is looked at. It walks backwards from the
// transmits.
func (p *parser) reachTransmit() []bool {
	from, before := p.predecessors()
	reach := make([]bool, len(p.code))
	var todo []int32
	mark := func(i int32) {
		if o := p.code[i].op; !reach[i] && o != opSuccess && o != opFailure {
			reach[i] = true
			todo = append(todo, i)
		}
	}
	for i, in := range p.code {
		if in.op == opTransmit {
			mark(int32(i))
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, j := range before[from[i]:from[i+1]] {
			mark(j)
		}
	}
	return reach
}

// predecessors returns the instructions that lead to instruction i as
// before[from[i]:from[i+1]].
func (p *parser) predecessors() (from, before []int32) {
	from = make([]int32, len(p.code)+2)
	p.edges(func(_, to int32) { from[to+2]++ })
	for i := 2; i < len(from); i++ {
		from[i] += from[i-1]
	}
	before = make([]int32, from[len(from)-1])
	p.edges(func(i, to int32) {
		before[from[to+1]] = i
		from[to+1]++
	})
	return from, before
}

// edges calls f for each instruction and each that may run after it.
func (p *parser) edges(f func(from, to int32)) {
	for n, in := range p.code {
		i := int32(n)
		if in.op.jumps() {
			f(i, in.a)
		}
		if in.op == opWaitfor {
			for _, e := range p.waits[in.a].entries {
				if e.target != next {
					f(i, e.target)
				}
			}
		}
		if in.op != opJump && in.op != opGoto && in.op != opHalt && in.op != opEnd {
			f(i, i+1)
		}
	}
}
