// Package rasabi holds the structures of the Windows header ras.h that a
// custom-scripting DLL and its host exchange, as byte images.
//
// The header packs its structures to 4 bytes, so that pointers and 8-byte
// integers are at offsets that are no multiple of their size. A Go struct
// cannot express that. Here a structure is a slice of bytes with accessors that
// read and write little-endian numbers at fixed offsets, for both pointer
// sizes, on every system. The offsets are checked against the C compiler by
// this package's tests.
//
// Text is NUL-terminated UTF-16 in fields of fixed size. A text that does not
// fit is refused and never cut: a shortened password would fail later, with no
// hint why.
package rasabi
