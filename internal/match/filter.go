package match

// filterWidth is the number of bytes that the filter looks at in one place.
const filterWidth = 3

// A filter finds the places at which a text can begin, without looking at
// every byte: it takes samples of three bytes, stride bytes apart. A text that
// is two bytes longer than the stride or more cannot hide between them.
//
// Each text has a bucket, shared with others if there are many, and a bucket
// has a bit for each offset below the stride. A bit is set in table[i][c] if
// a text of the bucket has the byte c in place i after that offset. A place
// behind the end of a text has every byte.
type filter struct {
	stride int
	table  [filterWidth][256]uint64
}

func newFilter(exact, fold []text) *filter {
	f := &filter{stride: 8}
	for _, list := range [][]text{exact, fold} {
		for _, t := range list {
			f.stride = min(f.stride, len(t.bytes)-filterWidth+1)
		}
	}
	f.stride = max(1, min(f.stride, 64/(len(exact)+len(fold))))
	for i, t := range exact {
		f.add(t.bytes, false, i)
	}
	for i, t := range fold {
		f.add(t.bytes, true, len(exact)+i)
	}
	return f
}

func (f *filter) add(t []byte, fold bool, bucket int) {
	first := bucket % (64 / f.stride) * f.stride
	for offset := range f.stride {
		bit := uint64(1) << (first + offset)
		for i := range f.table {
			f.set(i, bit, t[min(offset+i, len(t)):], fold)
		}
	}
}

// set gives bit to the bytes that can begin rest.
func (f *filter) set(i int, bit uint64, rest []byte, fold bool) {
	if len(rest) > 0 {
		f.table[i][rest[0]] |= bit
		if fold {
			f.table[i][swapCase(rest[0])] |= bit
		}
		return
	}
	for c := range f.table[i] {
		f.table[i][c] |= bit
	}
}

// swapCase returns an ASCII letter in the other case, and other bytes as they
// are.
func swapCase(c byte) byte {
	if lower := c | 0x20; 'a' <= lower && lower <= 'z' {
		return c ^ 0x20
	}
	return c
}

// skip returns how many bytes of b can be passed over in the root.
//
// It never passes over the end of a text. By the end of b, and by the end of
// the next text, a scan that goes on from there in the root is in the state of
// one that went byte by byte, since whatever began in the bytes passed over
// has failed by then: a text fails in the sample that it does not agree with,
// no later than with its last byte.
func (f *filter) skip(b []byte) int {
	stride := f.stride
	t0, t1, t2 := &f.table[0], &f.table[1], &f.table[2]
	x := stride - 1
	for ; x < len(b)-2; x += stride {
		if t0[b[x]]&t1[b[x+1]]&t2[b[x+2]] != 0 {
			break
		}
	}
	return min(x-stride+1, len(b))
}
