package telnet

import "bytes"

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
// the next byte and its escape, and returns how much of both it used.
func Escape(dst, src []byte, nvt bool) (nDst, nSrc int) {
	for nSrc < len(src) {
		if c := src[nSrc]; c != IAC && (c != cr || !nvt) {
			n := copy(dst[nDst:], src[nSrc:nSrc+plainRun(src[nSrc:], nvt)])
			nDst += n
			nSrc += n
			if nDst == len(dst) {
				break
			}
			continue
		}
		if len(dst)-nDst < 2 {
			break
		}
		dst[nDst], dst[nDst+1] = src[nSrc], partner(src[nSrc])
		nDst += 2
		nSrc++
	}
	return nDst, nSrc
}

// partner returns the byte that escapes c.
func partner(c byte) byte {
	if c == cr {
		return nul
	}
	return IAC
}

// plainRun returns how many bytes at the front of p need no escape.
func plainRun(p []byte, nvt bool) int {
	if n := bytes.IndexByte(p, IAC); n >= 0 {
		p = p[:n]
	}
	if nvt {
		if n := bytes.IndexByte(p, cr); n >= 0 {
			return n
		}
	}
	return len(p)
}

// taken returns how many bytes of src are begun on a wire that took the first n
// bytes of Escape's output, and the escape of the last one if that is still to
// be sent.
func taken(src []byte, n int, nvt bool) (nSrc int, owed []byte) {
	for n > 0 {
		run := min(plainRun(src[nSrc:], nvt), n)
		nSrc += run
		n -= run
		if n == 0 {
			break
		}
		if n == 1 {
			return nSrc + 1, []byte{partner(src[nSrc])}
		}
		nSrc++
		n -= 2
	}
	return nSrc, nil
}
