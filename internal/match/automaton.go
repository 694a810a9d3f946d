package match

// A text is the text of the pattern with the given index.
type text struct {
	index int
	bytes []byte
}

// The states of an automaton are numbers with two flags: accept for a state in
// which a text has just ended, and sparse for one that has no row of its own.
// Without the flags the number is the offset of the row of a dense state, or
// the identity of a sparse one. The root is 0.
const (
	accept uint32 = 1 << 31
	sparse uint32 = 1 << 30
)

// An automaton finds any number of texts (Aho and Corasick). The states that are
// next to the root have rows with the next state for every class of bytes, so
// that a step there is one addition and one load. A state beyond the room for
// rows has its children and the state of its longest proper suffix, which it
// falls back on; a byte still takes a constant number of steps on average.
//
// States are identified breadth first, so the children of a state follow each
// other, and those with rows come first.
type automaton struct {
	class  [256]uint8 // the column of a byte
	rows   []uint32
	stride uint32
	dense  uint32 // states with rows

	// By identity.
	child []uint32 // the first child; the one after the last belongs to the next state
	label []uint8  // the class of the byte that leads to the state
	fail  []uint32 // the state of the longest proper suffix
	dist  []uint32 // fewest bytes, at least 1, until a text can end
	level []uint32 // length of the state's text
	out   []uint32 // 1 + the index in outs of the nearest suffix in which a text ends; 0: none

	outs []output
	hits []uint32 // the patterns whose texts end in a state; outs has the ranges
}

// An output lists the texts that end in a state: those of hits[from:to], and
// those of next, the output of the longest proper suffix with one, or 0.
type output struct{ from, to, next uint32 }

const far = 1 << 30

// newAutomaton builds the automaton of texts. If fold is set, letters of
// either case are in one class.
func newAutomaton(texts []text, fold bool) *automaton {
	a := &automaton{}
	a.setClasses(texts, fold)
	t := newTrie(texts, &a.class)
	order := a.number(t)
	// Find the longest proper suffix of each state. A parent is before
	// its children, and a suffix before what it is a suffix of.
	a.fail = make([]uint32, len(a.label))
	for id := range uint32(len(a.label)) {
		for c := a.child[id]; c < a.child[id+1]; c++ {
			for f := id; f != 0 && a.fail[c] == 0; {
				f = a.fail[f]
				a.fail[c] = a.follow(f, a.label[c])
			}
		}
	}
	a.setOuts(t, order)
	// Find for every state how many bytes are still missing at the least:
	// down from the state or from one of its suffixes.
	a.dist = make([]uint32, len(a.label))
	for id := len(a.label) - 1; id >= 0; id-- {
		a.dist[id] = far
		for c := a.child[id]; c < a.child[id+1]; c++ {
			need := a.dist[c] + 1
			if out := a.out[c]; out != 0 && out != a.out[a.fail[c]] {
				need = 1
			}
			a.dist[id] = min(a.dist[id], need)
		}
	}
	if a.out[0] != 0 {
		a.dist[0] = 1
	}
	for id := range a.dist {
		a.dist[id] = min(a.dist[id], a.dist[a.fail[id]])
	}
	size := 0
	for _, t := range texts {
		size += len(t.bytes)
	}
	// Rows of that size keep a set of patterns within 64 KiB and 64 bytes for
	// each byte of text.
	a.dense = uint32(min(len(a.label), max(1, (24<<10+24*size)/int(4*a.stride))))
	// Write the rows of the dense states: a state's is that of its suffix
	// with its own children in place.
	stride := a.stride
	a.rows = make([]uint32, a.dense*stride)
	for id := range a.dense {
		row := a.rows[id*stride:][:stride]
		if id > 0 {
			copy(row, a.rows[a.fail[id]*stride:][:stride])
		} else {
			for c := range row {
				row[c] = a.state(0)
			}
		}
		for c := a.child[id]; c < a.child[id+1]; c++ {
			row[a.label[c]] = a.state(c)
		}
	}
	return a
}

// setClasses gives each byte that occurs in the texts a column. Column 0 is
// for all the others, if there are any.
func (a *automaton) setClasses(texts []text, fold bool) {
	var used [256]bool
	for _, t := range texts {
		for _, c := range t.bytes {
			used[foldByte(c, fold)] = true
		}
	}
	for c := range used {
		if !used[foldByte(byte(c), fold)] {
			a.stride = 1
		}
	}
	for c := range used {
		if used[c] {
			a.class[c] = uint8(a.stride)
			a.stride++
		}
	}
	for c := 'A'; fold && c <= 'Z'; c++ {
		a.class[c] = a.class[c|0x20]
	}
	a.stride = max(a.stride, 1)
}

// foldByte returns c, as a small letter if fold is set.
func foldByte(c byte, fold bool) byte {
	if fold && 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// A trie holds the texts. Its nodes are numbered in order of creation.
type trie struct {
	nodes []node
	ends  []end // in order of the texts
}

type node struct {
	child, sibling uint32 // 0: none
	label          uint8
}

// An end is a node in which the text of a pattern ends.
type end struct{ node, pattern uint32 }

func newTrie(texts []text, class *[256]uint8) *trie {
	size := 1
	for _, t := range texts {
		size += len(t.bytes)
	}
	t := &trie{nodes: make([]node, 1, size), ends: make([]end, 0, len(texts))}
	for _, text := range texts {
		n := uint32(0)
		for _, c := range text.bytes {
			n = t.next(n, class[c])
		}
		t.ends = append(t.ends, end{n, uint32(text.index)})
	}
	return t
}

// next returns the child of n with the given label, which is made if needed.
func (t *trie) next(n uint32, label uint8) uint32 {
	for c := t.nodes[n].child; c != 0; c = t.nodes[c].sibling {
		if t.nodes[c].label == label {
			return c
		}
	}
	c := uint32(len(t.nodes))
	t.nodes = append(t.nodes, node{sibling: t.nodes[n].child, label: label})
	t.nodes[n].child = c
	return c
}

// number identifies the nodes breadth first, fills child, label and level, and
// returns the identity of each node.
func (a *automaton) number(t *trie) []uint32 {
	n := len(t.nodes)
	a.child, a.label, a.level = make([]uint32, n+1), make([]uint8, n), make([]uint32, n)
	identity := make([]uint32, n)
	queue := make([]uint32, 1, n)
	for id := 0; id < len(queue); id++ {
		at := queue[id]
		identity[at] = uint32(id)
		a.label[id] = t.nodes[at].label
		a.child[id] = uint32(len(queue))
		for c := t.nodes[at].child; c != 0; c = t.nodes[c].sibling {
			a.level[len(queue)] = a.level[id] + 1
			queue = append(queue, c)
		}
	}
	a.child[n] = uint32(n)
	return identity
}

// follow returns the child of id with the given label, or 0.
func (a *automaton) follow(id uint32, label uint8) uint32 {
	for c := a.child[id]; c < a.child[id+1]; c++ {
		if a.label[c] == label {
			return c
		}
	}
	return 0
}

// setOuts records which texts end in which states.
func (a *automaton) setOuts(t *trie, identity []uint32) {
	a.out = make([]uint32, len(a.label))
	counts := make([]uint32, len(a.label)+1)
	for _, e := range t.ends {
		counts[identity[e.node]+1]++
	}
	ending := 0
	for id := range a.label {
		if counts[id+1] > 0 {
			ending++
		}
		counts[id+1] += counts[id]
	}
	a.hits = make([]uint32, len(t.ends))
	a.outs = make([]output, 0, ending)
	for id := range a.label {
		if id > 0 {
			a.out[id] = a.out[a.fail[id]]
		}
		if from, to := counts[id], counts[id+1]; from < to {
			a.outs = append(a.outs, output{from, to, a.out[id]})
			a.out[id] = uint32(len(a.outs))
		}
	}
	for _, e := range t.ends {
		at := &counts[identity[e.node]]
		a.hits[*at] = e.pattern
		*at++
	}
}

// state returns the state with the identity id.
func (a *automaton) state(id uint32) uint32 {
	s := id * a.stride
	if id >= a.dense {
		s = id | sparse
	}
	if a.out[id] != 0 {
		s |= accept
	}
	return s
}

// identity returns the identity of the state s.
func (a *automaton) identity(s uint32) uint32 {
	if s &^= accept; s&sparse != 0 {
		return s &^ sparse
	}
	return s / a.stride
}

// step returns the state that follows s with the byte c.
func (a *automaton) step(s uint32, c byte) uint32 {
	s &^= accept
	label := a.class[c]
	if s&sparse == 0 {
		return a.rows[s+uint32(label)]
	}
	for id := s &^ sparse; ; id = a.fail[id] {
		if id < a.dense {
			return a.rows[id*a.stride+uint32(label)]
		}
		if next := a.follow(id, label); next != 0 {
			return a.state(next)
		}
	}
}

func (a *automaton) accepts(s uint32) bool { return s&accept != 0 }

// depth returns how many of the last bytes can be the beginning of a text. A state
// without children is the whole of its text and the beginning of no other.
func (a *automaton) depth(s uint32) int {
	id := a.identity(s)
	for id != 0 && a.child[id] == a.child[id+1] {
		id = a.fail[id]
	}
	return int(a.level[id])
}
