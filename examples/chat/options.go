package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/words"
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

// parseOptions reads the arguments.
func parseOptions(args []string) (o *options, err error) {
	o = new(options)
	flags := map[byte]*bool{'e': &o.chat.Echo, 'E': &o.env, 'v': &o.verbose, 'V': &o.chat.Copy, 's': &o.stderr, 'S': &o.silent}
	const valued = "ftrTU"
	o.words, err = words.Options(args, valued, func(letter byte, value string, given bool) error {
		switch on := flags[letter]; {
		case on != nil:
			*on = true
		case strings.IndexByte(valued, letter) < 0:
			return errUsage
		case given:
			o.set(letter, value)
		case letter != 'r': // which is as if it was not there
			return errUsage
		}
		return nil
	})
	if err == nil && o.file != "" && len(o.words) > 0 {
		err = errUsage
	}
	return o, err
}

// set sets an option that has a value.
func (o *options) set(letter byte, value string) {
	switch letter {
	case 'f':
		o.file = value
	case 't':
		o.chat.Timeout = timeout(value)
	case 'r':
		// If the file cannot be opened, reports are written to the standard
		// error.
		o.reportName = value
		f, err := os.OpenFile(value, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return
		}
		o.reportFile = f
		if o.verbose {
			fmt.Fprintf(f, "Opening \"%s\"...\n", value)
		}
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
