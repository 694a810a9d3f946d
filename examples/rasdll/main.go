// Rasdll is rasline.dll: a custom-scripting DLL for Windows RAS that runs dial
// scripts in three languages, with no code to write.
//
// When RAS dials an entry, the DLL runs the first of these files that it finds:
//
//	ENTRY.scp    Microsoft's Dial-Up Scripting Command Language
//	ENTRY.chat   a script of chat(8); \T is the user name, \U the password
//	ENTRY.inf    SWITCH.INF, in the section ENTRY, or in its only section
//
// ENTRY is the name of the phone-book entry. The files lie in the folder that
// the registry value ScriptDirectory names, if there is one, and else beside the
// DLL. README.md says how to build and to install it.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dllexport"
)

// log goes to the debug output of Windows, which DebugView shows.
var log = slog.New(slog.NewTextHandler(debugOutput{}, nil))

func init() {
	if err := dllexport.Register(script.ExecutorFunc(execute), &dllexport.Config{Log: log}); err != nil {
		registerErr = err
	}
}

// registerErr is why this is no DLL.
var registerErr error

// execute runs the script of the entry that is dialled.
func execute(ctx context.Context, call *ras.Call) error {
	e, err := load(scriptDirs(), call.Entry, log)
	if err != nil {
		return err
	}
	return e.Execute(ctx, call)
}

// scriptDirs returns the folders to look in, the first first.
func scriptDirs() []string {
	var dirs []string
	if dir := registryDir(); dir != "" {
		dirs = append(dirs, dir)
	}
	if path := dllexport.Path(); path != "" {
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

// main runs only where this was built as a program.
func main() {
	fmt.Fprintln(os.Stderr, "rasdll: build this as a DLL for Windows: go build -buildmode=c-shared -o rasline.dll")
	if registerErr != nil {
		fmt.Fprintln(os.Stderr, registerErr)
	}
	os.Exit(1)
}
