// Rasdll is rasline.dll: a custom-scripting DLL for Windows RAS that runs dial
// scripts in three languages, with no code to write.
//
// When RAS dials an entry, the DLL runs the first of these files that it finds:
//
//	ENTRY.scp    Microsoft's Dial-Up Scripting Command Language
//	ENTRY.chat   a script of chat(8); \T is the user name, \U the password
//	ENTRY.inf    SWITCH.INF, in the section ENTRY, or in its only section
//
// ENTRY is the name of the phone-book entry. The files are in the directory that
// the registry value ScriptDirectory names, if there is one, and else beside the
// DLL.
//
// Built as a program, it makes an entry use the script:
//
//	rasdll entry [-phonebook FILE] [-on | -off] ENTRY
//
// README.md describes how to build, install, update and remove it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dllexport"
)

var log = slog.New(slog.DiscardHandler)

func init() {
	if dllexport.Path() == "" {
		return // this is a program
	}
	path, debug, events := systemLogs()
	log = newLog(&logFile{path: path}, debug, events)
	dllexport.Register(script.ExecutorFunc(execute), &dllexport.Config{Log: log, OnResult: func(r dllexport.Result) {
		// Errors and losses have been logged by then.
		log.Info("the script has ended", "entry", r.Entry, "code", uint32(r.Code), "lost", r.Lost, "leaked", r.Leaked)
	}})
}

// execute runs the script of the entry that is dialled.
func execute(ctx context.Context, call *ras.Call) error {
	e, err := load(scriptDirs(), call.Entry, log)
	if err != nil {
		return err
	}
	return e.Execute(ctx, call)
}

// scriptDirs returns the directories to search, in order.
func scriptDirs() []string {
	var dirs []string
	if dir := scriptDirectory(); dir != "" {
		dirs = append(dirs, dir)
	}
	if path := dllexport.Path(); path != "" {
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

// main is that of the program; a DLL never runs it.
func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs the program and returns its exit status: 1 if Windows refuses, 2 for
// arguments that cannot be used.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("rasdll", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: rasdll entry [-phonebook FILE] [-on | -off] ENTRY")
		fmt.Fprintln(stderr, "shows whether the phone-book entry uses rasline.dll, or sets it")
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "rasline.dll itself is built with: go build -buildmode=c-shared -o rasline.dll")
	}
	phonebook := flags.String("phonebook", "", "phone book `FILE` (default: that of all users)")
	on := flags.Bool("on", false, "ask for the script (RASEO_CustomScript)")
	off := flags.Bool("off", false, "do not ask for it")
	if len(args) == 0 || args[0] != "entry" {
		flags.Usage()
		return 2
	}
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() != 1 || *on && *off:
		flags.Usage()
		return 2
	}
	var set *bool
	if *on || *off {
		set = on
	}
	asks, err := entryScript(*phonebook, flags.Arg(0), set)
	if err != nil {
		fmt.Fprintln(stderr, "rasdll:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s: %s\n", flags.Arg(0), map[bool]string{true: "asks for the script", false: "does not ask for the script"}[asks])
	return 0
}
