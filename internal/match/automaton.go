package match

// A text is the text of the pattern with the given index.
type text struct {
	index int
	bytes []byte
}

// An automaton finds any number of texts. A state is named by the offset of
// its row, so that a step is one addition and one load. State 0 is the root;
// all states from accept on are those in which a text has just ended.
type automaton struct {
	class  [256]uint8 // the column of a byte
	rows   []uint32
	stride uint32
	accept uint32

	// By state number, which is the offset over the stride.
	dist []uint32 // fewest bytes, at least 1, until a text can end
	outs []output
	hits []int // the patterns whose texts end in a state; outs has the ranges
}

// An output tells which texts end in a state: those of hits[from:to], and
// those of the shorter state next, and so on down to the root, in which the
// empty text ends. Keeping the chain and not the lists keeps memory linear.
type output struct {
	from, to uint32
	next     uint32 // a state's number
}

// A node is a state under construction, numbered in order of creation.
type node struct {
	parent uint32
	fail   uint32 // the longest proper suffix that is a node
	out    uint32 // the nearest node on the chain of fails, from this one on, that has texts of its own; or the root
	own    []int
	dist   uint32
	final  uint32 // the number among the states that are kept
	accept bool
}

const far = 1 << 30

// newAutomaton builds the automaton of texts. If fold is set, letters of
// either case fall into one class.
func newAutomaton(texts []text, fold bool) *automaton {
	b := &builder{}
	b.setClasses(texts, fold)
	b.addTexts(texts)
	order := b.link()
	b.setDist(order)
	return b.finish(order)
}

type builder struct {
	class  [256]uint8
	stride int
	nodes  []node
	rows   []uint32 // stride entries a node; 0 is "none" until link has run
}

// setClasses gives each byte that occurs in the texts a column. Column 0 is
// for all the others, if there are any.
func (b *builder) setClasses(texts []text, fold bool) {
	var used [256]bool
	for _, t := range texts {
		for _, c := range t.bytes {
			used[foldByte(c, fold)] = true
		}
	}
	b.stride = 0
	for c := range used {
		if !used[foldByte(byte(c), fold)] {
			b.stride = 1
		}
	}
	for c := range used {
		if used[c] {
			b.class[c] = uint8(b.stride)
			b.stride++
		}
	}
	for c := 'A'; fold && c <= 'Z'; c++ {
		b.class[c] = b.class[c|0x20]
	}
	if b.stride == 0 {
		b.stride = 1
	}
}

// foldByte returns c, as a small letter if fold is set.
func foldByte(c byte, fold bool) byte {
	if fold && 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// addTexts makes the trie.
func (b *builder) addTexts(texts []text) {
	b.addNode(0)
	for _, t := range texts {
		n := uint32(0)
		for _, c := range t.bytes {
			at := int(n)*b.stride + int(b.class[c])
			if b.rows[at] == 0 {
				b.rows[at] = b.addNode(n)
			}
			n = b.rows[at]
		}
		b.nodes[n].own = append(b.nodes[n].own, t.index)
	}
}

func (b *builder) addNode(parent uint32) uint32 {
	b.nodes = append(b.nodes, node{parent: parent, dist: far})
	b.rows = append(b.rows, make([]uint32, b.stride)...)
	return uint32(len(b.nodes) - 1)
}

// link turns the trie into the automaton: it fills the empty entries of every
// row from the row of the longest proper suffix. It returns the nodes breadth
// first, the root in front.
func (b *builder) link() []uint32 {
	b.nodes[0].accept = len(b.nodes[0].own) > 0
	order := make([]uint32, 1, len(b.nodes))
	for i := 0; i < len(order); i++ {
		n := order[i]
		for c := range b.stride {
			at := int(n)*b.stride + c
			next := b.rows[at]
			fallback := uint32(0)
			if n != 0 {
				fallback = b.rows[int(b.nodes[n].fail)*b.stride+c]
			}
			if next == 0 {
				b.rows[at] = fallback
				continue
			}
			b.setFail(next, fallback)
			order = append(order, next)
		}
	}
	return order
}

func (b *builder) setFail(n, fail uint32) {
	nd := &b.nodes[n]
	nd.fail, nd.out = fail, b.nodes[fail].out
	if len(nd.own) > 0 {
		nd.out = n
	}
	nd.accept = len(nd.own) > 0 || b.nodes[fail].accept
}

// setDist finds for every node how many bytes are still missing at the least:
// down the trie from the node or from one of its suffixes. A parent has a
// lower number than its children.
func (b *builder) setDist(order []uint32) {
	for n := len(b.nodes) - 1; n > 0; n-- {
		nd := &b.nodes[n]
		need := nd.dist + 1
		if len(nd.own) > 0 {
			need = 1
		}
		parent := &b.nodes[nd.parent]
		parent.dist = min(parent.dist, need)
	}
	if b.nodes[0].accept {
		b.nodes[0].dist = 1
	}
	for _, n := range order {
		nd := &b.nodes[n]
		nd.dist = min(nd.dist, b.nodes[nd.fail].dist)
	}
}

// finish renumbers the states, those that accept last and the root in front,
// and writes the rows with offsets in place of numbers.
func (b *builder) finish(order []uint32) *automaton {
	a := &automaton{
		class:  b.class,
		rows:   make([]uint32, len(b.rows)),
		stride: uint32(b.stride),
		dist:   make([]uint32, len(b.nodes)),
		outs:   make([]output, len(b.nodes)),
	}
	next := uint32(0)
	for _, accept := range []bool{false, true} {
		if accept {
			a.accept = next * a.stride
		}
		for _, n := range order {
			if b.nodes[n].accept == accept {
				b.nodes[n].final = next
				next++
			}
		}
	}
	for i := range b.nodes {
		b.keep(a, &b.nodes[i], b.rows[i*b.stride:][:b.stride])
	}
	return a
}

// keep writes one node and its row to its place in a.
func (b *builder) keep(a *automaton, nd *node, row []uint32) {
	for c, to := range row {
		a.rows[nd.final*a.stride+uint32(c)] = b.nodes[to].final * a.stride
	}
	a.dist[nd.final] = nd.dist
	from := uint32(len(a.hits))
	a.hits = append(a.hits, nd.own...)
	a.outs[nd.final] = output{from, uint32(len(a.hits)), b.nodes[b.nodes[nd.fail].out].final}
}

// appendHits appends the patterns whose texts end in state s, in no order.
func (a *automaton) appendHits(hits []int, s uint32) []int {
	for n := s / a.stride; ; n = a.outs[n].next {
		out := a.outs[n]
		hits = append(hits, a.hits[out.from:out.to]...)
		if n == 0 {
			return hits
		}
	}
}
