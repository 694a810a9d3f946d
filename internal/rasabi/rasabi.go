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

// CommSettingsSize is sizeof(RASCOMMSETTINGS).
const CommSettingsSize = 8

// CommSettings is the image of a RASCOMMSETTINGS. Its numbers are those of the
// Windows DCB.
type CommSettings [CommSettingsSize]byte

// NewCommSettings returns an image with dwSize set.
func NewCommSettings(parity, stop, byteSize uint8) CommSettings {
	var c CommSettings
	binary.LittleEndian.PutUint32(c[:], CommSettingsSize)
	c[4], c[5], c[6] = parity, stop, byteSize
	return c
}

// Size returns dwSize, which may have any value.
func (c *CommSettings) Size() uint32 { return binary.LittleEndian.Uint32(c[:]) }

// Parity returns bParity: 0 none, 1 odd, 2 even, 3 mark, 4 space.
func (c *CommSettings) Parity() uint8 { return c[4] }

// StopBits returns bStop: 0 one, 1 one and a half, 2 two.
func (c *CommSettings) StopBits() uint8 { return c[5] }

// ByteSize returns bByteSize, the number of data bits.
func (c *CommSettings) ByteSize() uint8 { return c[6] }

const offSetCommSettings = 4

// ExtensionsSize returns sizeof(RASCUSTOMSCRIPTEXTENSIONS): 12 bytes with
// 8-byte pointers, 8 with 4-byte pointers.
func ExtensionsSize(p PtrSize) int { return offSetCommSettings + int(p) }

// Extensions is the image of a RASCUSTOMSCRIPTEXTENSIONS. Make it with
// NewExtensions or ViewExtensions.
type Extensions struct {
	b   []byte
	ptr PtrSize
}

// NewExtensions returns an image with dwSize set and the address of
// RasSetCommSettings.
func NewExtensions(p PtrSize, setCommSettings uint64) Extensions {
	e := Extensions{make([]byte, ExtensionsSize(p)), p}
	binary.LittleEndian.PutUint32(e.b, uint32(len(e.b)))
	if p == Ptr32 {
		binary.LittleEndian.PutUint32(e.b[offSetCommSettings:], uint32(setCommSettings))
	} else {
		binary.LittleEndian.PutUint64(e.b[offSetCommSettings:], setCommSettings)
	}
	return e
}

// ViewExtensions returns the image that begins at b. A dwSize that is larger
// than this package's is a later version and is accepted. The error is a
// *SizeError.
func ViewExtensions(b []byte, p PtrSize) (Extensions, error) {
	size := uint32(len(b))
	if len(b) >= 4 {
		size = min(size, binary.LittleEndian.Uint32(b))
	}
	want := ExtensionsSize(p)
	if int64(size) < int64(want) {
		return Extensions{}, &SizeError{"RASCUSTOMSCRIPTEXTENSIONS", size}
	}
	return Extensions{b[:want:want], p}, nil
}

// Bytes returns the image itself.
func (e Extensions) Bytes() []byte { return e.b }

// Size returns dwSize.
func (e Extensions) Size() uint32 { return binary.LittleEndian.Uint32(e.b) }

// SetCommSettings returns the address in pfnRasSetCommSettings, which may be 0.
func (e Extensions) SetCommSettings() uint64 {
	b := e.b[offSetCommSettings:]
	if e.ptr == Ptr32 {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}
