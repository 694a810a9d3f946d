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
	if err := checkEntry(entry); err != nil {
		return nil, &ras.Error{Op: "find script", Code: ras.ErrFileNotFound, Err: err}
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
			s, err := loadEntry(name, src, entry, log)
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

// checkEntry refuses names that would lead out of the directory, or that Windows
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
	return io.ReadAll(io.LimitReader(f, scriptfile.MaxSource+1))
}

// loadEntry takes the section with the entry's name where there are several.
func loadEntry(name string, src []byte, entry string, log *slog.Logger) (*scriptfile.Script, error) {
	s, err := scriptfile.Load(name, src, &scriptfile.Config{Log: log})
	if err == nil && len(s.Sections()) > 1 {
		return scriptfile.Load(name, src, &scriptfile.Config{Log: log, Section: entry})
	}
	return s, err
}
