package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/examples/internal/console"
	"github.com/rasline/rasline/internal/flagdoc"
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
	hangup    []modem.Method // nil: as the entry has it
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

	passwordFile string

	document string // -document
	program  *flagdoc.Program
}

const defaultTimeout = 5 * time.Minute

// flags returns the flags, which set the fields of o.
func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("rasdial", flag.ContinueOnError)
	f.StringVar(&o.port, "port", "", "`port`: /dev/ttyUSB0, COM3, usb:0403:6001, tcp://host:port, unix:/path, telnet://host:port, rfc2217://host:port, rfc2217+tls://host:port, replay:file, or - (default a built-in modem)")
	f.Func("mode", "bit rate, format and flow control: a `mode` such as 115200,8N1,rtscts", func(s string) (err error) {
		o.mode, err = port.ParseMode(s)
		return err
	})
	f.Var((*flagdoc.Texts)(&o.numbers), "dial", "`number` to dial through an AT modem (repeatable)")
	f.Var((*flagdoc.Texts)(&o.init), "init", "modem `command` before dialling (repeatable)")
	f.IntVar(&o.redial, "redial", 0, "further attempts after a failed one")
	f.BoolVar(&o.answer, "answer", false, "wait for a call instead of dialling")
	f.IntVar(&o.rings, "rings", 1, "with -answer: answer at this `ring`; callers are known from the second on")
	f.Func("hangup", "`how` to hang up at the end: dtr, ath, both or none", func(s string) (err error) {
		o.hangup, err = modem.ParseMethods(s)
		return err
	})
	f.StringVar(&o.script, "script", "", "script `file`: .scp, .inf, .chat, .runscript, .dll")
	f.StringVar(&o.section, "section", "", "section of an .inf file")
	f.StringVar(&o.lang, "lang", "", "language of the script: scp, switchinf, chat, runscript or dll (default by the file's name)")
	f.BoolVar(&o.list, "list", false, "name the sections of an .inf file and stop")
	f.BoolVar(&o.listPorts, "list-ports", false, "list the serial ports of this machine and stop")
	f.BoolVar(&o.check, "check", false, "check the script and stop")
	f.StringVar(&o.params.UserName, "user", "", "user name")
	f.StringVar(&o.passwordFile, "password-file", "", "`file` whose first line is the password, - for standard input")
	f.BoolVar(&o.params.NoPassword, "no-password", false, "there is no password")
	f.StringVar(&o.params.Domain, "domain", "", "domain")
	f.StringVar(&o.phonebook, "phonebook", "", "phone book: wvdial.conf, rasphone.pbk, or a peers `file` of pppd, whose name alone is looked up in /etc/ppp/peers")
	f.Var((*flagdoc.Texts)(&o.names), "entry", "`name` of the entry; the same as ENTRY")
	f.BoolVar(&o.listEntries, "list-entries", false, "list the entries of the phone book and stop")
	f.Var((*flagdoc.Pairs)(&o.maps), "map", "port of this machine for one of the phone book: `COM3=/dev/ttyUSB0` (repeatable)")
	f.Var((*flagdoc.Texts)(&o.scriptDirs), "script-dir", "`directory` with the scripts of the phone book, besides its own (repeatable)")
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
	return f
}

// parseOptions reads the flags. What is wrong with them is written to stderr.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	o.program = &flagdoc.Program{
		Name:     "rasdial",
		Summary:  "dial a modem, log in and hand the line over",
		Synopsis: "[flags] [ENTRY]",
		Usage:    usage,
		About:    about,
		Flags:    o.flags(),
		// -port "$PORT" with a variable that is not set would dial the built-in modem.
		MayBeEmpty: []string{"user", "domain"},
		Log:        "log",
		Values: map[string][]string{
			"log": {"text", "json"}, "hangup": {"dtr", "ath", "both", "none"}, "document": flagdoc.Documents, "lang": scriptfile.Languages(),
		},
	}
	names, err := o.program.Parse(args, stderr)
	if err != nil {
		return nil, err
	}
	o.names = append(o.names, names...)
	if o.lang == "" {
		o.lang = scriptfile.LanguageOf(o.script)
	}
	err = o.conflicts()
	if err == nil && o.passwordFile != "" {
		if o.params.Password, err = console.PasswordFile(o.passwordFile); err != nil {
			err = fmt.Errorf("-password-file: %w", err)
		}
	}
	if err == nil {
		err = o.params.Validate()
	}
	if err != nil {
		o.program.Refuse(stderr, exitUsage, err)
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

const about = `With no flags rasdial dials a modem and a login server that are built in, and shows what happens.
With a port it dials for real, with a script, with an entry of a phone book, or with a login that finds its way.

The exit status is 0 if the script succeeded, and the command of -exec; 1 if the script, the line or the command failed;
2 for flags, a script, a phone book or an entry that cannot be used; 3 if the port cannot be opened.`

// conflicts finds flags that do not go together.
func (o *options) conflicts() error {
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
	refuse(o.document != "" && !slices.Contains(flagdoc.Documents, o.document), "-document %q: use bash, zsh or man", o.document)
	refuse(o.exec != "" && o.interact, "-exec and -interact: one of them")
	refuse(o.persist && o.exec == "" && !o.interact, "-persist needs -exec or -interact: without them a connection is closed when it is made")
	refuse(o.persist && o.port == "-", "-persist: standard input cannot be opened again")
	if o.exec != "" { // before anything is dialled
		_, err := words.Command(o.exec, o.shell)
		refuse(err != nil, "-exec: %w", err)
	}
	refuse(o.mode != (port.Mode{}) && (strings.HasPrefix(o.port, "tcp://") || strings.HasPrefix(o.port, "telnet://")),
		"-mode: a raw TCP or Telnet port has no mode; use rfc2217://, or set it on the server")
	languages := strings.Join(scriptfile.Languages(), ", ")
	refuse(o.lang != "" && !slices.Contains(scriptfile.Languages(), o.lang), "-lang %q: use one of %s", o.lang, languages)
	refuse(o.script != "" && o.lang == "", "-script %s: no script language has the ending %q: add -lang with one of %s", o.script, filepath.Ext(o.script), languages)
	refuse(o.list && o.lang != "switchinf", "-list names the sections of an .inf file: give one with -script")
	refuse(o.section != "" && o.lang != "switchinf", "-section goes with an .inf file")
	refuse(o.lang == "switchinf" && o.section == "" && !o.check && !o.list, "an .inf file needs -section NAME; -list names them")
	refuse(o.terminal && o.script == "" && !book, "-terminal gives a script the user's terminal: add -script FILE or -phonebook FILE")
	refuse(o.passwordFile != "" && o.params.NoPassword, "-password-file and -no-password: one of them")
	refuse(o.passwordFile == "-" && o.port == "-", "-password-file -: standard input is the line with -port -")
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
	return errors.Join(errs...)
}
