package phonebook

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
)

// Kind is a kind of phone book.
type Kind uint8

const (
	// KindAuto chooses by the name of the file, and by what is in it.
	KindAuto Kind = iota

	// KindWvdial is wvdial.conf (wvdial.conf(5)). Entries are named by the word
	// after "Dialer"; several may be named, of which the first that has a key
	// wins, as in wvdial 1.61, and "Dialer Defaults" is what the others lack.
	//
	// Other than in wvdial, a section that does not exist is an error, a BUSY
	// counts as an attempt, DISCONNECTED is not treated as a connection, the choice
	// from a menu is sent, PPP's first frame is left for pppd, and giving up is a
	// failure.
	KindWvdial

	// KindPeers is an options file of pppd(8), of which there is one entry. Its
	// init, connect, welcome and disconnect are run here if they are chat(8)
	// commands, and given to a shell only with EntryConfig.Shell. /etc/ppp/options
	// is not read.
	KindPeers

	// KindRasphone is rasphone.pbk ([MS-RRASM] 2.2.2).
	KindRasphone
)

// String returns "wvdial", "peers" or "rasphone".
func (k Kind) String() string {
	return [...]string{"auto", "wvdial", "peers", "rasphone"}[k]
}

// Config holds how a phone book is read. The zero Config and a nil one work.
type Config struct {
	// Kind is the kind of the file. Default: KindAuto.
	Kind Kind

	// FS holds the files that a peers file names with call and file: "peers/NAME"
	// for the former, and the path without its first slash for the latter.
	// Default: such options are errors.
	FS fs.FS

	// CodePage decodes the names of a rasphone.pbk that is in no UTF-8: 1252,
	// 28591 (ISO 8859-1). Default, and for 0: 1252.
	CodePage int
}

// Book is a phone book that was parsed. It does not change and may be used by
// several goroutines.
type Book struct {
	name     string
	kind     Kind
	src      *lint.Source
	findings []lint.Finding
	entries  entries
	shared   bool // others can read the file
}

// entries are what a file of one kind holds.
type entries interface {
	// infos describes the entries, in the order of the file.
	infos() []Info

	// entry makes a dialup.Entry of the entry with the names.
	entry(found *findings, cfg *EntryConfig, names []string) (*dialup.Entry, error)
}

// Info describes an entry.
type Info struct {
	Name   string
	Device string // "modem", "vpn", "null": what it is a call by
	Port   string // as the file has it; may be empty
	Number string // the first one; may be empty
	Line   int    // of the file
	Why    string // why it cannot be dialled; empty if it can, as far as is known without its scripts
}

// EntryConfig holds what an entry uses from outside its file. The zero EntryConfig
// and a nil one work.
type EntryConfig struct {
	// Ports gives the ports of this machine for those in the file: "COM3" or the
	// name of a modem → "/dev/ttyUSB0". Default: names of devices of this system
	// are themselves, others are errors.
	Ports map[string]string

	// Port is used whatever the file has. Default: that of the file.
	Port string

	// Scripts holds the files of scripts, in its root and, for those of
	// rasphone.pbk, in "ras". Default: an entry with a script file is an error.
	Scripts fs.FS

	// Location are the dialling rules of this place, "COUNTRY[,AREA[,TRUNK[,INTL]]]":
	// "49,30,0,00", for rasphone.pbk. A finding reports that the other kinds do not
	// use it. Default: an entry that needs them is an error.
	Location string

	// Phone is dialled instead of the entry's numbers. Default: those.
	Phone string

	// Set overrides keys of wvdial.conf: "Phone" → "5551234". Default: none.
	Set map[string]string

	// Shell lets commands of a peers file that are no chat(8) command run by
	// /bin/sh, on a pseudo-terminal that is joined to the line. Default: they are
	// errors.
	Shell bool

	// Stderr gets what such commands write on standard error. Default: os.Stderr.
	Stderr io.Writer

	// DLL is the custom-scripting DLL of entries with CustomScript=1. Default:
	// such entries are errors.
	DLL string

	// Params are used instead of the entry's parameters where they are not empty.
	// Its PhoneNumber is ignored; see Phone. Default: those of the entry.
	Params ras.DialParams
}

// An Error reports that there is no entry of a name, or that it cannot be dialled.
type Error struct {
	Entry    string
	Code     ras.Code       // ErrCannotFindPhonebookEntry, ErrUnknownDeviceType, …
	Why      string         // what and what to do
	Findings []lint.Finding // of the entry, errors among them; may be empty
}

// Error returns "ENTRY: WHY", or the first finding.
func (e *Error) Error() string {
	if e.Entry == "" {
		return e.Why
	}
	return e.Entry + ": " + e.Why
}

// Unwrap returns the Code.
func (e *Error) Unwrap() error { return e.Code }

// Parse reads a phone book. The name is for messages, and determines the kind if the
// Config does not. A nil cfg means the zero Config. The error is a
// *lint.ParseError with every error that was found in what concerns all entries; a
// error in one entry is an error of Entry.
func Parse(name string, src []byte, cfg *Config) (*Book, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.Kind == KindAuto {
		c.Kind = kindOf(name, src)
	}
	b := &Book{name: name, kind: c.Kind, src: lint.NewSource(name, masked(c.Kind, src))}
	found := &findings{file: name, src: b.src}
	switch {
	case bytes.HasPrefix(src, []byte{0xFF, 0xFE}), bytes.HasPrefix(src, []byte{0xFE, 0xFF}), bytes.IndexByte(src, 0) >= 0:
		found.errorf(1, 1, "the file is UTF-16 or binary: save it as UTF-8 text")
	case len(src) > maxSize[c.Kind]:
		found.errorf(1, 1, "the file is larger than %d MiB, which no phone book is", maxSize[c.Kind]>>20)
	case c.Kind == KindWvdial:
		b.entries = parseWvdial(found, src)
	case c.Kind == KindPeers:
		p := &peer{name: path.Base(strings.ReplaceAll(name, `\`, "/")), texts: make(map[string]*lint.Source)}
		b.entries = p
		p.read(found, name, string(src), c.FS, nil)
	case c.Kind == KindRasphone:
		b.entries = parsePBK(found, src, c.CodePage)
	}
	b.findings = found.list.Sorted()
	if found.list.Errors() > 0 {
		return nil, &lint.ParseError{Findings: b.findings}
	}
	return b, nil
}

// PeersDir is where ReadFile looks up the name of a peer of pppd(8).
const PeersDir = "/etc/ppp/peers"

// ReadFile reads a phone book of this machine. A name without a directory and an
// ending is that of a file in PeersDir, if there is no such file here. Config.FS is
// by default what pppd reads of a peers file's call and file, and an entry warns of
// a password that other users of the machine can read. See Parse for the rest; the
// error may be an *fs.PathError, too.
func ReadFile(name string, cfg *Config) (*Book, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.FS == nil {
		c.FS = peersFiles{}
	}
	if !strings.ContainsAny(name, `/\.`) {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			name = PeersDir + "/" + name
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	src, err := io.ReadAll(io.LimitReader(f, MaxSize+1)) // a device might have no end
	if err != nil {
		return nil, err
	}
	b, err := Parse(name, src, &c)
	if b != nil {
		b.shared = runtime.GOOS != "windows" && info.Mode().Perm()&0o044 != 0
	}
	return b, err
}

// MaxSize is the size in bytes of the largest phone book that Parse accepts.
const MaxSize = 4 << 20

var maxSize = [...]int{KindWvdial: 1 << 20, KindPeers: 1 << 20, KindRasphone: MaxSize}

// kindOf returns the kind of a file.
func kindOf(name string, src []byte) Kind {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	switch {
	case strings.HasSuffix(base, ".pbk"):
		return KindRasphone
	case strings.HasPrefix(base, "wvdial"), base == ".wvdialrc":
		return KindWvdial
	}
	for line := range strings.Lines(strings.ToLower(string(src))) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "[dialer"):
			return KindWvdial
		case strings.HasPrefix(line, "media="), strings.HasPrefix(line, "device="):
			return KindRasphone
		}
	}
	return KindPeers
}

// Dirs returns the directories and, after them, that of the phone book, for
// EntryConfig.Scripts.
func (b *Book) Dirs(names ...string) fs.FS {
	return Dirs(append(slices.Clone(names), filepath.Dir(b.name))...)
}

// Name returns the name of the phone book, with the directory in which ReadFile has
// found it.
func (b *Book) Name() string { return b.name }

// Kind returns the kind of the phone book.
func (b *Book) Kind() Kind { return b.kind }

// Findings returns what is doubtful in the file apart from its entries, in the
// order of the places.
func (b *Book) Findings() []lint.Finding { return slices.Clone(b.findings) }

// Entries describes the entries, in the order of the file.
func (b *Book) Entries() []Info { return b.entries.infos() }

// Entry makes a dialup.Entry of an entry. Several names, and "KEY=VALUE", are for
// wvdial.conf alone; with no name it is its Defaults, and elsewhere the only entry.
// A nil cfg means the zero EntryConfig.
//
// The findings report what is doubtful and what is not used. The error is an
// *Error.
func (b *Book) Entry(cfg *EntryConfig, names ...string) (*dialup.Entry, []lint.Finding, error) {
	var c EntryConfig
	if cfg != nil {
		c = *cfg
	}
	found := &findings{file: b.name, src: b.src}
	e, err := b.entries.entry(found, &c, names)
	list := found.list.Sorted()
	if err == nil && found.list.Errors() > 0 {
		i := slices.IndexFunc(list, func(f lint.Finding) bool { return f.Severity == lint.SeverityError })
		why := list[i].Place() + ": " + list[i].Text
		if n := found.list.Errors(); n > 1 {
			why += fmt.Sprintf(" (and %d more errors)", n-1)
		}
		err = &Error{Entry: strings.Join(names, " "), Code: ras.ErrInvalidParameter, Why: why}
	}
	if err != nil {
		var own *Error
		if errors.As(err, &own) {
			own.Findings = list
		}
		return nil, list, err
	}
	e.Phonebook = b.name
	if b.shared && e.Params.Password != "" {
		list = append([]lint.Finding{{File: b.name, Line: 1, Col: 1, Severity: lint.SeverityWarning,
			Text: "the file holds a password and can be read by others: chmod 600"}}, list...)
	}
	if c.Location != "" && b.kind != KindRasphone {
		list = append([]lint.Finding{{File: b.name, Line: 1, Col: 1, Severity: lint.SeverityWarning,
			Text: fmt.Sprintf("the location %s is not used: a file of %v has no dialling rules, and its numbers are dialled as they are", c.Location, b.kind)}}, list...)
	}
	p := &e.Params // which the user's override
	p.EntryName = cmp.Or(c.Params.EntryName, p.EntryName)
	p.CallbackNumber = cmp.Or(c.Params.CallbackNumber, p.CallbackNumber)
	p.UserName = cmp.Or(c.Params.UserName, p.UserName)
	p.Domain = cmp.Or(c.Params.Domain, p.Domain)
	if c.Params.Password != "" || c.Params.NoPassword {
		p.Password, p.NoPassword = c.Params.Password, c.Params.NoPassword
	}
	return e, list, nil
}

// maxListed is how many names of entries an error has.
const maxListed = 20

// listed returns the names of entries for an error.
func listed(names []string) string {
	if n := len(names) - maxListed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), n)
	}
	return strings.Join(names, ", ")
}

const maxFile = 1 << 20

// readFile reads a file that a phone book names. What is no regular file, such as
// a device, might have no end.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fail := func(why string) ([]byte, error) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New(why)}
	}
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return fail("it is no file")
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(src) > maxFile {
		return fail("it is larger than 1 MiB")
	}
	return src, err
}

// findings collects what is found in a file.
type findings struct {
	list lint.List
	file string
	src  *lint.Source
}

func (f *findings) add(s lint.Severity, line, col int, format string, args ...any) {
	found := lint.Finding{File: f.file, Line: line, Col: max(col, 1), Severity: s, Text: lint.Visible(fmt.Sprintf(format, args...))}
	switch {
	case line == 0: // of EntryConfig.Set
		found.File, found.Line, found.Col = "KEY=VALUE", 1, 1
	case f.src != nil:
		found.Source = f.src.Line(line)
	}
	f.list.Add(found)
}

func (f *findings) errorf(line, col int, format string, args ...any) {
	f.add(lint.SeverityError, line, col, format, args...)
}

func (f *findings) warnf(line, col int, format string, args ...any) {
	f.add(lint.SeverityWarning, line, col, format, args...)
}

// mapPort returns the port of this machine for one of the file.
func (c *EntryConfig) mapPort(names ...string) (string, error) {
	if c.Port != "" {
		return c.Port, nil
	}
	for _, name := range names {
		for from, to := range c.Ports {
			if name != "" && strings.EqualFold(from, name) {
				return to, nil
			}
		}
	}
	if len(names) == 0 || names[0] == "" {
		return "", errors.New("the entry names no port: give one")
	}
	digits, com := strings.CutPrefix(strings.ToUpper(names[0]), "COM")
	if com = com && digits != "" && strings.Trim(digits, "0123456789") == ""; !com || runtime.GOOS == "windows" {
		return names[0], nil
	}
	return "", fmt.Errorf("%s is a port of another machine: give the port, or map it (COM3=/dev/ttyUSB0)", names[0])
}
