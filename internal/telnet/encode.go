package telnet

import (
	"bytes"
	"encoding/binary"
)

// AppendSub appends a sub-negotiation of opt to dst: IAC SB opt, the payload
// with every IAC doubled, IAC SE (RFC 855).
func AppendSub(dst []byte, opt byte, payload ...byte) []byte {
	dst = append(dst, IAC, SB, opt)
	for _, c := range payload {
		dst = append(dst, c)
		if c == IAC {
			dst = append(dst, IAC)
		}
	}
	return append(dst, IAC, SE)
}

// Escape writes src to dst as data bytes: every IAC doubled, and, for nvt, a
// NUL after every carriage return (RFC 854). It stops where dst has no room for
// the next byte and its escape, and returns how much of both it used. It takes
// time in proportion to what it returns, except that it may look up to len(dst)
// bytes ahead in src.
func Escape(dst, src []byte, nvt bool) (nDst, nSrc int) {
	src = src[:min(len(src), len(dst))]
	// The places of the next bytes that need an escape; each is searched for
	// once and again only when it has been passed.
	nextIAC, nextCR := indexFrom(src, 0, IAC), len(src)
	if nvt {
		nextCR = indexFrom(src, 0, cr)
	}
	for nSrc < len(src) {
		end := min(nextIAC, nextCR)
		n := copy(dst[nDst:], src[nSrc:end])
		nDst, nSrc = nDst+n, nSrc+n
		if nSrc < end || len(dst)-nDst < 2 {
			break
		}
		switch nSrc {
		case nextIAC:
			if nSrc+1 < len(src) && src[nSrc+1] != IAC { // by far the most common case
				dst[nDst], dst[nDst+1] = IAC, IAC
				nDst += 2
				nSrc++
			} else {
				n := min(iacRun(src[nSrc:]), (len(dst)-nDst)/2)
				p := dst[nDst : nDst+2*n]
				for n := 0; n < len(p); {
					n += copy(p[n:], iacs)
				}
				nDst += 2 * n
				nSrc += n
			}
			nextIAC = indexFrom(src, nSrc, IAC)
		case nextCR:
			dst[nDst], dst[nDst+1] = cr, nul
			nDst += 2
			nSrc++
			nextCR = indexFrom(src, nSrc, cr)
		}
	}
	return nDst, nSrc
}

// indexFrom returns the index of the first c in p at or after from, or len(p).
func indexFrom(p []byte, from int, c byte) int {
	if n := bytes.IndexByte(p[from:], c); n >= 0 {
		return from + n
	}
	return len(p)
}

// iacRun returns how many bytes at the front of p are IAC. It compares words,
// and blocks of 256 bytes, which is as fast as the memory.
func iacRun(p []byte) (n int) {
	const block, word = 256, 8
	for len(p)-n >= word && binary.NativeEndian.Uint64(p[n:]) == 1<<64-1 {
		if n += word; len(p)-n >= block && bytes.Equal(p[n:n+block], iacs[:block]) {
			n += block
		}
	}
	for ; n < len(p) && p[n] == IAC; n++ {
	}
	return n
}

var iacs = bytes.Repeat([]byte{IAC}, 4096)

// plainRun returns how many bytes at the front of p need no escape.
func plainRun(p []byte, nvt bool) int {
	p = p[:indexFrom(p, 0, IAC)]
	if nvt {
		return indexFrom(p, 0, cr)
	}
	return len(p)
}

// sent returns how many bytes of src have been begun on a wire that accepted
// the first n bytes of Escape's output, and the escape of the last one if that
// is still to be sent.
func sent(src []byte, n int, nvt bool) (nSrc int, owed []byte) {
	for n > 0 {
		switch c := src[nSrc]; {
		case c != IAC && (c != cr || !nvt):
			n--
		case n == 1 && c == cr:
			return nSrc + 1, []byte{nul}
		case n == 1:
			return nSrc + 1, []byte{IAC}
		default:
			n -= 2
		}
		nSrc++
	}
	return nSrc, nil
}
