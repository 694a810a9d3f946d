package dll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// entryPoint is the one function that a custom-scripting DLL exports.
const entryPoint = "RasCustomScriptExecute"

// Image is what a file in the Portable Executable format (PE) says about
// itself.
type Image struct {
	// Arch is the GOARCH of programs that can load the file: "386", "amd64",
	// "arm64" or "arm". Other machines read "machine 0x" and the number.
	Arch string

	// DLL says whether the file is a library and not a program.
	DLL bool

	// Script says whether the file exports RasCustomScriptExecute.
	Script bool
}

// errNotPE is the cause of every error of Inspect that is not one of reading.
var errNotPE = errors.New("not a Windows DLL")

// Limits on what a file may claim. Real files are far below them.
const (
	maxSections = 96
	maxExports  = 1 << 16
)

const characteristicDLL = 0x2000

// Inspect reads the headers and the export table of a PE file. It takes at most
// some hundred kilobytes of memory and linear time, whatever the file says. It
// may be called on every system and from several goroutines at once.
func Inspect(r io.ReaderAt) (*Image, error) {
	p := peReader{r: r}
	coff := p.headers()
	if p.err != nil {
		return nil, p.err
	}
	img := &Image{
		Arch: archOf(binary.LittleEndian.Uint16(coff)),
		DLL:  binary.LittleEndian.Uint16(coff[18:])&characteristicDLL != 0,
	}
	img.Script = p.exports(entryPoint)
	return img, p.err
}

func archOf(machine uint16) string {
	switch machine {
	case 0x14C:
		return "386"
	case 0x8664:
		return "amd64"
	case 0xAA64:
		return "arm64"
	case 0x1C4:
		return "arm"
	}
	return fmt.Sprintf("machine 0x%04x", machine)
}

// peReader reads one file. The first failure sticks.
type peReader struct {
	r          io.ReaderAt
	sections   []section
	exportsRVA uint32 // 0: no export table
	err        error
}

// section says where a part of the image lies in the file.
type section struct{ rva, size, offset uint32 }

// at returns n bytes of the file. After a failure they are zeros.
func (p *peReader) at(offset int64, n int) []byte {
	b := make([]byte, n)
	if p.err != nil {
		return b
	}
	if got, err := p.r.ReadAt(b, offset); got < n {
		clear(b)
		if err == io.EOF {
			err = fmt.Errorf("%w: the file is cut off", errNotPE)
		}
		p.err = err
	}
	return b
}

func (p *peReader) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: "+format, append([]any{errNotPE}, args...)...)
	}
}

// headers reads all headers and returns the 20 bytes of the COFF header.
func (p *peReader) headers() []byte {
	dos := p.at(0, 64)
	if p.err == nil && string(dos[:2]) != "MZ" {
		p.fail("no MZ header")
	}
	start := int64(binary.LittleEndian.Uint32(dos[60:]))
	pe := p.at(start, 24)
	if p.err == nil && string(pe[:4]) != "PE\x00\x00" {
		p.fail("no PE header")
	}
	coff := pe[4:]
	sections := int(binary.LittleEndian.Uint16(coff[2:]))
	optional := int(binary.LittleEndian.Uint16(coff[16:]))
	if sections > maxSections {
		p.fail("%d sections", sections)
	}
	if p.err != nil {
		return coff
	}
	p.optionalHeader(p.at(start+24, optional))
	p.sectionTable(p.at(start+24+int64(optional), 40*sections))
	return coff
}

// optionalHeader finds the address of the export table, the first of the data
// directories.
func (p *peReader) optionalHeader(b []byte) {
	if p.err != nil {
		return
	}
	directories := 0
	switch {
	case len(b) >= 96 && binary.LittleEndian.Uint16(b) == 0x10B:
		directories = 96
	case len(b) >= 112 && binary.LittleEndian.Uint16(b) == 0x20B:
		directories = 112
	default:
		p.fail("no optional header of a known kind")
		return
	}
	if n := binary.LittleEndian.Uint32(b[directories-4:]); n > 0 && len(b) >= directories+8 {
		p.exportsRVA = binary.LittleEndian.Uint32(b[directories:])
	}
}

func (p *peReader) sectionTable(b []byte) {
	for ; len(b) >= 40; b = b[40:] {
		p.sections = append(p.sections, section{
			rva:    binary.LittleEndian.Uint32(b[12:]),
			size:   binary.LittleEndian.Uint32(b[16:]),
			offset: binary.LittleEndian.Uint32(b[20:]),
		})
	}
}

// rva returns n bytes at an address of the loaded image.
func (p *peReader) rva(addr uint32, n int) []byte {
	for _, s := range p.sections {
		if addr >= s.rva && addr-s.rva < s.size && uint64(n) <= uint64(s.size-(addr-s.rva)) {
			return p.at(int64(s.offset)+int64(addr-s.rva), n)
		}
	}
	p.fail("address 0x%x lies in no section", addr)
	return make([]byte, n)
}

// exports reports whether the export table has the name.
func (p *peReader) exports(name string) bool {
	if p.exportsRVA == 0 || p.err != nil {
		return false
	}
	dir := p.rva(p.exportsRVA, 40)
	count := binary.LittleEndian.Uint32(dir[24:])
	if count > maxExports {
		p.fail("%d exported names", count)
	}
	if count == 0 || p.err != nil {
		return false
	}
	names := p.rva(binary.LittleEndian.Uint32(dir[32:]), int(count)*4)
	want := append([]byte(name), 0)
	for ; len(names) > 0 && p.err == nil; names = names[4:] {
		if p.nameIs(binary.LittleEndian.Uint32(names), want) {
			return true
		}
	}
	return false
}

// nameIs reports whether the NUL-terminated name at addr is want. A name that
// is so short and so near the end of its section that want does not fit there
// is another name.
func (p *peReader) nameIs(addr uint32, want []byte) bool {
	for _, s := range p.sections {
		if addr >= s.rva && addr-s.rva < s.size && s.size-(addr-s.rva) < uint32(len(want)) {
			return false
		}
	}
	return bytes.Equal(p.rva(addr, len(want)), want)
}
