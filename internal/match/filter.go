package match

import "encoding/binary"

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
// samples has a bit for each sample that agrees with a text, at sampleAt, so that
// nearly all samples cost two loads instead of six. It is nil for few texts, which
// are found as fast without the 8 KiB, and beside a text of one byte, with which
// nearly every sample agrees at some offset.
//
// back is 1 beside a text of one byte, and else 0. Where such a text ends, a text
// that began with the byte before may fail only with the next byte, which the caller
// may replace: what follows a match can be taken by others. So the scan begins one
// byte earlier.
type filter struct {
	stride  int
	back    int
	table   [filterWidth][256]uint64
	samples *[1 << 10]uint64
}

// fewTexts is how many texts have a filter without hashes.
const fewTexts = 4

// sampleAt returns the place of a sample in filter.samples: a word by a hash of its
// three bytes, and a bit of it by the first. The sample is the low 24 bits of v; the
// product drops the other byte.
func sampleAt(v uint32) (word, bit uint32) { return v * 0x3779B100 >> 22, v % 64 }

func (f *filter) add(t []byte, fold bool, bucket int) {
	first := bucket % (64 / f.stride) * f.stride
	for offset := range f.stride {
		bit := uint64(1) << (first + offset)
		var at [filterWidth][]byte
		for i := range at {
			at[i] = bytesAt(t, offset+i, fold)
			for _, c := range at[i] {
				f.table[i][c] |= bit
			}
		}
		if f.samples == nil {
			continue
		}
		for _, c := range at[0] {
			for _, d := range at[1] {
				for _, e := range at[2] {
					word, bit := sampleAt(uint32(c) | uint32(d)<<8 | uint32(e)<<16)
					f.samples[word] |= 1 << bit
				}
			}
		}
	}
}

// bytesAt returns the bytes that the text t has in place i: either case of a
// letter if fold is set, and every byte after the end of t.
func bytesAt(t []byte, i int, fold bool) []byte {
	if i >= len(t) {
		return everyByte[:]
	}
	c := t[i : i+1 : i+1]
	if lower := c[0] | 0x20; fold && 'a' <= lower && lower <= 'z' {
		c = append(c, c[0]^0x20)
	}
	return c
}

var everyByte = func() (b [256]byte) {
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

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
	if samples := f.samples; samples != nil {
		for ; x < len(b)-3; x += stride {
			word, bit := sampleAt(binary.LittleEndian.Uint32(b[x:]))
			if samples[word]>>bit&1 != 0 && t0[b[x]]&t1[b[x+1]]&t2[b[x+2]] != 0 {
				return x - stride + 1
			}
		}
	}
	for ; x < len(b)-2; x += stride {
		if t0[b[x]]&t1[b[x+1]]&t2[b[x+2]] != 0 {
			break
		}
	}
	return max(0, min(x-stride+1, len(b))-f.back)
}
