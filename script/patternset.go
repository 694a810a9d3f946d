package script

import (
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"weak"

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
	found := cachedSet{slices.Clone(awaited), set}
	if len(c.sets) < cachedSets {
		c.sets = append(c.sets, found)
	} else {
		c.sets[c.next] = found
		c.next = (c.next + 1) % cachedSets
	}
	return set, nil
}

// drop forgets everything, because the standing patterns have changed.
func (c *setCache) drop() { *c = setCache{} }

// shared lets Dialogs that wait for the same texts, as those of a rack of
// modems do, share what the texts were compiled to: some kilobytes each. It
// knows a set by a hash of its texts and keeps neither: awaited texts may be
// secrets, and live no longer than the Dialogs that wait for them.
var shared = sharedSets{sets: make(map[setKey]weak.Pointer[match.Set])}

// setKey is a hash of the texts of a set, with seeds that no peer knows.
type setKey [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// maxSharedText bounds the bytes of all texts of a set that is shared.
const maxSharedText = 1024

type sharedSets struct {
	mu    sync.Mutex // guards the fields below
	sets  map[setKey]weak.Pointer[match.Set]
	swept int // len(sets) after dead entries were removed last
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
	if set := s.sets[key].Value(); set != nil {
		return set, nil
	}
	set, err := match.Compile(patterns)
	if err != nil {
		return nil, err
	}
	if len(s.sets) > 2*s.swept+64 {
		for key, p := range s.sets {
			if p.Value() == nil {
				delete(s.sets, key)
			}
		}
		s.swept = len(s.sets)
	}
	s.sets[key] = weak.Make(set)
	return set, nil
}

// sharedKey returns what identifies a set of short texts. Sets with regular
// expressions and long texts are not shared.
func sharedKey(patterns []match.Pattern) (key setKey, ok bool) {
	var text []byte
	for _, p := range patterns {
		if p.Re != nil || len(text)+len(p.Text) > maxSharedText {
			return key, false
		}
		kind := byte('t')
		if p.Fold {
			kind = 'f'
		}
		text = append(strconv.AppendInt(append(text, kind), int64(len(p.Text)), 10), ':')
		text = append(text, p.Text...)
	}
	return setKey{maphash.Bytes(seeds[0], text), maphash.Bytes(seeds[1], text)}, true
}
