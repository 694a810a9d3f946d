package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/chat"
)

// options is what the command line specifies.
type options struct {
	chat    chat.Config
	file    string   // of the script; empty if it is in the arguments
	words   []string // of the script
	verbose bool     // -v
	stderr  bool     // -s
	silent  bool     // -S
	env     bool     // -E

	reportName string
	reportFile *os.File // nil if there is none or it cannot be written
}

var errUsage = errors.New("bad usage")

const usage = `Usage: %s [-e] [-E] [-v] [-V] [-t timeout] [-r report-file]
     [-T phone-number] [-U phone-number2] {-f chat-file | chat-script}
`

// parseOptions reads the arguments. Letters may be bundled, and a value may
// follow its letter directly or as the next argument.
func parseOptions(args []string) (*options, error) {
	o := new(options)
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		letters := args[0][1:]
		args = args[1:]
		if letters == "-" {
			break
		}
		var err error
		if args, err = o.bundle(letters, args); err != nil {
			return o, err
		}
	}
	o.words = args
	if o.file != "" && len(o.words) > 0 {
		return o, errUsage
	}
	return o, nil
}

// bundle reads the letters of one argument and returns those that follow it,
// less what the letters take as value.
func (o *options) bundle(letters string, rest []string) ([]string, error) {
	for len(letters) > 0 {
		letter := letters[0]
		letters = letters[1:]
		if o.flag(letter) {
			continue
		}
		if !strings.ContainsRune("ftrTU", rune(letter)) {
			return nil, errUsage
		}
		value := letters
		if value == "" && len(rest) > 0 {
			value, rest = rest[0], rest[1:]
		} else if value == "" && letter == 'r' {
			return rest, nil // as if it was not there
		} else if value == "" {
			return nil, errUsage
		}
		o.set(letter, value)
		return rest, nil
	}
	return rest, nil
}

// flag sets an option that has no value, and reports whether letter is one.
func (o *options) flag(letter byte) bool {
	switch letter {
	case 'e':
		o.chat.Echo = true
	case 'E':
		o.env = true
	case 'v':
		o.verbose = true
	case 'V':
		o.chat.Copy = true
	case 's':
		o.stderr = true
	case 'S':
		o.silent = true
	default:
		return false
	}
	return true
}

// set sets an option that has a value.
func (o *options) set(letter byte, value string) {
	switch letter {
	case 'f':
		o.file = value
	case 't':
		o.chat.Timeout = timeout(value)
	case 'r':
		o.openReport(value)
	case 'T':
		o.chat.T = &value
	case 'U':
		o.chat.U = (*ras.Secret)(&value)
	}
}

// timeout reads the number of seconds that s begins with. Nothing, and what is
// not above 0, is no limit.
func timeout(s string) time.Duration {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 32)
	if err != nil || n == 0 {
		return -1
	}
	return time.Duration(n) * time.Second
}

// openReport opens the report file. If that fails, reports go to the standard
// error.
func (o *options) openReport(name string) {
	o.reportName = name
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return
	}
	o.reportFile = f
	if o.verbose {
		fmt.Fprintf(f, "Opening \"%s\"...\n", name)
	}
}

// closeReport ends the report file.
func (o *options) closeReport(stderr io.Writer) {
	if o.reportName == "" {
		return
	}
	w := stderr
	if o.reportFile != nil {
		w = o.reportFile
		defer o.reportFile.Close()
	}
	if o.verbose {
		fmt.Fprintf(w, "Closing \"%s\".\n", o.reportName)
	}
}
