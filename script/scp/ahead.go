package scp

// findSends returns for each instruction whether every way from it to the end of
// main passes a transmit. A way that never ends does, and so does one to halt,
// which fails without a terminal. The time is proportional to the code.
func findSends(code []instr, waits []waitSite) []bool {
	from := make([][]int32, len(code)) // the instructions that lead to each
	lead := func(i, to int32) { from[to] = append(from[to], i) }
	for n, in := range code {
		i := int32(n)
		switch {
		case in.op == opTransmit || in.op == opHalt || in.op == opEnd:
			continue
		case in.op.jumps():
			lead(i, in.a)
		case in.op == opWaitfor:
			for _, e := range waits[in.a].entries {
				if e.target != noLabel {
					lead(i, e.target)
				}
			}
		}
		if in.op != opJump && in.op != opGoto {
			lead(i, i+1)
		}
	}

	sends := make([]bool, len(code))
	var silent []int32 // from which main may end without a transmit
	for n, in := range code {
		if sends[n] = in.op != opEnd; !sends[n] {
			silent = append(silent, int32(n))
		}
	}
	for len(silent) > 0 {
		last := len(silent) - 1
		to := silent[last]
		silent = silent[:last]
		for _, i := range from[to] {
			if sends[i] {
				sends[i] = false
				silent = append(silent, i)
			}
		}
	}
	return sends
}
