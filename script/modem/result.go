package modem

import (
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is a result code of a modem.
type Result struct {
	Outcome Outcome

	// Text is the line as the modem sent it, or the text that represents the
	// number it sent.
	Text string

	// Numeric reports that the modem sent a number.
	Numeric bool

	// Rate is the number in a CONNECT text, in bit/s: the rate on the telephone
	// line or that of the port, depending on the modem's settings. 0 if there is
	// none.
	Rate int

	// Protocols are the other parts of a CONNECT text, such as "ARQ", "V34",
	// "LAPM" and "V42BIS", as the modem writes them.
	Protocols []string

	// Wait is how long the modem will not call again, from a DELAYED text. 0 if
	// it does not report that.
	Wait time.Duration

	// Lines is what else the modem sent before the result, unasked lines
	// aside: "CARRIER 33600", "PROTOCOL: LAPM".
	Lines []string
}

//go:embed results.tsv
var resultFile string

// row is one line of the table of results.
type row struct {
	text    string
	code    int // -1: none
	outcome Outcome
}

// table is the embedded file, which a test checks.
var table = func() (rows []row) {
	for line := range strings.Lines(resultFile) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(fields) != 3 {
			continue
		}
		r := row{text: fields[0], code: -1}
		if n, err := strconv.Atoi(fields[1]); err == nil {
			r.code = n
		}
		for o := range outcomes {
			if outcomes[o].name == fields[2] {
				r.outcome = Outcome(o)
			}
		}
		rows = append(rows, r)
	}
	return rows
}()

// ParseResult reads a result code, verbose or numeric, without its line end.
// It returns false for a line that is none that it knows; the outcome is then
// Unknown.
func ParseResult(line string) (Result, bool) { return parseResult(line, nil) }

// parseResult is ParseResult with a configuration's own codes and texts.
func parseResult(line string, c *Config) (Result, bool) {
	line = trimNoise(line)
	if text, ok := numericText(line, c); ok {
		r, known := parseVerbose(text, c)
		r.Numeric = true
		return r, known
	}
	return parseVerbose(line, c)
}

// numericText returns the text that a number represents. Result codes have one to
// three digits, without a leading zero, which the values of registers have.
func numericText(s string, c *Config) (string, bool) {
	if !isNumber(s) || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return "", false
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return "", false
	}
	if c != nil {
		if text, ok := c.Codes[n]; ok {
			return text, true
		}
	}
	i := slices.IndexFunc(table, func(r row) bool { return r.code == n })
	if i < 0 {
		return "", false
	}
	return table[i].text, true
}

func parseVerbose(line string, c *Config) (Result, bool) {
	if c != nil {
		for text, outcome := range c.Results {
			prefix, open := strings.CutSuffix(text, "*")
			if strings.EqualFold(text, line) || open && hasFold(line, prefix) {
				return describe(Result{Outcome: outcome, Text: line}), true
			}
		}
	}
	for _, r := range table {
		if hasFold(line, r.text) && r.outcome.goesOn(line[len(r.text):]) {
			return describe(Result{Outcome: r.outcome, Text: line}), true
		}
	}
	return Result{Text: line}, false
}

// goesOn reports whether a line that begins with a result's text is a result if
// it continues with rest. Lines of information can begin like results: "OK-LED
// ON", "Error in line 5", "NO CARRIER TIMEOUT 60".
func (o Outcome) goesOn(rest string) bool {
	if rest == "" {
		return true
	}
	switch o {
	case OK:
		return false
	case Failed:
		return rest[0] == ':'
	case Connect, Ongoing:
		return !isAlphanumeric(rest[0])
	case Ring: // RING1, RING A, RING;5551234
		if short := strings.TrimSpace(rest); len(short) == 1 && isAlphanumeric(short[0]) {
			return true
		}
	}
	if strings.IndexByte("/:;,(", rest[0]) >= 0 {
		return true
	}
	rest = strings.TrimLeft(rest, " ")
	return rest == "" || rest[0] == '(' || rest[0] == '/' || rest[0] >= '0' && rest[0] <= '9'
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// describe parses a CONNECT text, and the time in a DELAYED text: "DELAYED 00:30",
// "DELAYED 30".
func describe(r Result) Result {
	if from := strings.IndexAny(r.Text, "0123456789"); r.Outcome == Delayed && from >= 0 {
		for part := range strings.SplitSeq(r.Text[from:], ":") {
			r.Wait = r.Wait*60 + time.Duration(min(leadingNumber(part), 1e6))*time.Second
		}
	}
	if r.Outcome != Connect || len(r.Text) < len("CONNECT") {
		return r
	}
	words := strings.FieldsFunc(r.Text[len("CONNECT"):], func(c rune) bool {
		return strings.ContainsRune(" /,:;()", c)
	})
	for _, w := range words {
		if rate := leadingNumber(w); rate > 0 && r.Rate == 0 {
			r.Rate = rate
			if strconv.Itoa(rate) == w {
				continue
			}
		}
		r.Protocols = append(r.Protocols, w)
	}
	return r
}

// leadingNumber reads the digits at the head of s; without any it is 0, and
// beyond what an int holds the largest.
func leadingNumber(s string) int {
	n, err := strconv.ParseInt(s[:skipDigits(s, 0)], 10, strconv.IntSize)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int(n)
}

// trimNoise returns a line without the bytes in front that are no printable
// ASCII, which a line makes when a modem is connected, and without spaces.
func trimNoise(s string) string {
	i := 0
	for i < len(s) && (s[i] < ' ' || s[i] > '~') {
		i++
	}
	return strings.TrimSpace(s[i:])
}

// CodesUSR are the numeric results of modems of U.S. Robotics (Courier and
// Sportster, ATX7), for Config.Codes. Source: the maker's manuals, "Result
// codes".
var CodesUSR = map[int]string{
	11: "RINGING", 12: "VOICE", 13: "CONNECT 9600",
	14: "CONNECT/ARQ", 15: "CONNECT 1200/ARQ", 16: "CONNECT 2400/ARQ", 17: "CONNECT 9600/ARQ",
	18: "CONNECT 4800", 19: "CONNECT 4800/ARQ", 20: "CONNECT 7200", 21: "CONNECT 12000",
	22: "CONNECT 12000/ARQ", 24: "CONNECT 7200/ARQ", 25: "CONNECT 14400", 26: "CONNECT 14400/ARQ",
	43: "CONNECT 16800", 44: "CONNECT 16800/ARQ",
	85: "CONNECT 19200", 86: "CONNECT 19200/ARQ", 91: "CONNECT 21600", 92: "CONNECT 21600/ARQ",
	99: "CONNECT 24000", 100: "CONNECT 24000/ARQ", 103: "CONNECT 26400", 104: "CONNECT 26400/ARQ",
	107: "CONNECT 28800", 108: "CONNECT 28800/ARQ", 151: "CONNECT 31200", 152: "CONNECT 31200/ARQ",
	155: "CONNECT 33600", 156: "CONNECT 33600/ARQ",
}

// CodesZyXEL are the numeric results of ZyXEL's modems (Comet and Omni), for
// Config.Codes. Sources: the manuals of the Comet 3336P, "Status Registers &
// Result Codes", and of the Omni 288S, page 117, for connections with error
// correction (S35 bit 7).
var CodesZyXEL = map[int]string{
	9: "RINGING", 10: "CONNECT 2400", 11: "CONNECT 4800", 12: "CONNECT 9600", 13: "CONNECT 14400",
	14: "CONNECT 19200", 15: "CONNECT 16800", 18: "CONNECT 57600", 24: "CONNECT 7200", 25: "CONNECT 12000",
	26: "CONNECT 1200/75", 27: "CONNECT 75/1200", 28: "CONNECT 38400", 29: "CONNECT 21600", 30: "CONNECT 24000",
	31: "CONNECT 26400", 32: "CONNECT 28800", 33: "CONNECT 115200", 35: "CONNECT 33600",
	50: "CONNECT", 51: "CONNECT 1200", 52: "CONNECT 2400", 53: "CONNECT 4800", 54: "CONNECT 7200", 55: "CONNECT 9600",
	56: "CONNECT 12000", 57: "CONNECT 14400", 58: "CONNECT 16800", 59: "CONNECT 19200", 60: "CONNECT 21600",
	61: "CONNECT 24000", 62: "CONNECT 26400", 63: "CONNECT 28800",
}
