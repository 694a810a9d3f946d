package modem

import (
	"fmt"
	"strings"

	"github.com/rasline/rasline/ras"
)

// commandLimit is the longest command line that is sent, AT included. V.250
// asks modems for 40 characters; those that dial have room for this.
const commandLimit = 255

// InputError reports that a phone number or a command must not be sent. Its text
// names the place and not the whole, since commands can hold a PIN.
type InputError struct {
	What string   // "phone number" or "command"
	Pos  int      // the place of the offending character, from 1 on; 0: no single one
	Why  string   // what is wrong and what to do
	Code ras.Code // ErrBadPhoneNumber, ErrPhoneNumberTooLong, ErrInvalidParameter or ErrCmdTooLong
}

// Error returns "WHAT, character POS: WHY".
func (e *InputError) Error() string {
	if e.Pos == 0 {
		return e.What + ": " + e.Why
	}
	return fmt.Sprintf("%s, character %d: %s", e.What, e.Pos, e.Why)
}

// Unwrap returns the Code.
func (e *InputError) Unwrap() error { return e.Code }

// CheckNumber checks a phone number and returns it as it is dialled, in upper
// case and without the blanks, hyphens, dots, slashes and parentheses that people
// write.
//
// A number has digits, which are 0 to 9, *, # and A to D, a + in front of them
// if at all, and the dial modifiers of V.250: a comma (pause), T and P (tone
// and pulse dialling), W (wait for dial tone), @ (wait for silence), ! (hook
// flash), $ (wait for the tone of a calling card) and & (wait for a prompt).
// Everything else is refused, above all the semicolon, S= and control
// characters, with which a phone book could give the modem commands of its own.
// The error is an *InputError.
func CheckNumber(number string) (string, error) {
	bad := func(pos int, code ras.Code, why string) (string, error) {
		return "", &InputError{What: "phone number", Pos: pos, Why: why, Code: code}
	}
	if len(number) > ras.MaxPhoneNumber {
		return bad(0, ras.ErrPhoneNumberTooLong, fmt.Sprintf("it has %d characters, at most %d fit", len(number), ras.MaxPhoneNumber))
	}
	var dial []byte
	digits := 0
	for i, c := range []byte(strings.ToUpper(number)) {
		switch {
		case strings.IndexByte(" -.()/", c) >= 0:
			continue
		case strings.IndexByte("0123456789*#ABCD", c) >= 0:
			digits++
		case c == '+' && digits > 0:
			return bad(i+1, ras.ErrBadPhoneNumber, "a + belongs in front of the digits")
		case c == '+':
			digits++
		case strings.IndexByte(",TPW@!$&", c) < 0:
			return bad(i+1, ras.ErrBadPhoneNumber, fmt.Sprintf("%q is no digit and no dial modifier: remove it", c))
		}
		dial = append(dial, c)
	}
	if digits == 0 || digits == 1 && strings.IndexByte(string(dial), '+') >= 0 {
		return bad(0, ras.ErrBadPhoneNumber, "it has no digits: give the number to call")
	}
	return string(dial), nil
}

// CheckAddress checks a host and a port to dial, such as "bbs.example:23" or
// "[2001:db8::1]:23", and returns them as they are dialled. Letters, digits,
// dots, hyphens, underscores, colons, slashes and brackets are allowed. Everything
// else is refused, as CheckNumber does. The error is an *InputError.
func CheckAddress(address string) (string, error) {
	bad := func(pos int, code ras.Code, why string) (string, error) {
		return "", &InputError{What: "address", Pos: pos, Why: why, Code: code}
	}
	address = strings.TrimSpace(address)
	switch {
	case address == "":
		return bad(0, ras.ErrBadPhoneNumber, "it is empty: give the host and the port to call")
	case len(address) > ras.MaxPhoneNumber:
		return bad(0, ras.ErrPhoneNumberTooLong, fmt.Sprintf("it has %d characters, at most %d fit", len(address), ras.MaxPhoneNumber))
	}
	for i := range len(address) {
		if c := address[i]; !isAlphanumeric(c) && strings.IndexByte(".-_:/[]", c) < 0 {
			return bad(i+1, ras.ErrBadPhoneNumber, fmt.Sprintf("%q is no part of a host or a port: remove it", c))
		}
	}
	return address, nil
}

// CheckCommand checks a command line and returns it without the AT in front,
// which may be missing. It accepts one line of V.250 commands that are executed
// in command mode: basic commands (E0, S7=60, &C1, \N3), extended ones
// (+CGDCONT=1,"IP","net") and a semicolon between an extended one and another
// command, of which V.250 has those after it alone; one at the end is removed. A basic command may have its
// value after an equals sign (E=1), which some makers' documents do. It refuses
// what would leave command mode, which is Dial's, Answer's and Online's work
// (D, A, O, A/), control characters and characters beyond ASCII, an open
// quotation mark, and a semicolon anywhere else. The error is an *InputError.
func CheckCommand(command string) (string, error) {
	body := strings.TrimRight(command, "; ")
	if len(body) >= 2 && strings.EqualFold(body[:2], "AT") {
		body = body[2:]
	}
	if len(body)+2 > commandLimit {
		return "", &InputError{What: "command", Code: ras.ErrCmdTooLong,
			Why: fmt.Sprintf("it has %d characters, at most %d fit: use several commands", len(body)+2, commandLimit)}
	}
	before := len(strings.TrimRight(command, "; ")) - len(body)
	bad := func(i int, why string) (string, error) {
		return "", &InputError{What: "command", Pos: before + i + 1, Why: why, Code: ras.ErrInvalidParameter}
	}
	for i := range len(body) {
		if body[i] < ' ' || body[i] > '~' {
			return bad(i, fmt.Sprintf("%q is no printable ASCII character: remove it", body[i]))
		}
	}
	for i := 0; i < len(body); {
		if body[i] == ' ' {
			i++
			continue
		}
		end, why := scanOne(body, i)
		if why != "" {
			return bad(end, why)
		}
		i = end
	}
	return body, nil
}

// The characters that begin commands beyond the letters: those of Hayes, which
// one letter follows (&C1), and those of extended commands, which a name
// follows (+CSQ, #CID=1).
const (
	hayesPrefixes    = `&\%*-)`
	extendedPrefixes = `+#$^_@!`
)

// scanOne scans the command that begins at i and returns where it ends, or
// where it is wrong, and why.
func scanOne(s string, i int) (end int, why string) {
	c := s[i] &^ 0x20
	switch {
	case strings.IndexByte(extendedPrefixes, s[i]) >= 0:
		name := skipName(s, i+1)
		if name == i+1 {
			return i, fmt.Sprintf("%q lacks the name of its command", s[i])
		}
		return scanValue(s, name)
	case strings.IndexByte(hayesPrefixes, s[i]) >= 0:
		return scanHayes(s, i)
	case s[i] == ';' && i > 0 && isAlphanumeric(s[i-1]) && i+1 < len(s) && strings.IndexByte(extendedPrefixes, s[i+1]) >= 0:
		return i + 1, "" // many write it in front of an extended command as well
	case s[i] == ';':
		return i, "a semicolon belongs between an extended command (+X) and another one"
	case !isLetter(s[i]):
		return i, fmt.Sprintf("%q begins no command", s[i])
	case c == 'D' || c == 'A' || c == 'O':
		return i, fmt.Sprintf("%q leaves command mode: use Dial, Answer or Online", s[i])
	case c == 'S':
		end := skipDigits(s, i+1)
		if end < len(s) && s[end] == '=' {
			return skipDigits(s, end+1), ""
		}
		return skipQuery(s, end), ""
	}
	if i+1 < len(s) && s[i+1] == '=' {
		return skipDigits(s, i+2), ""
	}
	return skipQuery(s, skipDigits(s, i+1)), ""
}

// scanHayes scans a prefix with a letter and a number, or, where several
// letters lead to "=" or "?", an extended command of some makers. Other modems
// read that as a row of basic commands, so it must be harmless that way too.
func scanHayes(s string, i int) (end int, why string) {
	name := skipName(s, i+1)
	switch {
	case i+1 == len(s) || !isLetter(s[i+1]):
		return i, fmt.Sprintf("%q lacks its letter", s[i])
	case name > i+2 && isLetter(s[i+2]) && name < len(s) && (s[name] == '=' || s[name] == '?'):
		if j := strings.IndexAny(s[i+2:name], "DdAaOo"); j >= 0 {
			return i + 2 + j, fmt.Sprintf("%q leaves command mode on modems that do not know %s", s[i+2+j], s[i:name])
		}
		end, why := scanValue(s, name)
		if j := strings.IndexAny(s[name:min(end, len(s))], "DdAaOo"); why == "" && j >= 0 {
			return name + j, fmt.Sprintf("%q leaves command mode on modems that do not know %s", s[name+j], s[i:name])
		}
		return end, why
	}
	return skipQuery(s, skipDigits(s, i+2)), ""
}

// scanValue scans the rest of an extended command and the semicolon after it.
func scanValue(s string, i int) (end int, why string) {
	quote := -1
	for ; i < len(s); i++ {
		switch {
		case s[i] == '"' && quote < 0:
			quote = i
		case s[i] == '"':
			quote = -1
		case s[i] == ';' && quote < 0 && strings.TrimSpace(s[i+1:]) == "":
			return i, "no command follows the semicolon: remove it"
		case s[i] == ';' && quote < 0:
			return i + 1, ""
		}
	}
	if quote >= 0 {
		return quote, "the quotation mark is not closed"
	}
	return i, ""
}

func skipDigits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

func skipName(s string, i int) int {
	for i < len(s) && (isAlphanumeric(s[i]) || s[i] == '_') {
		i++
	}
	return i
}

func skipQuery(s string, i int) int {
	if i < len(s) && s[i] == '?' {
		i++
	}
	return i
}

func isLetter(c byte) bool { return isAlphanumeric(c) && c > '9' }

// CheckDial checks a number or, if it is one, an address, as Modem.Dial does
// with Config.Addresses. The error is an *InputError.
func CheckDial(number string) error {
	c := Config{DialPrefix: "D", Addresses: true}
	_, err := c.dialBody(number)
	return err
}
