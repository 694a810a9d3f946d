package script

import (
	"fmt"
	"regexp"

	"github.com/rasline/rasline/internal/match"
)

// Pattern is a text for which a wait searches: a Text, a Fold or a Regexp.
type Pattern interface {
	// String returns the pattern as messages show it.
	String() string

	// shown is String with secrets masked.
	shown(mask func([]byte) []byte) string

	compiled() match.Pattern
}

// Text is a pattern that matches these bytes exactly. The empty Text matches
// immediately and consumes nothing.
type Text string

// String returns the text in quotes.
func (t Text) String() string { return fmt.Sprintf("%q", string(t)) }

func (t Text) shown(mask func([]byte) []byte) string { return Text(mask([]byte(t))).String() }

func (t Text) compiled() match.Pattern { return match.Pattern{Text: string(t)} }

// Fold is a pattern that matches these bytes whatever the case of the ASCII
// letters.
type Fold string

// String returns the text in quotes.
func (f Fold) String() string { return fmt.Sprintf("%q", string(f)) }

func (f Fold) shown(mask func([]byte) []byte) string { return Fold(mask([]byte(f))).String() }

func (f Fold) compiled() match.Pattern { return match.Pattern{Text: string(f), Fold: true} }

// Regexp returns a pattern that matches a regular expression. On a stream it
// has matched at the first byte at which any match ends, so that \d+ is
// satisfied with one digit: write what must follow, as in (\d+)\r. The match
// begins at the leftmost place possible. ^ and \A match the start of the
// wait. What depends on a byte that has not arrived yet ($, \z, \b, \B) is refused
// by the wait with an error.
//
// Input is read as UTF-8; a byte that is no UTF-8 is the character U+FFFD.
func Regexp(re *regexp.Regexp) Pattern { return expression{re} }

type expression struct{ re *regexp.Regexp }

func (e expression) String() string { return "/" + e.re.String() + "/" }

func (e expression) shown(mask func([]byte) []byte) string { return string(mask([]byte(e.String()))) }

func (e expression) compiled() match.Pattern { return match.Pattern{Re: e.re} }
