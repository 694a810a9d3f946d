package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scriptfile"
)

// options are the flags, checked.
type options struct {
	port      string // empty: the built-in modem
	mode      port.Mode
	numbers   []string
	init      []string
	redial    int
	answer    bool
	rings     int
	hangup    []modem.Method
	hangupSet bool
	script    string
	section   string
	lang      string
	list      bool
	listPorts bool
	check     bool
	params    ras.DialParams
	timeout   time.Duration
	terminal  bool
	logFormat string
	verbose   bool
	record    string

	phonebook   string
	names       []string // of the entry
	listEntries bool
	maps        map[string]string
	scriptDirs  []string
	location    string
	phone       string
	shell       bool

	exec     string
	interact bool
	persist  bool

	document string // -document
	flags    *flag.FlagSet
}

// texts collects a flag that may be repeated.
type texts []string

func (t *texts) String() string     { return strings.Join(*t, " ") }
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

// pairs collects a flag KEY=VALUE that may be repeated.
type pairs map[string]string

func (p *pairs) String() string { return "" }

func (p *pairs) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" || value == "" {
		return errors.New("write NAME=PORT")
	}
	if *p == nil {
		*p = make(pairs)
	}
	(*p)[key] = value
	return nil
}

const defaultTimeout = 5 * time.Minute

// parseOptions reads the flags. What is wrong with them it tells on stderr.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("rasdial", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the package prints all flags after each error
	var mode, hangup, passwordFile string
	f.StringVar(&o.port, "port", "", "`port`: /dev/ttyUSB0, COM3, usb:0403:6001, tcp://host:port, unix:/path, telnet://host:port, rfc2217://host:port, rfc2217+tls://host:port, replay:file, or - (default a built-in modem)")
	f.StringVar(&mode, "mode", "", "bit rate, format and flow control, such as 115200,8N1,rtscts")
	f.Var((*texts)(&o.numbers), "dial", "`number` to dial through an AT modem (repeatable)")
	f.Var((*texts)(&o.init), "init", "modem `command` before dialling (repeatable)")
	f.IntVar(&o.redial, "redial", 0, "further attempts after a failed one")
	f.BoolVar(&o.answer, "answer", false, "wait for a call instead of dialling")
	f.IntVar(&o.rings, "rings", 1, "with -answer: answer at this `ring`; callers are known from the second on")
	f.StringVar(&hangup, "hangup", "", "how to hang up at the end: dtr, ath, both or none")
	f.StringVar(&o.script, "script", "", "script `file`: .scp, .inf, .chat, .runscript, .dll")
	f.StringVar(&o.section, "section", "", "section of an .inf file")
	f.StringVar(&o.lang, "lang", "", "language of the script: scp, switchinf, chat, runscript or dll (default by the file's name)")
	f.BoolVar(&o.list, "list", false, "name the sections of an .inf file and stop")
	f.BoolVar(&o.listPorts, "list-ports", false, "list the serial ports of this machine and stop")
	f.BoolVar(&o.check, "check", false, "check the script and stop")
	f.StringVar(&o.params.UserName, "user", "", "user name")
	f.StringVar(&passwordFile, "password-file", "", "`file` whose first line is the password, - for standard input")
	f.BoolVar(&o.params.NoPassword, "no-password", false, "there is no password")
	f.StringVar(&o.params.Domain, "domain", "", "domain")
	f.StringVar(&o.phonebook, "phonebook", "", "phone book: wvdial.conf, rasphone.pbk, or a peers `file` of pppd, whose name alone is looked up in /etc/ppp/peers")
	f.Var((*texts)(&o.names), "entry", "`name` of the entry; the same as ENTRY")
	f.BoolVar(&o.listEntries, "list-entries", false, "list the entries of the phone book and stop")
	f.Var((*pairs)(&o.maps), "map", "port of this machine for one of the phone book: `COM3=/dev/ttyUSB0` (repeatable)")
	f.Var((*texts)(&o.scriptDirs), "script-dir", "`directory` with the scripts of the phone book, besides its own (repeatable)")
	f.StringVar(&o.location, "location", "", "dialling rules of this place: `country,area,trunk,international`, such as 49,30,0,00")
	f.StringVar(&o.phone, "phone", "", "`number` to dial instead of the entry's")
	f.BoolVar(&o.shell, "shell", false, "let a shell run the commands of a peers file and of -exec")
	f.StringVar(&o.exec, "exec", "", "after the login, run this `command` on the line, such as 'pppd nodetach noauth'; {} is the path of the line")
	f.BoolVar(&o.interact, "interact", false, "after the login, or instead of one, talk to the peer; Ctrl-] leaves")
	f.BoolVar(&o.persist, "persist", false, "dial again when the connection ends")
	f.DurationVar(&o.timeout, "timeout", defaultTimeout, "limit for the login, 0 for none")
	f.BoolVar(&o.terminal, "terminal", false, "give the script the user's terminal")
	f.StringVar(&o.logFormat, "log", "", "log in this `format`: text or json")
	f.StringVar(&o.record, "record", "", "record the line in this new `file`, for Wireshark and -port replay:FILE")
	f.BoolVar(&o.verbose, "v", false, "show the conversation")
	f.StringVar(&o.document, "document", "", "write the completion for bash or zsh, or the manual page (man), and stop")
	o.flags = f
	for rest := args; ; {
		if err := f.Parse(rest); errors.Is(err, flag.ErrHelp) {
			io.WriteString(stderr, usage)
			f.SetOutput(stderr)
			f.PrintDefaults()
			return nil, err
		} else if err != nil {
			fmt.Fprintf(stderr, "rasdial: %v; -h lists the flags\n", words.UnknownFlag(f, err))
			return nil, err
		}
		if rest = f.Args(); len(rest) == 0 {
			break
		}
		o.names = append(o.names, rest[0]) // flags may follow
		rest = rest[1:]
	}
	if len(o.names) > 0 {
		o.params.EntryName = strings.Join(o.names, " ")
	}
	err := errors.Join(o.setMode(mode), o.setHangup(hangup), o.setPassword(passwordFile), o.setLang(), o.checkFlags(f, passwordFile == "-" && o.port == "-"))
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "rasdial: %s\n", strings.TrimSuffix(line, "\n"))
		}
		return nil, err
	}
	return o, nil
}

const usage = `usage: rasdial [flags] [ENTRY]

  rasdial                                         a modem and a host that are built in
  rasdial -port /dev/ttyUSB0 -dial 5551234 -user joe -password-file isp.txt
  rasdial -phonebook /etc/wvdial.conf office -exec 'pppd notty nodetach noauth'

exit status: 0 success, 1 the script or the line failed, 2 flags or a script that
cannot be used, 3 the port cannot be opened

`

func (o *options) setMode(s string) (err error) {
	if s == "" {
		return nil
	}
	if strings.HasPrefix(o.port, "tcp://") || strings.HasPrefix(o.port, "telnet://") {
		return errors.New("-mode: a raw TCP or Telnet port has no mode; use rfc2217://, or set it on the server")
	}
	if o.mode, err = port.ParseMode(s); err != nil {
		return fmt.Errorf("-mode: %w", err)
	}
	return nil
}

func (o *options) setHangup(s string) (err error) {
	if s == "" {
		return nil
	}
	o.hangupSet = true
	if o.hangup, err = modem.ParseMethods(s); err != nil {
		return fmt.Errorf("-hangup: %w", err)
	}
	return nil
}

const maxPasswordFile = 4096

// setPassword takes the first line of the file.
func (o *options) setPassword(name string) error {
	if name == "" || name == "-" && o.port == "-" { // refused by checkFlags
		return nil
	}
	if o.params.NoPassword {
		return errors.New("-password-file and -no-password: one of them")
	}
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return fmt.Errorf("-password-file: %w", err)
		}
		defer f.Close()
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPasswordFile))
	if err != nil {
		return fmt.Errorf("-password-file: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(string(data), "\ufeff"), "\n") // some editors begin a file with the mark
	o.params.Password = ras.Secret(strings.TrimSuffix(line, "\r"))
	if o.params.Password == "" {
		return fmt.Errorf("-password-file: the first line of %s is empty", name)
	}
	return nil
}

func (o *options) setLang() error {
	switch {
	case o.lang != "":
		if !slices.Contains(scriptfile.Languages(), o.lang) {
			return fmt.Errorf("-lang %q: use scp, switchinf, chat, runscript or dll", o.lang)
		}
	case o.script != "":
		if o.lang = scriptfile.LanguageOf(o.script); o.lang == "" {
			return fmt.Errorf("-script %s: no script language has the ending %q: add -lang scp, switchinf, chat, runscript or dll", o.script, filepath.Ext(o.script))
		}
	}
	return nil
}

// checkFlags finds flags that do not go together.
func (o *options) checkFlags(f *flag.FlagSet, passwordOnLine bool) error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	book := o.phonebook != ""
	refuse(len(o.names) > 0 && !book, "unexpected argument %q: an entry needs -phonebook FILE, and every other value its flag", strings.Join(o.names, " "))
	refuse((o.check || o.list) && o.script == "" && !book, "-check and -list need -script FILE or -phonebook FILE")
	refuse(!book && (o.listEntries || len(o.maps) > 0 || len(o.scriptDirs) > 0 || o.location != "" || o.phone != ""),
		"-list-entries, -map, -script-dir, -location and -phone need -phonebook FILE")
	refuse(o.document != "" && documents[o.document] == nil, "-document %q: use bash, zsh or man", o.document)
	refuse(o.exec != "" && o.interact, "-exec and -interact: one of them")
	refuse(o.persist && o.exec == "" && !o.interact, "-persist needs -exec or -interact: without them a connection is closed when it is made")
	refuse(o.persist && o.port == "-", "-persist: standard input cannot be opened again")
	if o.exec != "" && !o.shell {
		list, why := words.Shell(o.exec)
		refuse(why != "", "-exec: only a shell understands %s: add -shell", why)
		refuse(why == "" && len(list) == 0, "-exec names no command")
		if why == "" && len(list) > 0 { // before anything is dialled
			_, err := exec.LookPath(list[0])
			refuse(err != nil, "-exec: %w", err)
		}
	}
	refuse(o.list && o.lang != "switchinf", "-list names the sections of an .inf file: give one with -script")
	refuse(o.section != "" && o.lang != "switchinf", "-section goes with an .inf file")
	refuse(o.lang == "switchinf" && o.section == "" && !o.check && !o.list, "an .inf file needs -section NAME; -list names them")
	refuse(o.terminal && o.script == "" && !book, "-terminal gives a script the user's terminal: add -script FILE or -phonebook FILE")
	refuse(passwordOnLine, "-password-file -: standard input is the line with -port -")
	refuse(o.redial < 0, "-redial %d: use 0 or more", o.redial)
	refuse(o.redial > 0 && len(o.numbers) == 0 && !book, "-redial needs -dial NUMBER")
	refuse(o.answer && len(o.numbers) > 0, "-answer and -dial: one of them")
	refuse(o.rings < 1, "-rings %d: use 1 or more", o.rings)
	refuse(len(o.init) > 0 && len(o.numbers) == 0 && !o.answer && !book, "-init needs -dial NUMBER or -answer")
	refuse(o.timeout < 0, "-timeout %v: use 0 for no limit", o.timeout)
	refuse(o.logFormat != "" && o.logFormat != "text" && o.logFormat != "json", "-log %q: use text or json", o.logFormat)
	for _, number := range o.numbers {
		refuse(modem.CheckDial(number) != nil, "-dial: %w", modem.CheckDial(number))
	}
	for _, command := range o.init {
		_, err := modem.CheckCommand(command)
		refuse(err != nil, "-init: %w", err)
	}
	errs = append(errs, o.params.Validate())
	return errors.Join(errs...)
}
