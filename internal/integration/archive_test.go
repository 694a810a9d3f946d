package integration

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// unpack reads an archive back, as cpio(5) describes it, and returns a line for
// each entry but the last.
func unpack(t *testing.T, b []byte) (list []string) {
	t.Helper()
	number := func(field int) int {
		n, err := strconv.ParseUint(string(b[6+8*field:14+8*field]), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	inodes := make(map[int]bool)
	for len(b) >= 110 {
		if string(b[:6]) != "070701" {
			t.Fatalf("an entry begins with %q", b[:6])
		}
		inode, mode, size, nameSize := number(0), number(1), number(6), number(11)
		name := string(b[110 : 110+nameSize-1])
		body := (110 + nameSize + 3) &^ 3
		if name == "TRAILER!!!" {
			return list
		}
		if inodes[inode] {
			t.Errorf("%s: the inode %d is taken", name, inode)
		}
		inodes[inode] = true
		list = append(list, fmt.Sprintf("%o %s %q", mode, name, b[body:body+size]))
		b = b[(body+size+3)&^3:]
	}
	t.Fatal("the archive has no end")
	return nil
}

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := NewArchive(&b)
	a.File("/bin/a", 0o755, []byte("12345"))
	a.Dir("/bin")
	a.Link("/bin/b", "a")
	a.File("/x/y/z", 0o600, nil)
	a.Dir("/x/y/")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`40755 bin ""`, `100755 bin/a "12345"`, `120777 bin/b "a"`,
		`40755 x ""`, `40755 x/y ""`, `100600 x/y/z ""`,
	}
	if got := unpack(t, b.Bytes()); !slices.Equal(got, want) {
		t.Errorf("entries:\n%q\nwant\n%q", got, want)
	}
	if b.Len()%4 != 0 {
		t.Errorf("the archive has %d bytes, want a multiple of four", b.Len())
	}
}

func TestArchiveKeepsItsFirstError(t *testing.T) {
	a := NewArchive(new(bytes.Buffer))
	a.Copy("/a", filepath.Join(t.TempDir(), "missing"), 0o644)
	a.File("/b", 0o644, nil)
	if err := a.Close(); err == nil {
		t.Error("an archive with a missing file is complete")
	}
	full := errors.New("disk full")
	a = NewArchive(failing{full})
	a.File("/a", 0o644, nil)
	if err := a.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestTheGuestHasItsTools(t *testing.T) {
	for _, name := range slices.Collect(maps.Values(tools)) {
		if !filepath.IsAbs(name) {
			t.Errorf("the guest's path %q is not absolute", name)
		}
	}
	if _, err := Tool("no-such-program"); err == nil {
		t.Error("a program that nobody has was found")
	}
}
