package rasabi

import "encoding/binary"

// Field is a text field of RASDIALPARAMSW.
type Field struct {
	name   string
	offset int
	limit  int // UTF-16 units without the final NUL
}

// The text fields of RASDIALPARAMSW. A script may change UserName, Password
// and Domain.
var (
	EntryName      = Field{"szEntryName", 4, 256}
	PhoneNumber    = Field{"szPhoneNumber", 518, 128}
	CallbackNumber = Field{"szCallbackNumber", 776, 128}
	UserName       = Field{"szUserName", 1034, 256}
	Password       = Field{"szPassword", 1548, 256}
	Domain         = Field{"szDomain", 2062, 15}
)

// Fields are the text fields in the order of the structure, which is that of
// ras.DialParams.Texts.
var Fields = [...]Field{EntryName, PhoneNumber, CallbackNumber, UserName, Password, Domain}

// Name returns the name in the C header.
func (f Field) Name() string { return f.name }

// Limit returns how many UTF-16 units fit, the final NUL not counted.
func (f Field) Limit() int { return f.limit }

const (
	offSubEntry   = 2096 // also the size without it, padded to 4 bytes
	offCallbackID = 2100

	maxDialParams = 1 << 14 // more than any later version is likely to have
)

// Version is a version of RASDIALPARAMSW. Each added a field at the end.
type Version int

// The versions.
const (
	WindowsNT4  Version = iota // up to szDomain
	Windows2000                // adds dwSubEntry and dwCallbackId (WINVER 0x401)
	Windows7                   // adds dwIfIndex
	Windows8                   // adds szEncPassword, a pointer
)

// DialParamsSize returns sizeof(RASDIALPARAMSW): 2096, 2108, 2112 and 2120 bytes
// with 8-byte pointers, 2096, 2104, 2108 and 2112 with 4-byte pointers.
func DialParamsSize(p PtrSize, v Version) int {
	if v == WindowsNT4 {
		return offSubEntry
	}
	size := offCallbackID + int(p)
	if v >= Windows7 {
		size += 4
	}
	if v >= Windows8 {
		size += int(p)
	}
	return size
}

// DialParams is the image of a RASDIALPARAMSW. Make it with NewDialParams or
// ViewDialParams.
type DialParams struct{ b []byte }

// NewDialParams returns an image of zeros with dwSize set.
func NewDialParams(p PtrSize, v Version) DialParams {
	b := make([]byte, DialParamsSize(p, v))
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return DialParams{b}
}

// ViewDialParams returns the image that begins at b, with the fields that its
// dwSize covers: those of the newest version that is not larger, since each
// version begins as the one before. It shares b's memory. The error is a
// *SizeError, for a dwSize below that of Windows NT 4, above any that a later
// version is likely to have, or beyond the end of b.
func ViewDialParams(b []byte, p PtrSize) (DialParams, error) {
	if len(b) < 4 {
		return DialParams{}, &SizeError{"RASDIALPARAMSW", uint32(len(b))}
	}
	size := binary.LittleEndian.Uint32(b)
	if size <= maxDialParams {
		for v := Windows8; v >= WindowsNT4; v-- {
			if want := DialParamsSize(p, v); size >= uint32(want) {
				if len(b) < want {
					break
				}
				return DialParams{b[:want:want]}, nil
			}
		}
	}
	return DialParams{}, &SizeError{"RASDIALPARAMSW", size}
}

// Bytes returns the image itself.
func (d DialParams) Bytes() []byte { return d.b }

// Size returns dwSize.
func (d DialParams) Size() uint32 { return binary.LittleEndian.Uint32(d.b) }

// Text returns the text of a field. The error is a *TextError.
func (d DialParams) Text(f Field) (string, error) {
	s, err := DecodeText(d.area(f))
	return s, withField(err, f)
}

// SetText replaces the text of a field and clears the rest of the field. The
// error is a *TextError; the field is then as it was.
func (d DialParams) SetText(f Field, s string) error {
	return withField(EncodeText(d.area(f), s), f)
}

func (d DialParams) area(f Field) []byte {
	return d.b[f.offset : f.offset+2*(f.limit+1)]
}
