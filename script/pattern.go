package script

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/rasline/rasline/internal/match"
)

// Pattern is a text that a wait looks for: a Text, a Fold or a Regexp.
type Pattern interface {
	// String returns the pattern as messages show it.
	String() string

	compiled() match.Pattern
}

// Text is a pattern that matches these bytes exactly. The empty Text matches at
// once and takes nothing.
type Text string

// String returns the text in quotes.
func (t Text) String() string { return fmt.Sprintf("%q", string(t)) }

func (t Text) compiled() match.Pattern { return match.Pattern{Text: string(t)} }

// Fold is a pattern that matches these bytes whatever the case of the ASCII
// letters.
type Fold string

// String returns the text in quotes.
func (f Fold) String() string { return fmt.Sprintf("%q", string(f)) }

func (f Fold) compiled() match.Pattern { return match.Pattern{Text: string(f), Fold: true} }

// Regexp returns a pattern that matches a regular expression. On a stream it
// has matched at the first byte at which any match ends, so that \d+ is
// satisfied with one digit: write what must follow, as in (\d+)\r. The match
// begins at the leftmost place possible. ^ and \A stand for the start of the
// wait. What depends on a byte that has not come yet ($, \z, \b, \B) is refused
// by the wait with an error.
//
// Input is read as UTF-8; a byte that is no UTF-8 is the character U+FFFD.
func Regexp(re *regexp.Regexp) Pattern { return expression{re} }

type expression struct{ re *regexp.Regexp }

func (e expression) String() string { return "/" + e.re.String() + "/" }

func (e expression) compiled() match.Pattern { return match.Pattern{Re: e.re} }

// setCache remembers what the patterns of recent waits were compiled to, since
// scripts wait for the same few texts again and again.
type setCache struct {
	sets []cachedSet
	next int // the one to replace
}

type cachedSet struct {
	awaited []Pattern
	set     *match.Set
}

const cachedSets = 16

// get returns the set of the awaited patterns followed by the standing ones.
func (c *setCache) get(awaited []Pattern, standing []*Watch) (*match.Set, error) {
	for i := range c.sets {
		if slices.Equal(c.sets[i].awaited, awaited) {
			return c.sets[i].set, nil
		}
	}
	set, err := compile(awaited, standing)
	if err != nil {
		return nil, err
	}
	c.put(cachedSet{slices.Clone(awaited), set})
	return set, nil
}

func (c *setCache) put(s cachedSet) {
	if len(c.sets) < cachedSets {
		c.sets = append(c.sets, s)
		return
	}
	c.sets[c.next] = s
	c.next = (c.next + 1) % cachedSets
}

// drop forgets everything, because the standing patterns have changed.
func (c *setCache) drop() { *c = setCache{} }

func compile(awaited []Pattern, standing []*Watch) (*match.Set, error) {
	all := make([]match.Pattern, 0, len(awaited)+len(standing))
	for _, p := range awaited {
		all = append(all, p.compiled())
	}
	for _, w := range standing {
		all = append(all, w.pattern.compiled())
	}
	return match.Compile(all)
}
