package switchinf

import (
	"path"
	"slices"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

const (
	maxName      = 31   // characters of a section's name that Windows takes
	maxResponses = 64   // of one step
	maxPattern   = 1000 // bytes that one response matches, apart from gaps
)

// Kind is what a file, or a section of it, is for.
type Kind uint8

// The kinds.
const (
	KindSwitch    Kind = iota // SWITCH.INF: scripts before or after dialling
	KindPAD                   // PAD.INF: dialling through an X.25 PAD
	KindModem                 // MODEM.INF: modems; read and listed, never run
	KindResponses             // the section Responses of MODEM.INF
)

// String returns "switch", "pad", "modem" or "responses".
func (k Kind) String() string {
	return [...]string{"switch", "pad", "modem", "responses"}[k&3]
}

// Setting is a line of a section that is no part of its script, such as
// DEFAULTOFF= in PAD.INF or the definition of a macro in MODEM.INF.
type Setting struct {
	Key, Value string
	Line       int
}

// Section describes a section of a file.
type Section struct {
	Name     string
	Kind     Kind
	Line     int // of its header
	Commands int // how many steps it has
	Settings []Setting
}

// File is a file that was parsed. It does not change, and may be used by
// several goroutines concurrently.
type File struct {
	name     string
	kind     Kind
	sections []*section
	byName   map[string]*section // by name in small letters; the first of a name
	findings []lint.Finding
}

type section struct {
	Section
	header place
	steps  []step
	errors int // findings that no reading can pass over
}

// A step is a command and what may be answered.
type step struct {
	line       int
	command    command
	responses  []response
	noResponse bool
}

// Parse reads a file of device scripts. The name is that of the file, for
// messages, and reports its kind: "pad.inf", or "pad-" and more, is PAD.INF,
// "modem.inf" MODEM.INF, and everything else SWITCH.INF, unless lines such as
// COMMAND_INIT= show that it describes modems.
//
// If there are errors that no reading can pass over, the error is a
// *lint.ParseError with all of them, at most 20, and the warnings between; the
// sections without such an error can still be run. All else that is suspicious
// is in File.Findings. The File is never nil. Parse never panics, takes time and
// memory in proportion to the size of src, and does not keep src.
func Parse(name string, src []byte) (*File, error) {
	return ParseKind(kindOf(name, src), name, src)
}

// ParseKind is Parse for a file whose kind is known: KindSwitch, KindPAD or
// KindModem.
func ParseKind(kind Kind, name string, src []byte) (*File, error) {
	p := newParser(kind, name)
	source := lint.NewSource(name, src)
	if text := source.NULRefusal(len(source.Text())); text != "" {
		p.fail(place{line: 1, col: 1}, "%s", text)
	} else {
		p.read(source.Body())
	}
	p.file.findings = p.found.Sorted()
	if p.hard > 0 {
		return p.file, &lint.ParseError{Findings: slices.Clone(p.file.findings)}
	}
	return p.file, nil
}

func kindOf(name string, src []byte) Kind {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	stem := strings.TrimSuffix(base, path.Ext(base))
	switch {
	case stem == "pad", strings.HasPrefix(stem, "pad-"), strings.HasPrefix(stem, "pad_"):
		return KindPAD
	case stem == "modem":
		return KindModem
	case stem == "switch":
		return KindSwitch
	}
	text := string(src[:min(len(src), lint.MaxSource)])
	for _, key := range []string{"COMMAND_INIT=", "COMMAND_DIAL=", "COMMAND_LISTEN="} {
		if strings.HasPrefix(text, key) || strings.Contains(text, "\n"+key) {
			return KindModem
		}
	}
	return KindSwitch
}

// Kind returns what the file is for.
func (f *File) Kind() Kind { return f.kind }

// Sections returns the sections in the order of the file. Those that have the
// name of an earlier one are left out, since they cannot be selected.
func (f *File) Sections() []Section {
	var all []Section
	for _, s := range f.sections {
		if f.find(s.Name) == s {
			info := s.Section
			info.Settings = slices.Clone(s.Settings)
			all = append(all, info)
		}
	}
	return all
}

// Findings returns all that Parse found, in the order of the places. Errors
// among the findings of a file that Parse accepted are lines that a run passes
// over.
func (f *File) Findings() []lint.Finding { return slices.Clone(f.findings) }

// Warnings returns the findings with every severity set to lint.SeverityWarning,
// because a run skips the lines in error.
func (f *File) Warnings() []lint.Finding {
	all := f.Findings()
	for i := range all {
		all[i].Severity = lint.SeverityWarning
	}
	return all
}

// find returns the section that has the name in any letter case, or nil.
func (f *File) find(name string) *section { return f.byName[foldName(name)] }

// foldName returns a section's name as names are compared: without blanks
// around it, ASCII letters small, other bytes as they are.
func foldName(name string) string { return lint.Fold(strings.Trim(name, " 	")) }
