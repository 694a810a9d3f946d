package rasabi

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/rasline/rasline/internal/peertest"
)

// golden are the layouts as published with the header: packed to 4 bytes.
var golden = []struct {
	ptr     PtrSize
	version Version
	want    map[string]int
}{
	{Ptr64, WindowsNT4, map[string]int{"RASDIALPARAMSW": 2096, "RASCUSTOMSCRIPTEXTENSIONS": 12}},
	{Ptr64, Windows2000, map[string]int{"RASDIALPARAMSW": 2108, "dwSubEntry": 2096, "dwCallbackId": 2100, "RASCUSTOMSCRIPTEXTENSIONS": 12}},
	{Ptr64, Windows7, map[string]int{"RASDIALPARAMSW": 2112, "dwIfIndex": 2108, "RASCUSTOMSCRIPTEXTENSIONS": 12}},
	{Ptr64, Windows8, map[string]int{"RASDIALPARAMSW": 2120, "szEncPassword": 2112, "RASCUSTOMSCRIPTEXTENSIONS": 12}},
	{Ptr32, WindowsNT4, map[string]int{"RASDIALPARAMSW": 2096, "RASCUSTOMSCRIPTEXTENSIONS": 8}},
	{Ptr32, Windows2000, map[string]int{"RASDIALPARAMSW": 2104, "dwSubEntry": 2096, "dwCallbackId": 2100, "RASCUSTOMSCRIPTEXTENSIONS": 8}},
	{Ptr32, Windows7, map[string]int{"RASDIALPARAMSW": 2108, "dwIfIndex": 2104, "RASCUSTOMSCRIPTEXTENSIONS": 8}},
	{Ptr32, Windows8, map[string]int{"RASDIALPARAMSW": 2112, "szEncPassword": 2108, "RASCUSTOMSCRIPTEXTENSIONS": 8}},
}

// common are the numbers that no version and no pointer size changes.
var common = map[string]int{
	"szEntryName": 4, "szPhoneNumber": 518, "szCallbackNumber": 776, "szUserName": 1034, "szPassword": 1548, "szDomain": 2062,
	"RASCOMMSETTINGS": 8, "bParity": 4, "bStop": 5, "bByteSize": 6,
	"pfnRasSetCommSettings": 4,
}

func TestLayoutGolden(t *testing.T) {
	for _, g := range golden {
		got := layoutOf(g.ptr, g.version)
		for _, want := range []map[string]int{common, g.want} {
			for name, n := range want {
				if got[name] != n {
					t.Errorf("%d-byte pointers, version %d: %s is %d, want %d", g.ptr, g.version, name, got[name], n)
				}
			}
		}
	}
}

// layoutOf finds the offsets by writing through the accessors and looking
// where the bytes went.
func layoutOf(p PtrSize, v Version) map[string]int {
	d := NewDialParams(p, v)
	got := map[string]int{
		"RASDIALPARAMSW":            int(d.Size()),
		"RASCOMMSETTINGS":           CommSettingsSize,
		"RASCUSTOMSCRIPTEXTENSIONS": len(NewExtensions(p, 0).Bytes()),
		"pfnRasSetCommSettings":     firstByte(NewExtensions(p, 0xFF).Bytes()[4:]) + 4,
		"bParity":                   findComm(NewCommSettings(0xFF, 0, 0)),
		"bStop":                     findComm(NewCommSettings(0, 0xFF, 0)),
		"bByteSize":                 findComm(NewCommSettings(0, 0, 0xFF)),
	}
	clear(d.Bytes())
	for _, f := range []Field{EntryName, PhoneNumber, CallbackNumber, UserName, Password, Domain} {
		d.SetText(f, "x")
		got[f.Name()] = firstByte(d.Bytes())
		d.SetText(f, "")
	}
	if v >= Windows2000 {
		got["dwSubEntry"], got["dwCallbackId"] = offSubEntry, offCallbackID
	}
	if v >= Windows7 {
		got["dwIfIndex"] = offCallbackID + int(p)
	}
	if v >= Windows8 {
		got["szEncPassword"] = offCallbackID + int(p) + 4
	}
	return got
}

func firstByte(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return -1
}

func findComm(c CommSettings) int { return firstByte(c[4:]) + 4 }

func TestLayoutAgainstCompiler(t *testing.T) {
	compilers := map[PtrSize]string{Ptr64: "x86_64-w64-mingw32-gcc", Ptr32: "i686-w64-mingw32-gcc"}
	targets := map[Version]string{WindowsNT4: "0x0400", Windows2000: "0x0501", Windows7: "0x0601", Windows8: "0x0602"}
	for _, g := range golden {
		t.Run(fmt.Sprintf("%s/%s", compilers[g.ptr], targets[g.version]), func(t *testing.T) {
			t.Parallel()
			want := compile(t, compilers[g.ptr], targets[g.version])
			got := layoutOf(g.ptr, g.version)
			for name, n := range want {
				if got[name] != n {
					t.Errorf("%s is %d, the compiler says %d", name, got[name], n)
				}
			}
			if len(want) < len(common)+len(g.want) {
				t.Errorf("the compiler printed %d numbers, want at least %d", len(want), len(common)+len(g.want))
			}
		})
	}
}

var shown = regexp.MustCompile(`@layout (\w+) (\d+)`)

// compile returns the layouts as the given compiler sees them.
func compile(t *testing.T, cc, target string) map[string]int {
	t.Helper()
	cc = peertest.Program(t, cc)
	asm, err := exec.Command(cc, "-DLEVEL="+target, "-S", "-o", "-", "testdata/layout.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, asm)
	}
	numbers := make(map[string]int)
	for _, m := range shown.FindAllStringSubmatch(string(asm), -1) {
		numbers[m[1]], _ = strconv.Atoi(m[2])
	}
	return numbers
}
