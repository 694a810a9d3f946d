package main

import (
	"fmt"
	"io"
	"time"

	"github.com/rasline/rasline/internal/flagdoc"
)

// documents are the values of -document.
var documents = map[string]func(*flagdoc.Program, io.Writer) error{
	"bash": (*flagdoc.Program).Bash,
	"zsh":  (*flagdoc.Program).Zsh,
	"man":  func(p *flagdoc.Program, w io.Writer) error { return p.Man(w, time.Now()) },
}

// writeDocument writes a completion or the manual page.
func (o *options) writeDocument(std streams) int {
	p := &flagdoc.Program{
		Name:     "rasdial",
		Summary:  "dial a modem, log in and hand the line over",
		Synopsis: "[flags] [ENTRY]",
		About:    about,
		Flags:    o.flags,
		Values: map[string][]string{
			"log": {"text", "json"}, "hangup": {"dtr", "ath", "both", "none"}, "document": {"bash", "zsh", "man"},
			"lang": {"scp", "switchinf", "chat", "runscript", "dll"},
		},
	}
	if err := documents[o.document](p, std.out); err != nil {
		fmt.Fprintln(std.err, "rasdial:", err)
		return exitFailed
	}
	return exitOK
}

const about = `With no flags rasdial dials a modem and a login server that are built in, and shows what happens.
With a port it dials for real, with a script, with an entry of a phone book, or with a login that finds its way.

The exit status is 0 if the script succeeded, and the command of -exec; 1 if the script, the line or the command failed;
2 for flags, a script, a phone book or an entry that cannot be used; 3 if the port cannot be opened.`
