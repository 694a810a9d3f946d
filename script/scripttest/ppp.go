package scripttest

// The bytes of PPP in HDLC-like framing (RFC 1662) that the first frame needs.
const (
	pppFlag   = 0x7E
	pppEscape = 0x7D
	pppFlip   = 0x20
)

// PPPFrame returns the frame that a Login sends first once PPP has begun: an
// LCP Configure-Request (RFC 1661) that requests an empty control character
// map, a magic number, and both header compressions. It starts with
// 7E FF 7D 23 C0 21, which login scripts wait for.
func PPPFrame() []byte {
	content := []byte{
		0xFF, 0x03, 0xC0, 0x21, // address, control, protocol: LCP
		1, 1, 0, 20, // Configure-Request, identifier 1, length 20
		2, 6, 0, 0, 0, 0, // async control character map
		5, 6, 0x52, 0x41, 0x53, 0x4C, // magic number
		7, 2, // protocol field compression
		8, 2, // address and control field compression
	}
	// The check sequence, the escapes and the flags. All control characters are
	// escaped, as LCP demands before a map is agreed on.
	fcs := ^fcs16(content)
	out := []byte{pppFlag}
	for _, c := range append(content, byte(fcs), byte(fcs>>8)) {
		if c < 0x20 || c == pppFlag || c == pppEscape {
			out = append(out, pppEscape, c^pppFlip)
			continue
		}
		out = append(out, c)
	}
	return append(out, pppFlag)
}

// fcs16 is the 16-bit frame check sequence of RFC 1662, before its complement.
func fcs16(b []byte) uint16 {
	fcs := uint16(0xFFFF)
	for _, c := range b {
		fcs ^= uint16(c)
		for range 8 {
			if fcs&1 != 0 {
				fcs = fcs>>1 ^ 0x8408
			} else {
				fcs >>= 1
			}
		}
	}
	return fcs
}
