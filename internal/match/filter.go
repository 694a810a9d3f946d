package match

// Each text has one of filterBits buckets, and the filter knows the first
// filterWidth bytes of the texts in each bucket.
const (
	filterBits  = 21
	filterWidth = 3
	filterMask  = 1<<filterBits - 1
)

// A filter finds the places at which a text can begin. For a byte it holds
// three groups of bits: the buckets that have it first, second and third. A
// text that is shorter has every byte in the places that it lacks.
type filter struct {
	table [256]uint64
}

func newFilter(exact, fold []text) *filter {
	f := &filter{}
	for i, t := range exact {
		f.add(t.bytes, false, i)
	}
	for i, t := range fold {
		f.add(t.bytes, true, len(exact)+i)
	}
	return f
}

func (f *filter) add(t []byte, fold bool, bucket int) {
	bit := uint64(1) << (bucket % filterBits)
	for place := range filterWidth {
		for c := range f.table {
			if place >= len(t) || foldByte(t[place], fold) == foldByte(byte(c), fold) {
				f.table[c] |= bit << (place * filterBits)
			}
		}
	}
}

// skip returns how many bytes of b can be passed over in the root: no text
// begins in them, but for the last two of b, where it cannot tell and does not
// go. It never passes over the end of a text, and a scan that goes on from
// there is in the same state, by the end of b or of the next text, as one that
// went byte by byte: what began in the bytes passed over has failed by then.
func (f *filter) skip(b []byte) int {
	if len(b) < filterWidth {
		return 0
	}
	const second, third = filterBits, 2 * filterBits
	t := &f.table
	i, t0, t1 := 0, t[b[0]], t[b[1]]
	for len(b)-i >= 10 {
		p := (*[8]byte)(b[i+2:])
		t2, t3, t4, t5 := t[p[0]], t[p[1]], t[p[2]], t[p[3]]
		t6, t7, t8, t9 := t[p[4]], t[p[5]], t[p[6]], t[p[7]]
		m := t0&(t1>>second)&(t2>>third) | t1&(t2>>second)&(t3>>third) |
			t2&(t3>>second)&(t4>>third) | t3&(t4>>second)&(t5>>third) |
			t4&(t5>>second)&(t6>>third) | t5&(t6>>second)&(t7>>third) |
			t6&(t7>>second)&(t8>>third) | t7&(t8>>second)&(t9>>third)
		if m&filterMask != 0 {
			break
		}
		t0, t1 = t8, t9
		i += 8
	}
	for ; len(b)-i >= filterWidth; i++ {
		t2 := t[b[i+2]]
		if t0&(t1>>second)&(t2>>third)&filterMask != 0 {
			return i
		}
		t0, t1 = t1, t2
	}
	return i
}
