package dll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// entryPoint is the one function that a custom-scripting DLL exports.
const entryPoint = "RasCustomScriptExecute"

// Image is what the headers of a file in the Portable Executable format (PE)
// specify.
type Image struct {
	// Arch is the GOARCH of programs that can load the file: "386", "amd64",
	// "arm64" or "arm". Other machines read "machine 0x" and the number.
	Arch string

	// DLL reports whether the file is a library and not a program.
	DLL bool

	// Script reports whether the file exports RasCustomScriptExecute.
	Script bool

	// Decorated is the name that the file exports instead of
	// RasCustomScriptExecute if it was built without a .def file, such as
	// "RasCustomScriptExecute@44". Windows does not find it. Else it is empty.
	Decorated string

	// Imports are the names of the DLLs that have to be loaded with the file,
	// in the order of the file.
	Imports []string
}

// errNotPE is the cause of every error of Inspect that is not one of reading.
var errNotPE = errors.New("not a Windows DLL")

// Limits on what a file may contain. Real files are far below them.
const (
	maxSections = 96
	maxExports  = 1 << 16
	maxImports  = 1 << 10
	maxName     = 256
)

const characteristicDLL = 0x2000

// Inspect reads the headers and the tables of exports and imports of a PE file.
// It needs at most some hundred kilobytes of memory and linear time, whatever the
// file contains. It
// may be called on every system and from several goroutines concurrently.
func Inspect(r io.ReaderAt) (*Image, error) {
	p := peReader{r: r}
	coff := p.headers()
	if p.err != nil {
		return nil, p.err
	}
	machine := binary.LittleEndian.Uint16(coff)
	img := &Image{
		Arch: fmt.Sprintf("machine 0x%04x", machine),
		DLL:  binary.LittleEndian.Uint16(coff[18:])&characteristicDLL != 0,
	}
	if arch, ok := machines[machine]; ok {
		img.Arch = arch
	}
	switch name := p.export(entryPoint, entryPoint+"@44", "_"+entryPoint+"@44"); name {
	case "":
	case entryPoint:
		img.Script = true
	default:
		img.Decorated = name
	}
	img.Imports = p.imports()
	return img, p.err
}

// machines maps IMAGE_FILE_MACHINE to GOARCH.
var machines = map[uint16]string{0x14C: "386", 0x8664: "amd64", 0xAA64: "arm64", 0x1C4: "arm"}

// peReader reads one file. It keeps the first failure.
type peReader struct {
	r          io.ReaderAt
	sections   []section
	exportsRVA uint32 // 0: no export table
	importsRVA uint32 // 0: no import table
	err        error
}

// section is a part of the image, at an offset of the file.
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

	// The addresses of the tables of exports and imports are the first of the
	// data directories in the optional header.
	b := p.at(start+24, optional)
	directories := 0
	switch {
	case p.err != nil:
		return coff
	case len(b) >= 96 && binary.LittleEndian.Uint16(b) == 0x10B:
		directories = 96
	case len(b) >= 112 && binary.LittleEndian.Uint16(b) == 0x20B:
		directories = 112
	default:
		p.fail("no optional header of a known kind")
		return coff
	}
	n := binary.LittleEndian.Uint32(b[directories-4:])
	if n > 0 && len(b) >= directories+8 {
		p.exportsRVA = binary.LittleEndian.Uint32(b[directories:])
	}
	if n > 1 && len(b) >= directories+16 {
		p.importsRVA = binary.LittleEndian.Uint32(b[directories+8:])
	}

	b = p.at(start+24+int64(optional), 40*sections)
	for ; len(b) >= 40; b = b[40:] {
		p.sections = append(p.sections, section{
			rva:    binary.LittleEndian.Uint32(b[12:]),
			size:   binary.LittleEndian.Uint32(b[16:]),
			offset: binary.LittleEndian.Uint32(b[20:]),
		})
	}
	return coff
}

// rva returns n bytes at an address of the loaded image.
func (p *peReader) rva(addr uint32, n int) []byte {
	for _, s := range p.sections {
		if addr >= s.rva && addr-s.rva < s.size && uint64(n) <= uint64(s.size-(addr-s.rva)) {
			return p.at(int64(s.offset)+int64(addr-s.rva), n)
		}
	}
	p.fail("address 0x%x is in no section", addr)
	return make([]byte, n)
}

// export returns the first of the names that the export table has, or an empty
// string.
func (p *peReader) export(names ...string) string {
	if p.exportsRVA == 0 || p.err != nil {
		return ""
	}
	dir := p.rva(p.exportsRVA, 40)
	count := binary.LittleEndian.Uint32(dir[24:])
	if count > maxExports {
		p.fail("%d exported names", count)
	}
	if count == 0 || p.err != nil {
		return ""
	}
	found := len(names)
	table := p.rva(binary.LittleEndian.Uint32(dir[32:]), int(count)*4)
	for ; len(table) > 0 && p.err == nil; table = table[4:] {
		name := p.name(binary.LittleEndian.Uint32(table), len(entryPoint)+len("_@44\x00"))
		if i := slices.Index(names, name); i >= 0 {
			found = min(found, i)
		}
	}
	if found == len(names) || p.err != nil {
		return ""
	}
	return names[found]
}

// imports returns the names in the import table, which ends with an entry
// without a name.
func (p *peReader) imports() []string {
	if p.importsRVA == 0 || p.err != nil {
		return nil
	}
	var names []string
	for at := p.importsRVA; ; at += 20 {
		entry := p.rva(at, 20)
		name := binary.LittleEndian.Uint32(entry[12:])
		if name == 0 || p.err != nil {
			return names
		}
		if len(names) == maxImports {
			p.fail("more than %d imported DLLs", maxImports)
			return nil
		}
		names = append(names, p.name(name, maxName))
	}
}

// name returns the NUL-terminated text at an address of the loaded image, at most
// n bytes of it.
func (p *peReader) name(addr uint32, n int) string {
	for _, s := range p.sections {
		if addr >= s.rva && addr-s.rva < s.size {
			n = min(n, int(s.size-(addr-s.rva)))
		}
	}
	text, _, _ := bytes.Cut(p.rva(addr, n), []byte{0})
	return string(text)
}
