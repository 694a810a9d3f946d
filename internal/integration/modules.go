package integration

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Module is a kernel module, decompressed.
type Module struct {
	Name string // with underscores, as the kernel lists it
	Data []byte
}

// unpackers are the programs for the endings that compressed modules have.
var unpackers = map[string]string{".ko": "", ".ko.xz": "xz", ".ko.zst": "zstd", ".ko.gz": "gzip"}

// Load returns the named modules and all that they depend on, in the order in
// which a kernel loads them. Modules that are part of the kernel's image are
// omitted.
func (k *Kernel) Load(names ...string) ([]Module, error) {
	l := &moduleList{seen: make(map[string]bool), paths: make(map[string]string)}

	// The lists that depmod(8) makes do not exist in a package that was only
	// unpacked, so find the modules by their names.
	text, err := os.ReadFile(filepath.Join(k.Modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		l.builtin = append(l.builtin, moduleName(strings.TrimSpace(line)))
	}
	err = filepath.WalkDir(filepath.Join(k.Modules, "kernel"), func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, ".ko") {
			l.paths[moduleName(path)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}

	for _, name := range names {
		if err := l.add(name); err != nil {
			return nil, err
		}
	}
	return l.list, nil
}

type moduleList struct {
	paths   map[string]string
	builtin []string
	seen    map[string]bool
	list    []Module
}

// moduleName returns the name of the module in a file.
func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// add appends a module after those that it depends on.
func (l *moduleList) add(name string) error {
	name = moduleName(name)
	if l.seen[name] || slices.Contains(l.builtin, name) {
		return nil
	}
	l.seen[name] = true
	path, ok := l.paths[name]
	if !ok {
		return fmt.Errorf("the kernel has no module %s", name)
	}
	program, ok := unpackers[path[strings.Index(path, ".ko"):]]
	if !ok {
		return fmt.Errorf("%s: unknown kind of module", path)
	}
	var data []byte
	var err error
	if program == "" {
		data, err = os.ReadFile(path)
	} else if data, err = exec.Command(program, "-dc", path).Output(); err != nil {
		err = fmt.Errorf("unpack %s with %s: %w", path, program, err)
	}
	if err != nil {
		return err
	}
	needs, err := dependencies(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, n := range needs {
		if err := l.add(n); err != nil {
			return err
		}
	}
	l.list = append(l.list, Module{name, data})
	return nil
}

// dependencies returns the names in the "depends" entry of a module's .modinfo
// section, whose entries are KEY=VALUE, each ended by a zero byte.
func dependencies(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no .modinfo: this is no kernel module")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if value, ok := strings.CutPrefix(entry, "depends="); ok && value != "" {
			return strings.Split(value, ","), nil
		}
	}
	return nil, nil
}
