package match

import "iter"

// filterWidth is the number of bytes that the filter examines in one place.
const filterWidth = 3

// A filter finds the places at which a text can begin, without examining
// every byte: it takes samples of three bytes, stride bytes apart. A text that
// is one byte longer than the stride or more has two bytes in one of them.
//
// Each text has a bucket, shared with others if there are many, and a bucket
// has a bit for each offset below the stride. A bit is set in table[i][c] if
// a text of the bucket has the byte c in place i after that offset. A place
// after the end of a text has every byte.
//
// Most samples of many texts fail by their first two bytes: pairs has a bit for
// each two bytes that a text has in the first two places of a sample, so that a
// sample costs two loads instead of six. It is nil for few texts, which are
// found as fast without the 8 KiB.
type filter struct {
	stride int
	table  [filterWidth][256]uint64
	pairs  *[1 << 16 / 64]uint64 // by the first byte + 256 * the second
}

// fewTexts is how many texts have a filter without pairs.
const fewTexts = 4

func (f *filter) add(t []byte, fold bool, bucket int) {
	first := bucket % (64 / f.stride) * f.stride
	for offset := range f.stride {
		bit := uint64(1) << (first + offset)
		for i := range f.table {
			for c := range bytesAt(t, offset+i, fold) {
				f.table[i][c] |= bit
			}
		}
		if f.pairs == nil {
			continue
		}
		for c := range bytesAt(t, offset, fold) {
			for d := range bytesAt(t, offset+1, fold) {
				pair := uint(c) | uint(d)<<8
				f.pairs[pair/64] |= 1 << (pair % 64)
			}
		}
	}
}

// bytesAt yields the bytes that the text t has in place i: either case of a
// letter if fold is set, and every byte after the end of t.
func bytesAt(t []byte, i int, fold bool) iter.Seq[byte] {
	return func(yield func(byte) bool) {
		if i >= len(t) {
			for c := range 256 {
				if !yield(byte(c)) {
					return
				}
			}
			return
		}
		if yield(t[i]) && fold {
			c := t[i]
			if lower := c | 0x20; 'a' <= lower && lower <= 'z' {
				c ^= 0x20
			}
			yield(c)
		}
	}
}

// skip returns how many bytes of b can be passed over in the root.
//
// It never passes over the end of a text. By the end of b, and by the end of
// the next text, a scan that continues from there in the root is in the state of
// one that went byte by byte, since whatever began in the bytes passed over
// has failed by then: a text fails in the sample that it does not agree with,
// no later than with its last byte.
func (f *filter) skip(b []byte) int {
	stride := f.stride
	t0, t1, t2 := &f.table[0], &f.table[1], &f.table[2]
	x := stride - 1
	if f.pairs == nil {
		for ; x < len(b)-2; x += stride {
			if t0[b[x]]&t1[b[x+1]]&t2[b[x+2]] != 0 {
				break
			}
		}
		return min(x-stride+1, len(b))
	}
	for ; x < len(b)-2; x += stride {
		pair := uint(b[x]) | uint(b[x+1])<<8
		if f.pairs[pair/64]>>(pair%64)&1 != 0 && t0[b[x]]&t1[b[x+1]]&t2[b[x+2]] != 0 {
			break
		}
	}
	return min(x-stride+1, len(b))
}
