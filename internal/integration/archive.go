package integration

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// An Archive writes a cpio archive in the format that a kernel accepts as its
// first file system ("newc" of cpio(5)). All files belong to root. The first
// error stays and is returned by Close.
type Archive struct {
	w    io.Writer
	n    int64 // written so far
	ino  int
	dirs map[string]bool
	err  error
}

// NewArchive returns an empty archive that is written to w.
func NewArchive(w io.Writer) *Archive { return &Archive{w: w, dirs: map[string]bool{"/": true}} }

// The kinds of file, as stat(2) has them.
const (
	kindFile = 0o100000
	kindDir  = 0o040000
	kindLink = 0o120000
)

// Dir adds a directory and those that it is in, once.
func (a *Archive) Dir(name string) {
	name = path.Clean("/" + name)
	if a.dirs[name] {
		return
	}
	a.Dir(path.Dir(name))
	a.dirs[name] = true
	a.entry(name, kindDir|0o755, nil)
}

// File adds a file with permissions and contents, and the directory it is in.
func (a *Archive) File(name string, perm int, data []byte) {
	a.Dir(path.Dir(name))
	a.entry(name, kindFile|perm, data)
}

// Link adds a symbolic link.
func (a *Archive) Link(name, target string) {
	a.Dir(path.Dir(name))
	a.entry(name, kindLink|0o777, []byte(target))
}

// Copy adds a file of the host under a name.
func (a *Archive) Copy(name, from string, perm int) {
	data, err := os.ReadFile(from)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.File(name, perm, data)
}

// Close ends the archive. It does not close the writer.
func (a *Archive) Close() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}

// entry writes a header of fourteen numbers, the name and the data, the last
// two filled up to a multiple of four bytes.
func (a *Archive) entry(name string, mode int, data []byte) {
	a.ino++
	name = strings.TrimPrefix(name, "/")
	a.print("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.print("%s\x00", name)
	a.fill()
	a.write(data)
	a.fill()
}

func (a *Archive) fill() { a.write(make([]byte, -a.n&3)) }

func (a *Archive) print(format string, args ...any) { a.write(fmt.Appendf(nil, format, args...)) }

func (a *Archive) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
		a.n += int64(len(b))
	}
}
