package scriptfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/dll"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/runscript"
	"github.com/rasline/rasline/script/scp"
	"github.com/rasline/rasline/script/switchinf"
)

// MaxSource is the size in bytes of the largest script that Load reads. A
// program that reads one byte more has enough for Load to refuse a larger one.
const MaxSource = lint.MaxSource

// Config holds how a script is loaded and run. The zero Config and a nil one
// work.
type Config struct {
	// Language is one of Languages. Default: that of the ending of the name.
	Language string

	// Section is the section of a SWITCH.INF file that is run, in any letter
	// case. Default: the only one of the file.
	Section string

	// Log receives debug records of the conversation, with secrets masked, and
	// warnings about what the line cannot do. Default: no log.
	Log *slog.Logger

	// Terminal receives what a script of chat or runscript shows to the user. Default: the
	// call's Terminal.
	Terminal io.Writer

	// The settings of one language each. The fields above take precedence.
	// Default: those of the language.
	SCP       *scp.Config
	SwitchINF *switchinf.Config
	Chat      *chat.Config
	Runscript *runscript.Config
	DLL       *dll.Config
}

// loaders holds the languages in the order in which Languages lists them.
var loaders = []struct {
	language, ending string
	load             func(name string, src []byte, cfg *Config) (*Script, error)
}{
	{"scp", ".scp", loadSCP},
	{"switchinf", ".inf", loadSwitchINF},
	{"chat", ".chat", loadChat},
	{"runscript", ".runscript", loadRunscript},
	{"dll", ".dll", loadDLL},
}

// Languages returns the names of the languages.
func Languages() []string {
	var names []string
	for _, l := range loaders {
		names = append(names, l.language)
	}
	return names
}

// LanguageOf returns the language that the ending of a file's name specifies,
// in any letter case, or "".
func LanguageOf(name string) string {
	ending := lint.Fold(path.Ext(name))
	for _, l := range loaders {
		if l.ending == ending {
			return l.language
		}
	}
	return ""
}

// Script is a script that Load has found to be correct. It does not change, and
// its executor may be used for several runs at a time.
type Script struct {
	language string
	executor script.Executor
	findings []lint.Finding
	sections []string
	section  func(name string) (script.Executor, error) // nil: there are none
}

// Load reads a script. The name is that of its file. A DLL is loaded by its name
// as a path, and src is ignored.
//
// The error is a *lint.ParseError for a script with errors, and a
// *switchinf.Error for a Section that is not there or cannot be run; an unknown
// language matches ras.ErrInvalidParameter, a DLL on another system than Windows
// errors.ErrUnsupported.
func Load(name string, src []byte, cfg *Config) (*Script, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	language := cmp.Or(c.Language, LanguageOf(name))
	for _, l := range loaders {
		if l.language == language {
			s, err := l.load(name, src, &c)
			if err != nil {
				return nil, err
			}
			s.language = language
			return s, nil
		}
	}
	err := fmt.Errorf("the ending of the name is none of a script language: specify %s", choices())
	if c.Language != "" {
		err = fmt.Errorf("there is no script language %q: specify %s", c.Language, choices())
	}
	return nil, &ras.Error{Op: "load " + name, Code: ras.ErrInvalidParameter, Err: err}
}

// ReadFile loads the script in a file of this machine. The error may be an
// *fs.PathError, too.
func ReadFile(name string, cfg *Config) (*Script, error) {
	var src []byte
	language := LanguageOf(name)
	if cfg != nil && cfg.Language != "" {
		language = cfg.Language
	}
	if language != "dll" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if src, err = io.ReadAll(io.LimitReader(f, MaxSource+1)); err != nil { // a device might have no end
			return nil, err
		}
	}
	return Load(name, src, cfg)
}

func choices() string {
	names := Languages()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Executor returns what runs the script. The executor of a SWITCH.INF file with
// several sections, of which Config.Section names none, fails before anything is
// sent.
func (s *Script) Executor() script.Executor { return s.executor }

// Section returns what runs a section of a SWITCH.INF file, in any letter case. The
// error is a *switchinf.Error for one that is not there or cannot be run, and
// matches ras.ErrDevicenameNotFound for another language.
func (s *Script) Section(name string) (script.Executor, error) {
	if s.section == nil {
		return nil, &ras.Error{Op: "section " + name, Code: ras.ErrDevicenameNotFound, Err: fmt.Errorf("a script of %s has no sections", s.language)}
	}
	return s.section(name)
}

// Check returns the error with which the script would refuse to run with the
// parameters, before anything is sent; see script.Checker.
func (s *Script) Check(p *ras.DialParams) error {
	if c, ok := s.executor.(script.Checker); ok {
		return c.Check(p)
	}
	return nil
}

// Language returns the script's language.
func (s *Script) Language() string { return s.language }

// Findings returns what is doubtful in the script, in the order of the places.
// Errors among them are lines of a SWITCH.INF file that a run skips.
func (s *Script) Findings() []lint.Finding { return slices.Clone(s.findings) }

// Sections returns the names of the sections of a SWITCH.INF file, and nil for
// other languages.
func (s *Script) Sections() []string { return slices.Clone(s.sections) }

// orZero returns a copy of what p points to, or a zero value.
func orZero[T any](p *T) T {
	var v T
	if p != nil {
		v = *p
	}
	return v
}

func loadSCP(name string, src []byte, cfg *Config) (*Script, error) {
	p, err := scp.Parse(name, src)
	if err != nil {
		return nil, err
	}
	c := orZero(cfg.SCP)
	c.Log = cmp.Or(cfg.Log, c.Log)
	return &Script{executor: p.Executor(&c), findings: p.Warnings()}, nil
}

func loadSwitchINF(name string, src []byte, cfg *Config) (*Script, error) {
	f, err := switchinf.Parse(name, src)
	if err != nil {
		return nil, err
	}
	c := orZero(cfg.SwitchINF)
	c.Log = cmp.Or(cfg.Log, c.Log)
	s := &Script{findings: f.Findings()}
	s.section = func(name string) (script.Executor, error) { return f.Executor(name, &c) }
	for _, section := range f.Sections() {
		s.sections = append(s.sections, section.Name)
	}
	section := cfg.Section
	if section == "" && len(s.sections) == 1 {
		section = s.sections[0]
	}
	if section != "" {
		s.executor, err = s.section(section)
	} else {
		why := errors.New("the file has several sections: specify the one to run")
		if len(s.sections) == 0 {
			why = errors.New("the file has no section")
		}
		err = &script.RunError{File: name, Code: ras.ErrDevicenameNotFound, Err: why}
	}
	if err != nil && cfg.Section == "" { // the findings or the sections show why
		s.executor = script.ExecutorFunc(func(context.Context, *ras.Call) error { return err })
		return s, nil
	}
	return s, err
}

func loadChat(name string, src []byte, cfg *Config) (*Script, error) {
	p, err := chat.ParseFile(name, src)
	if err != nil {
		return nil, err
	}
	c := orZero(cfg.Chat)
	c.UseParams = true
	c.Log = cmp.Or(cfg.Log, c.Log)
	if cfg.Terminal != nil {
		c.Stderr = cfg.Terminal
	}
	return &Script{executor: p.Executor(&c), findings: p.WarningsFor(&c)}, nil
}

func loadRunscript(name string, src []byte, cfg *Config) (*Script, error) {
	p, err := runscript.Parse(name, src)
	if err != nil {
		return nil, err
	}
	c := orZero(cfg.Runscript)
	c.Log = cmp.Or(cfg.Log, c.Log)
	if cfg.Terminal != nil {
		c.Terminal = cfg.Terminal
	}
	return &Script{executor: p.Executor(&c), findings: p.Warnings()}, nil
}

func loadDLL(name string, _ []byte, cfg *Config) (*Script, error) {
	if runtime.GOOS != "windows" {
		err := fmt.Errorf("a custom-scripting DLL runs on Windows only (on Linux, use a Windows build with wine): %w", errors.ErrUnsupported)
		return nil, &ras.Error{Op: "load " + name, Code: ras.ErrNotSupported, Err: err}
	}
	c := orZero(cfg.DLL)
	c.Log = cmp.Or(cfg.Log, c.Log)
	d, err := dll.Load(name, &c)
	if err != nil {
		return nil, err
	}
	return &Script{executor: d}, nil
}
