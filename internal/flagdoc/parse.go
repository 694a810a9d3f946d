package flagdoc

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/words"
)

// Misuse is the exit status of a program whose flags cannot be used.
const Misuse = 2

// Parse reads the flags in args, which may be before, after and between the other
// arguments. It returns those. What is wrong with the flags is shown by Refuse,
// and -h is Usage and all flags; the error is flag.ErrHelp then.
func (p *Program) Parse(args []string, stderr io.Writer) (others []string, err error) {
	p.Flags.SetOutput(io.Discard) // package flag prints all flags after each error
	p.Flags.Usage = func() {}
	p.records = p.wantsRecords(args)
	for {
		err := p.Flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			io.WriteString(stderr, p.Usage)
			p.Flags.SetOutput(stderr)
			p.Flags.PrintDefaults()
			return nil, err
		}
		if err != nil {
			p.Refuse(stderr, Misuse, fmt.Errorf("%w; -h lists the flags", p.explain(err)))
			return nil, err
		}
		if args = p.Flags.Args(); len(args) == 0 {
			break
		}
		others, args = append(others, args[0]), args[1:]
	}
	var empty []error
	p.Flags.Visit(func(f *flag.Flag) {
		none := false
		switch v := f.Value.(type) {
		case *Texts:
			none = slices.Contains(*v, "")
		case flag.Getter:
			none = v.Get() == ""
		}
		if none && !slices.Contains(p.MayBeEmpty, f.Name) {
			empty = append(empty, fmt.Errorf("-%s: the value is empty", f.Name))
		}
	})
	if err := errors.Join(empty...); err != nil {
		p.Refuse(stderr, Misuse, err)
		return nil, err
	}
	return others, nil
}

// wantsRecords looks for the flag Log in args, which may have an error before it.
func (p *Program) wantsRecords(args []string) bool {
	for i, arg := range args {
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		if strings.HasPrefix(arg, "-") && name == p.Log && name != "" && value == "json" {
			return true
		}
	}
	return false
}

// explain adds to an error of package flag what to write instead: the nearest name
// for a flag that does not exist, and the form of a value that cannot be read.
func (p *Program) explain(err error) error {
	if _, name, unknown := strings.Cut(err.Error(), "not defined: -"); unknown {
		var known []string
		p.Flags.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
		if nearest := words.Nearest(name, known); nearest != "" {
			return fmt.Errorf("there is no flag -%s: use -%s", name, nearest)
		}
		return fmt.Errorf("there is no flag -%s", name)
	}
	wrong, unread := strings.CutSuffix(err.Error(), ": parse error")
	if !unread {
		return err
	}
	form := "true or false"
	switch f := p.Flags.Lookup(wrong[strings.LastIndex(wrong, " -")+2:]); f.Value.(flag.Getter).Get().(type) {
	case time.Duration:
		form = "a number with its unit, such as 5s or 2m"
	case int:
		form = "a whole number"
	}
	return fmt.Errorf("%s: write %s", wrong, form)
}

// Refuse shows the lines of an error, each with the name of the program, or records
// of them with the exit status.
func (p *Program) Refuse(stderr io.Writer, status int, err error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSuffix(line, "\n")
		if p.records {
			slog.New(slog.NewJSONHandler(stderr, nil)).Error(p.Name, "status", status, "error", line)
			continue
		}
		fmt.Fprintf(stderr, "%s: %s\n", p.Name, line)
	}
}

// Texts is a flag.Value that collects what a flag is given each time.
type Texts []string

// String returns the texts with spaces between them.
func (t *Texts) String() string { return strings.Join(*t, " ") }

// Set adds a text.
func (t *Texts) Set(s string) error { *t = append(*t, s); return nil }

// Pairs is a flag.Value that collects the pairs KEY=VALUE that a flag is given.
type Pairs map[string]string

// String returns "".
func (p *Pairs) String() string { return "" }

// Set adds a pair.
func (p *Pairs) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" || value == "" {
		return errors.New("write KEY=VALUE")
	}
	if *p == nil {
		*p = make(Pairs)
	}
	(*p)[key] = value
	return nil
}
