package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scriptfile"
)

// endings are those of the files, in the order in which they are tried.
var endings = []string{".scp", ".chat", ".inf"}

// load returns the script for an entry: the first of the languages in the first
// of the directories that has one. The error matches ras.ErrFileNotFound if there
// is none, and ras.ErrScriptSyntax if it is wrong.
func load(dirs []string, entry string, log *slog.Logger) (script.Executor, error) {
	// Some names would lead out of the directory, or are those of devices or
	// streams on Windows.
	if entry == "" || strings.ContainsAny(entry, `/\:`) || !filepath.IsLocal(entry) {
		return nil, &ras.Error{Op: "find script", Code: ras.ErrFileNotFound,
			Err: fmt.Errorf("the entry name %q cannot be the name of a file: rename the entry", entry)}
	}
	for _, dir := range dirs {
		for _, ending := range endings {
			name := filepath.Join(dir, entry+ending)
			src, err := read(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, &ras.Error{Op: "read script", Code: ras.ErrFileNotFound, Err: err}
			}
			s, err := scriptfile.Load(name, src, &scriptfile.Config{Log: log})
			if err == nil && len(s.Sections()) > 1 {
				s, err = scriptfile.Load(name, src, &scriptfile.Config{Log: log, Section: entry})
			}
			if err != nil {
				return nil, &ras.Error{Op: "read script", Code: ras.ErrScriptSyntax, Err: err}
			}
			for _, f := range s.Findings() {
				log.Warn("script", "finding", f.String())
			}
			return s.Executor(), nil
		}
	}
	return nil, &ras.Error{Op: "find script", Code: ras.ErrFileNotFound,
		Err: fmt.Errorf("no %s.scp, .chat or .inf in %s", entry, strings.Join(dirs, " or "))}
}

// read reads a file up to the size that scriptfile refuses.
func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, scriptfile.MaxSource+1))
}
