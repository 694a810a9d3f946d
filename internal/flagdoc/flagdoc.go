// Package flagdoc parses the flags of a program, and writes its shell completions
// and its manual page from them, so that the three cannot differ.
package flagdoc

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// Program describes a program.
type Program struct {
	Name     string
	Summary  string // "dial a modem and log in"
	Synopsis string // "[flags] [ENTRY]"
	About    string // paragraphs, separated by empty lines
	Usage    string // what -h shows before the flags
	Flags    *flag.FlagSet

	// Values are what a flag accepts, by its name: "text", "json". A flag without
	// some accepts a file name.
	Values map[string][]string

	// MayBeEmpty are the flags that accept an empty value. Of any other it is refused:
	// most often it is a variable of a shell that is not set.
	MayBeEmpty []string

	// Log is the flag whose value "json" requests records of package log/slog instead
	// of lines about what is wrong; "" for none.
	Log string

	records bool // as Log has it in the arguments
}

// takesValue reports whether a flag is no switch.
func takesValue(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

// Documents are what Write writes.
var Documents = []string{"bash", "zsh", "man"}

// Write writes one of Documents.
func (p *Program) Write(w io.Writer, document string) error {
	switch document {
	case "bash":
		return p.Bash(w)
	case "zsh":
		return p.Zsh(w)
	case "man":
		return p.Man(w, time.Now())
	}
	return fmt.Errorf("there is no document %q: use %s", document, strings.Join(Documents, ", "))
}

// Bash writes a completion for bash.
func (p *Program) Bash(w io.Writer) error {
	var names []string
	cases := ""
	p.Flags.VisitAll(func(f *flag.Flag) {
		names = append(names, "-"+f.Name)
		if values := p.Values[f.Name]; len(values) > 0 {
			cases += fmt.Sprintf("\t-%s) COMPREPLY=($(compgen -W %q -- \"$word\")); return ;;\n", f.Name, strings.Join(values, " "))
		}
	})
	_, err := fmt.Fprintf(w, `# bash completion for %[1]s
_%[1]s() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	case $before in
%[2]s	esac
	case $word in
	-*) COMPREPLY=($(compgen -W "%[3]s" -- "$word")) ;;
	*) COMPREPLY=($(compgen -f -- "$word")) ;;
	esac
}
complete -o filenames -F _%[1]s %[1]s
`, p.Name, cases, strings.Join(names, " "))
	return err
}

// Zsh writes a completion for zsh.
func (p *Program) Zsh(w io.Writer) error {
	out := fmt.Sprintf("#compdef %s\n\n_arguments", p.Name)
	escape := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`, "'", `'\''`)
	p.Flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		spec := fmt.Sprintf("-%s[%s]", f.Name, escape.Replace(usage))
		if takesValue(f) {
			action := "_files"
			if values := p.Values[f.Name]; len(values) > 0 {
				action = "(" + strings.Join(values, " ") + ")"
			}
			spec = fmt.Sprintf("*%s:%s:%s", spec, escape.Replace(value), action)
		}
		out += " \\\n\t'" + spec + "'"
	})
	_, err := io.WriteString(w, out+" \\\n\t'*:entry:'\n")
	return err
}

// Man writes a manual page in the format of man(7).
func (p *Program) Man(w io.Writer, date time.Time) error {
	escape := strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`)
	line := func(s string) string {
		s = escape.Replace(s)
		if strings.HasPrefix(s, ".") {
			s = `\&` + s
		}
		return s
	}
	out := fmt.Sprintf(".TH %s 1 %s\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n%s\n.SH DESCRIPTION\n",
		strings.ToUpper(p.Name), date.Format(time.DateOnly), p.Name, line(p.Summary), p.Name, line(p.Synopsis))
	for i, paragraph := range strings.Split(strings.TrimSpace(p.About), "\n\n") {
		if i > 0 {
			out += ".PP\n"
		}
		for text := range strings.Lines(paragraph) {
			out += line(strings.TrimSpace(text)) + "\n"
		}
	}
	out += ".SH OPTIONS\n"
	p.Flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if !takesValue(f) {
			value = ""
		}
		out += fmt.Sprintf(".TP\n.BI \\-%s \" %s\"\n%s\n", line(f.Name), line(value), line(usage))
	})
	_, err := io.WriteString(w, out)
	return err
}
