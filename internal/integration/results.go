package integration

import (
	"strconv"
	"strings"
)

// mark begins the lines of package testing in the form that test2json reads
// (-test.v=test2json), and the guest's requests to the host.
const mark = "\x16"

// Test is one test as it ended in the guest.
type Test struct {
	Name    string // with the names of its parents, joined by slashes
	Outcome string // PASS, FAIL or SKIP; empty if it did not end
	Output  strings.Builder
}

// Results reads what the guest's test program prints.
type Results struct {
	Tests []*Test         // in the order in which they began
	Rest  strings.Builder // the lines of no test
	Exit  int             // the program's exit status; -1 before it ended

	byName  map[string]*Test
	current *Test
}

// NewResults returns results of a program that has printed nothing yet.
func NewResults() *Results { return &Results{Exit: -1, byName: make(map[string]*Test)} }

// Line processes one line, without its end. It returns the guest's request to the
// host, if it is one.
func (r *Results) Line(line string) (request string) {
	text, note, marked := strings.Cut(strings.TrimSuffix(line, "\r"), mark)
	if text != "" || !marked {
		r.print(text)
	}
	if !marked {
		return ""
	}
	word, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(note), "=== "), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "HOST":
		return rest
	case "EXIT":
		r.Exit, _ = strconv.Atoi(rest)
	case "RUN":
		r.current = &Test{Name: rest}
		r.Tests = append(r.Tests, r.current)
		r.byName[rest] = r.current
	case "NAME", "CONT":
		r.current = r.byName[rest]
	case "---": // an outcome, as in "PASS: TestName (0.01s)"
		outcome, name, _ := strings.Cut(rest, ": ")
		name, _, _ = strings.Cut(name, " ")
		if t := r.byName[name]; t != nil {
			t.Outcome = outcome
			r.current = t
			r.print("--- " + rest)
		}
	}
	return ""
}

func (r *Results) print(text string) {
	out := &r.Rest
	if r.current != nil {
		out = &r.current.Output
	}
	out.WriteString(text)
	out.WriteByte('\n')
}

// Children returns the direct subtests of the named one, or the outermost for
// an empty name.
func (r *Results) Children(name string) []*Test {
	var list []*Test
	for _, t := range r.Tests {
		// The parent is the innermost test around this one; a subtest's own name
		// may have slashes.
		parent := ""
		for i := strings.LastIndexByte(t.Name, '/'); i >= 0 && parent == ""; i = strings.LastIndexByte(t.Name[:i], '/') {
			if r.byName[t.Name[:i]] != nil {
				parent = t.Name[:i]
			}
		}
		if parent == name {
			list = append(list, t)
		}
	}
	return list
}
