package console

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
)

// Failure shows the error with which a program ends. ran is whether a script has
// run or a line was used: the last line has the RAS code then. A log that is not nil
// gets a record instead.
func (s *Screen) Failure(log *slog.Logger, name string, status int, ran bool, err error) {
	code := ras.CodeOf(err)
	text := strings.ReplaceAll(Cause(err).Error(), fmt.Sprintf("error %d %s: ", uint32(code), code.Name()), "")
	if log != nil {
		log.Error(name, "status", status, "code", uint32(code), "name", code.Name(), "error", OneLine(text))
		return
	}
	if !ran {
		for line := range strings.Lines(text) {
			s.Printf("%s: %s\n", name, strings.TrimSuffix(line, "\n"))
		}
		return
	}
	if errors.As(err, new(*script.RunError)) { // it names the line of the script, which is worth one of its own
		s.Printf("%s: %s\n", name, OneLine(text))
		text = code.Text()
		if code == ras.ErrScriptSyntax { // the script has parsed
			text = "the script failed while it ran"
		}
	}
	s.Printf("%s: error %d %s: %s\n", name, uint32(code), code.Name(), OneLine(text))
}

// Cause returns what is below the errors of package dialup: what was done shows
// above.
func Cause(err error) error {
	for {
		e, ok := err.(*dialup.Error)
		if !ok {
			return err
		}
		err = e.Err
	}
}

// OneLine joins the parts of a joined error.
func OneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
