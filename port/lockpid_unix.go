//go:build unix

package port

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// parsePID reads the process number in a UUCP lock file: a line of decimal
// digits (the HDB format), or four bytes in the machine's order (the format of
// Version 2). It returns 0 if the text is neither.
func parsePID(b []byte) int {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if fields := bytes.Fields(line); len(fields) > 0 {
		if n, err := strconv.ParseInt(string(fields[0]), 10, 32); err == nil && n > 0 {
			return int(n)
		}
	}
	if len(b) == 4 {
		return int(max(0, int32(binary.NativeEndian.Uint32(b))))
	}
	return 0
}
