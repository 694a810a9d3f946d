package script

import (
	"slices"
	"strconv"
	"sync"

	"github.com/rasline/rasline/internal/match"
)

// setCache remembers what the patterns of a Dialog's recent waits were compiled
// to, since scripts wait for the same few texts again and again.
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
	set, err := shared.get(awaited, standing)
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

// shared lets Dialogs that wait for the same texts, as those of a rack of
// modems do, share what the texts were compiled to: some kilobytes each.
var shared = sharedSets{sets: make(map[string]*match.Set)}

const (
	maxShared     = 64   // sets
	maxSharedText = 1024 // bytes of all texts of a set
)

type sharedSets struct {
	mu   sync.Mutex
	sets map[string]*match.Set
}

func (s *sharedSets) get(awaited []Pattern, standing []*Watch) (*match.Set, error) {
	patterns := make([]match.Pattern, 0, len(awaited)+len(standing))
	for _, p := range awaited {
		patterns = append(patterns, p.compiled())
	}
	for _, w := range standing {
		patterns = append(patterns, w.pattern.compiled())
	}
	key, ok := sharedKey(patterns)
	if !ok {
		return match.Compile(patterns)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if set := s.sets[key]; set != nil {
		return set, nil
	}
	set, err := match.Compile(patterns)
	if err != nil {
		return nil, err
	}
	for old := range s.sets {
		if len(s.sets) < maxShared {
			break
		}
		delete(s.sets, old) // any will do
	}
	s.sets[key] = set
	return set, nil
}

// sharedKey returns what tells sets of short texts apart. Sets with regular
// expressions and long texts are not shared.
func sharedKey(patterns []match.Pattern) (string, bool) {
	var key []byte
	for _, p := range patterns {
		if p.Re != nil || len(key)+len(p.Text) > maxSharedText {
			return "", false
		}
		kind := byte('t')
		if p.Fold {
			kind = 'f'
		}
		key = append(strconv.AppendInt(append(key, kind), int64(len(p.Text)), 10), ':')
		key = append(key, p.Text...)
	}
	return string(key), true
}
