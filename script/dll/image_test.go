package dll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/ras"
)

// petite makes a PE file of one section with the given exports.
func petite(machine uint16, dll bool, exports ...string) []byte {
	const (
		headers = 64 + 24 + 240 + 40
		rva     = 0x1000
	)
	le := binary.LittleEndian
	body := make([]byte, 40+4*len(exports))
	le.PutUint32(body[24:], uint32(len(exports)))
	le.PutUint32(body[32:], rva+40)
	for i, name := range exports {
		le.PutUint32(body[40+4*i:], rva+uint32(len(body)))
		body = append(append(body, name...), 0)
	}
	f := make([]byte, headers, headers+len(body))
	copy(f, "MZ")
	le.PutUint32(f[60:], 64)
	pe := f[64:]
	copy(pe, "PE\x00\x00")
	le.PutUint16(pe[4:], machine)
	le.PutUint16(pe[6:], 1)    // sections
	le.PutUint16(pe[20:], 240) // optional header
	if dll {
		le.PutUint16(pe[22:], characteristicDLL)
	}
	le.PutUint16(pe[24:], 0x20B)
	le.PutUint32(pe[24+108:], 16)
	le.PutUint32(pe[24+112:], rva)
	section := pe[24+240:]
	le.PutUint32(section[12:], rva)
	le.PutUint32(section[16:], uint32(len(body)))
	le.PutUint32(section[20:], headers)
	return append(f, body...)
}

func TestInspect(t *testing.T) {
	tests := []struct {
		name string
		file []byte
		want Image
	}{
		{"a script", petite(0x8664, true, "DllMain", entryPoint), Image{Arch: "amd64", DLL: true, Script: true}},
		{"a script of 32 bits", petite(0x14C, true, entryPoint), Image{Arch: "386", DLL: true, Script: true}},
		{"another DLL", petite(0x8664, true, "RasCustomScriptExecuteEx", "Ras"), Image{Arch: "amd64", DLL: true}},
		{"a program", petite(0xAA64, false), Image{Arch: "arm64"}},
		{"a machine of old", petite(0x184, true), Image{Arch: "machine 0x0184", DLL: true}},
		{"a name with the decoration of stdcall", petite(0x14C, true, entryPoint+"@44"), Image{Arch: "386", DLL: true, Decorated: entryPoint + "@44"}},
	}
	for _, tt := range tests {
		got, err := Inspect(bytes.NewReader(tt.file))
		if err != nil || !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s: Inspect = %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestInspectRefusals(t *testing.T) {
	good := petite(0x8664, true, entryPoint)
	change := func(at int, b ...byte) []byte {
		f := bytes.Clone(good)
		copy(f[at:], b)
		return f
	}
	tests := []struct {
		name string
		file []byte
	}{
		{"empty", nil},
		{"text", []byte(strings.Repeat("not a DLL ", 100))},
		{"no PE header", change(64, 'X', 'X')},
		{"header far away", change(60, 0xFF, 0xFF, 0xFF, 0xFF)},
		{"65535 sections", change(70, 0xFF, 0xFF)},
		{"no optional header", change(84, 0, 0)},
		{"odd kind of optional header", change(88, 0, 0)},
		{"export table in no section", change(88+112, 0, 0, 0, 0xF0)},
		{"four billion exports", change(len(good)-len(entryPoint)-1-4-40+24, 0xFF, 0xFF, 0xFF, 0xFF)},
		{"names in no section", change(len(good)-len(entryPoint)-1-4-40+32, 0xFF, 0xFF, 0xFF, 0xFF)},
	}
	for n := range good {
		tests = append(tests, struct {
			name string
			file []byte
		}{"cut off", good[:n]})
	}
	for _, tt := range tests {
		if img, err := Inspect(bytes.NewReader(tt.file)); !errors.Is(err, errNotPE) {
			t.Errorf("%s (%d bytes): Inspect = %+v, %v; want an error", tt.name, len(tt.file), img, err)
		}
	}
}

func TestDecision41FilesThatCannotBeLoaded(t *testing.T) {
	dir := winetest.TempDir(t)
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		path string
		want error
		says string
	}{
		{write("good.dll", petite(0x8664, true, entryPoint)), nil, ""},
		{filepath.Join(dir, "missing.dll"), ras.ErrFileNotFound, "missing.dll"},
		{write("program.exe", petite(0x8664, false)), ras.ErrModNotFound, "not a DLL"},
		{write("old.dll", petite(0x14C, true, entryPoint)), ras.ErrModNotFound, "a DLL for 32 bits (386) and this is a program for 64 bits (amd64): use a program built with GOARCH=386"},
		{write("other.dll", petite(0x8664, true, "Other")), ras.ErrProcNotFound, entryPoint},
		{write("decorated.dll", petite(0x8664, true, "_"+entryPoint+"@44")), ras.ErrProcNotFound, "_RasCustomScriptExecute@44: build the DLL with a .def file"},
		{write("text.dll", []byte("text")), ras.ErrModNotFound, "not a Windows DLL"},
	}
	for _, tt := range tests {
		err := checkFile(tt.path, "amd64")
		if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("checkFile(%s) = %v, want %v and %q", filepath.Base(tt.path), err, tt.want, tt.says)
		}
	}
}

// importing adds an import table to what petite makes.
func importing(file []byte, names ...string) []byte {
	const headers, rva = 64 + 24 + 240 + 40, 0x1000
	le := binary.LittleEndian
	table := uint32(len(file) - headers)
	texts := table + 20*uint32(len(names)+1)
	var entries, text []byte
	for _, name := range names {
		entry := make([]byte, 20)
		le.PutUint32(entry[12:], rva+texts+uint32(len(text)))
		entries = append(entries, entry...)
		text = append(append(text, name...), 0)
	}
	file = append(append(append(file, entries...), make([]byte, 20)...), text...)
	le.PutUint32(file[64+24+112+8:], rva+table)
	le.PutUint32(file[64+24+240+16:], uint32(len(file)-headers))
	return file
}

func TestMissingImports(t *testing.T) {
	dir := winetest.TempDir(t)
	for name, file := range map[string][]byte{
		"login.dll":  importing(petite(0x8664, true, entryPoint), "KERNEL32.dll", "vendor.dll", "MSVCR71.dll", "api-ms-win-crt-heap-l1-1-0.dll"),
		"vendor.dll": importing(petite(0x8664, true), "kernel32.DLL", "MFC42.DLL", "VENDOR.dll", "msvcr71.dll"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := missingImports(filepath.Join(dir, "login.dll"), func(name string) bool { return strings.EqualFold(name, "kernel32.dll") })
	if want := []string{"MSVCR71.dll", "MFC42.DLL"}; !reflect.DeepEqual(got, want) {
		t.Errorf("missingImports = %q, want %q", got, want)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(petite(0x8664, true, entryPoint, "Other"))
	f.Add(petite(0x14C, true))
	f.Add(importing(petite(0x8664, true, entryPoint), "KERNEL32.dll", "MFC42.DLL"))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &countingReader{Reader: bytes.NewReader(b)}
		img, err := Inspect(r)
		if (img == nil) == (err == nil) && err == nil {
			t.Error("neither an image nor an error")
		}
		if r.asked > 4<<20 {
			t.Errorf("%d bytes were asked of a file of %d", r.asked, len(b))
		}
	})
}

type countingReader struct {
	*bytes.Reader
	asked int
}

func (r *countingReader) ReadAt(b []byte, at int64) (int, error) {
	r.asked += len(b)
	return r.Reader.ReadAt(b, at)
}
