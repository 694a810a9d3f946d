package rasabi

import (
	"encoding/binary"
	"fmt"
)

// PtrSize is the size of a pointer in bytes, which decides some offsets.
type PtrSize int

// The pointer sizes of Windows on 386 and on amd64 and arm64.
const (
	Ptr32 PtrSize = 4
	Ptr64 PtrSize = 8
)

// Native is the pointer size of the running program.
const Native = PtrSize(4 << (^uintptr(0) >> 63))

// A SizeError reports that a structure's size is none that the header ever gave
// it. Windows has the code ERROR_INVALID_SIZE for it.
type SizeError struct {
	Struct string // the C name
	Size   uint32 // the size found in dwSize, or the number of bytes if those are too few for one
}

// Error returns the structure's name and its wrong size.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%s of %d bytes: no version of ras.h has that size", e.Struct, e.Size)
}

func (p PtrSize) put(b []byte, v uint64) {
	if p == Ptr32 {
		binary.LittleEndian.PutUint32(b, uint32(v))
		return
	}
	binary.LittleEndian.PutUint64(b, v)
}
