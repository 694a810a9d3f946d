package phonebook

import (
	"io/fs"
	"os"
	"path"
	"strings"
)

// Dirs returns a file system of several directories of this machine, for
// EntryConfig.Scripts: the first that has a file wins.
func Dirs(names ...string) fs.FS { return dirs(names) }

type dirs []string

func (d dirs) Open(name string) (f fs.File, err error) {
	err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	for _, dir := range d {
		if f, err = os.DirFS(dir).Open(name); err == nil {
			return f, nil
		}
	}
	return nil, err
}

// ReadDir returns the files of all directories.
func (d dirs) ReadDir(name string) (all []fs.DirEntry, err error) {
	for _, dir := range d {
		list, _ := fs.ReadDir(os.DirFS(dir), name) // one that lacks it adds nothing
		all = append(all, list...)
	}
	return all, nil
}

// peersFiles are the files that pppd reads for a peers file: peers/NAME for call,
// and others by their whole path.
type peersFiles struct{}

func (peersFiles) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "peers/") {
		return os.DirFS(path.Dir(PeersDir)).Open(name)
	}
	return os.DirFS("/").Open(name)
}
