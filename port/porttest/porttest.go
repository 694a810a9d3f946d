package porttest

import (
	"slices"
	"testing"

	"github.com/rasline/rasline/port"
)

// A Check is one promise of a port and the test of it.
type Check struct {
	Name        string // in CamelCase, as a subtest's name
	Explanation string // what a port promises; part of every failure's text

	run func(e *env)
}

// LosesInput marks a port whose unread input is lost when the peer closes,
// as the kernel's hang-up empties a terminal. Only then may fewer bytes arrive
// than were written. Embed it beside the port in what open returns:
//
//	struct {
//		*port.Serial
//		porttest.LosesInput
//	}
type LosesInput struct{}

func (LosesInput) losesInput() {}

// IgnoresFlow marks a port whose flow control is done by the peer instead, as
// that of the master of a pseudo-terminal does. Embed it as LosesInput.
type IgnoresFlow struct{}

func (IgnoresFlow) ignoresFlow() {}

// TestPort runs all checks as subtests of t. It calls open for each; open
// returns the two ends of a new connection over which nothing has passed. The
// suite closes both ends. What open cannot do it reports through the t that it
// is given.
func TestPort(t *testing.T, open func(t *testing.T) (a, b port.Port)) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Helper()
			c.Run(t, open)
		})
	}
}

// Checks returns the checks in the order in which TestPort runs them. A bubble
// of testing/synctest allows no subtests inside, so there the loop is outside:
//
//	for _, c := range porttest.Checks() {
//		t.Run(c.Name, func(t *testing.T) {
//			synctest.Test(t, func(t *testing.T) { c.Run(t, open) })
//		})
//	}
func Checks() []Check {
	return slices.Concat(dataChecks, deadlineChecks, closeChecks, sharingChecks, lineChecks, queueChecks, flowChecks)
}

// Run runs the check on a connection made by open. It skips the check with a
// reason if the ports lack the ability in question.
func (c Check) Run(t *testing.T, open func(t *testing.T) (a, b port.Port)) {
	t.Helper()
	a, b := open(t)
	newEnv(t, c, a, b).run()
}
