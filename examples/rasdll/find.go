package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/scp"
	"github.com/rasline/rasline/script/switchinf"
)

// maxScript is the size in bytes of the largest script that is read.
const maxScript = 1 << 20

// languages are the endings of the files, in the order in which they are tried.
var languages = []struct {
	ending string
	parse  func(name string, src []byte, call *ras.Call) (script.Executor, error)
}{
	{".scp", parseSCP},
	{".chat", parseChat},
	{".inf", parseINF},
}

// load returns the script for the entry of a call: the first of the languages in
// the first of the folders that has one. The error matches ras.ErrFileNotFound if there
// is none, and ras.ErrScriptSyntax if it is wrong.
func load(dirs []string, call *ras.Call) (script.Executor, error) {
	entry := call.Entry
	if err := checkEntry(entry); err != nil {
		return nil, &ras.Error{Op: "find script", Code: ras.ErrFileNotFound, Err: err}
	}
	for _, dir := range dirs {
		for _, l := range languages {
			name := filepath.Join(dir, entry+l.ending)
			src, err := read(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, &ras.Error{Op: "read script", Code: ras.ErrFileNotFound, Err: err}
			}
			e, err := l.parse(name, src, call)
			if err != nil {
				return nil, &ras.Error{Op: "read script", Code: ras.ErrScriptSyntax, Err: err}
			}
			return e, nil
		}
	}
	return nil, &ras.Error{Op: "find script", Code: ras.ErrFileNotFound,
		Err: fmt.Errorf("no %s.scp, .chat or .inf in %s", entry, strings.Join(dirs, " or "))}
}

// checkEntry refuses names that would lead out of the folder, or that Windows
// takes for a device or a stream of a file.
func checkEntry(entry string) error {
	if entry == "" || strings.ContainsAny(entry, `/\:`) || !filepath.IsLocal(entry) {
		return fmt.Errorf("the entry name %q cannot be the name of a file: rename the entry", entry)
	}
	return nil
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	if err == nil && len(src) > maxScript {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxScript)
	}
	return src, err
}

func parseSCP(name string, src []byte, _ *ras.Call) (script.Executor, error) {
	return scp.Parse(name, src)
}

// parseChat gives chat scripts the user name as \T and the password as \U.
func parseChat(name string, src []byte, call *ras.Call) (script.Executor, error) {
	s, err := chat.ParseFile(name, src)
	if err != nil || call.Params == nil {
		return s, err
	}
	user := ras.Secret(call.Params.UserName)
	s.Options.T, s.Options.U = &user, &call.Params.Password
	return s, nil
}

// parseINF takes the section with the entry's name, or the only one.
func parseINF(name string, src []byte, call *ras.Call) (script.Executor, error) {
	f, err := switchinf.Parse(name, src)
	if err != nil {
		return nil, err
	}
	if sections := f.Sections(); len(sections) == 1 {
		return f.Script(sections[0].Name)
	}
	return f.Script(call.Entry)
}
