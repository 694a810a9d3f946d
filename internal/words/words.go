// Package words cuts command lines into words, reads options among them and finds
// what a mistyped one was meant to be.
package words

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Options reads options as getopt(3) does: letters may be bundled after a dash, and
// the value of those in valued follows the letter directly or is the next argument.
// It calls set for each option, with given false for one whose value is missing, and
// returns the arguments after the options, or the error of set.
func Options(args []string, valued string, set func(letter byte, value string, given bool) error) ([]string, error) {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		letters := args[0][1:]
		args = args[1:]
		if letters == "-" {
			break
		}
		for len(letters) > 0 {
			letter, value, given := letters[0], "", true
			letters = letters[1:]
			if strings.IndexByte(valued, letter) >= 0 {
				value, letters = letters, ""
				if given = value != "" || len(args) > 0; value == "" && given {
					value, args = args[0], args[1:]
				}
			}
			if err := set(letter, value, given); err != nil {
				return nil, err
			}
		}
	}
	return args, nil
}

// Shell cuts a command as a shell cuts a simple one. Why is what the command has
// that only a shell understands, such as "|"; empty if there is nothing.
func Shell(s string) (words []string, why string) {
	var text strings.Builder
	open := false
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'':
			if c == quote {
				quote = 0
			} else {
				text.WriteByte(c)
			}
		case c == '\\' && i+1 < len(s) && (quote == 0 || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0):
			i++
			if s[i] != '\n' {
				open = true
				text.WriteByte(s[i])
			}
		case c == '$' || c == '`':
			return nil, fmt.Sprintf("%c", c)
		case quote == '"':
			if c == quote {
				quote = 0
			} else {
				text.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, open = c, true
		case strings.IndexByte(";|&<>()", c) >= 0:
			return nil, fmt.Sprintf("%c", c)
		case strings.IndexByte("*?[", c) >= 0, c == '~' && !open:
			return nil, fmt.Sprintf("%c", c)
		case c == '#' && !open:
			i = len(s)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if c == '\n' && (open || len(words) > 0) && strings.TrimSpace(s[i:]) != "" {
				return nil, "a second line"
			}
			if open {
				words = append(words, text.String())
			}
			open = false
			text.Reset()
		default:
			open = true
			text.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Sprintf("an open quote %c", quote)
	}
	if open {
		words = append(words, text.String())
	}
	if len(words) > 0 && strings.Contains(words[0], "=") {
		return nil, "an assignment"
	}
	return words, ""
}

// Command returns a command that runs the words of s, which Shell cuts, or with
// shell a shell that runs s. The error is an *exec.Error if there is no such program,
// or none that may be run.
func Command(s string, shell bool) (*exec.Cmd, error) {
	if shell {
		return exec.Command("/bin/sh", "-c", s), nil
	}
	words, why := Shell(s)
	switch {
	case why != "":
		return nil, fmt.Errorf("only a shell understands %s: add -shell", why)
	case len(words) == 0:
		return nil, errors.New("it names no command")
	}
	// exec.Command looks up names alone, and a path fails when it is started.
	if _, err := exec.LookPath(words[0]); err != nil {
		return nil, err
	}
	return exec.Command(words[0], words[1:]...), nil
}

// Nearest returns the known word that s was most likely meant to be, or "". Letter
// case does not count.
func Nearest(s string, known []string) string {
	best, least := "", min(3, len(s))
	for _, k := range known {
		if d := Distance(strings.ToLower(s), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// Distance is the number of bytes to insert, delete or replace that makes a of b.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
