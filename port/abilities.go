package port

import (
	"errors"
	"strings"
)

// Abilities is a set of what a port can do besides reading and writing.
type Abilities uint16

// The abilities, by the interface that has the methods.
const (
	AbilityMode     Abilities = 1 << iota // ModeSetter
	AbilityLines                          // LineController
	AbilityBreak                          // Breaker
	AbilitySetBreak                       // BreakSetter
	AbilityDrain                          // Drainer
	AbilityStats                          // Counter
	AbilityQueued                         // QueueCounter
	AbilityDetach                         // Detacher
)

var abilityNames = [...]string{"mode", "lines", "break", "set break", "drain", "stats", "queued", "detach"}

// Has reports whether all of want are in a.
func (a Abilities) Has(want Abilities) bool { return a&want == want }

// String names the abilities in a, joined by commas; the empty set is "none".
func (a Abilities) String() string {
	var names []string
	for i, name := range abilityNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// AbilityReporter is a Port that knows what the device at hand can do. Without
// it AbilitiesOf finds out.
type AbilityReporter interface{ Abilities() Abilities }

// AbilitiesOf reports what p can do, so that a program can tell its user what is
// missing before anything is sent. It changes nothing and sends nothing on the
// line.
//
// Unless p is an AbilityReporter, a method counts that p has and, where that can
// be asked without an effect, that does not return errors.ErrUnsupported: Mode,
// Lines, Stats and Queued. Breaks count where there is a mode to be set, that is a
// real line.
func AbilitiesOf(p Port) Abilities {
	if r, ok := p.(AbilityReporter); ok {
		return r.Abilities()
	}
	var a Abilities
	add := func(ability Abilities, err error) {
		if !errors.Is(err, errors.ErrUnsupported) {
			a |= ability
		}
	}
	if m, ok := p.(ModeSetter); ok {
		_, err := m.Mode()
		add(AbilityMode, err)
	}
	if l, ok := p.(LineController); ok {
		_, err := l.Lines()
		add(AbilityLines, err)
	}
	if c, ok := p.(Counter); ok {
		_, err := c.Stats()
		add(AbilityStats, err)
	}
	if q, ok := p.(QueueCounter); ok {
		_, _, err := q.Queued()
		add(AbilityQueued, err)
	}
	if _, ok := p.(Breaker); ok && a.Has(AbilityMode) {
		a |= AbilityBreak
	}
	if _, ok := p.(BreakSetter); ok && a.Has(AbilityMode) {
		a |= AbilitySetBreak
	}
	if _, ok := p.(Drainer); ok {
		a |= AbilityDrain
	}
	if _, ok := p.(Detacher); ok {
		a |= AbilityDetach
	}
	return a
}

// Abilities returns what the device can do.
func (s *Serial) Abilities() Abilities {
	return AbilitiesOf(s.dev) &^ s.dev.lacks()
}
