package wait

// Edges counts the changes of up to eight lines, one counter a line. The counts
// show a pulse that the level of the line does not show any more.
type Edges [8]uint32

// Count adds one change of every line of mask, in which line i is bit 1<<i.
func (e *Edges) Count(mask uint8) {
	for i := range e {
		if mask&(1<<i) != 0 {
			e[i]++
		}
	}
}

// Since reports whether a line of mask has changed since e was before.
func (e *Edges) Since(before *Edges, mask uint8) bool {
	for i := range e {
		if mask&(1<<i) != 0 && e[i] != before[i] {
			return true
		}
	}
	return false
}
