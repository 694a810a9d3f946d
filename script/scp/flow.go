package scp

import "slices"

// findSends returns for each instruction whether every way from it to the end of
// main passes a transmit. A way that never ends does, and so does one to halt,
// which fails without a terminal.
func findSends(code []instr, waits []waitSite) []bool {
	sends := pathsTo(code, waits, opEnd, opTransmit)
	for i, silent := range sends {
		sends[i] = !silent
	}
	return sends
}

// untestedWaits returns the instructions of each "waitfor ... until" after which a
// transmit may run although nothing tests whether the text arrived: the path is
// the same for both cases and passes no $SUCCESS or $FAILURE.
func untestedWaits(code []instr, waits []waitSite) []instr {
	reach := pathsTo(code, waits, opTransmit, opSuccess, opFailure)
	var untested []instr
	for i, in := range code {
		if in.op != opWaitfor || !waits[in.a].until || !reach[i+1] {
			continue
		}
		after := int32(i) + 1 // where a timeout leads
		if slices.ContainsFunc(waits[in.a].entries, func(e waitEntry) bool { return e.target == noLabel || e.target == after }) {
			untested = append(untested, in)
		}
	}
	return untested
}

// pathsTo returns for each instruction whether a path from it ends at one with the
// op goal and contains none with an op of avoid, the instruction itself included.
// It walks backwards from the goals, in time proportional to the code.
func pathsTo(code []instr, waits []waitSite, goal op, avoid ...op) []bool {
	// The instructions that lead to instruction i are
	// before[from[i]:from[i+1]].
	from := make([]int32, len(code)+2)
	edges(code, waits, func(_, to int32) { from[to+2]++ })
	for i := 2; i < len(from); i++ {
		from[i] += from[i-1]
	}
	before := make([]int32, from[len(from)-1])
	edges(code, waits, func(i, to int32) {
		before[from[to+1]] = i
		from[to+1]++
	})
	reach := make([]bool, len(code))
	var todo []int32
	mark := func(i int32) {
		if !reach[i] && !slices.Contains(avoid, code[i].op) {
			reach[i] = true
			todo = append(todo, i)
		}
	}
	for i, in := range code {
		if in.op == goal {
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

// edges calls f for each instruction and each that may run after it.
func edges(code []instr, waits []waitSite, f func(from, to int32)) {
	for n, in := range code {
		i := int32(n)
		if in.op.jumps() {
			f(i, in.a)
		}
		if in.op == opWaitfor {
			for _, e := range waits[in.a].entries {
				if e.target != noLabel {
					f(i, e.target)
				}
			}
		}
		if in.op != opJump && in.op != opGoto && in.op != opHalt && in.op != opEnd {
			f(i, i+1)
		}
	}
}
