package porttest_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/virtual"
)

// In a test file of your port: TestPort opens a connected pair for each check.
func ExampleTestPort() {
	test := func(t *testing.T) { // func TestMyPort(t *testing.T)
		porttest.TestPort(t, func(t *testing.T) (a, b port.Port) {
			a, b = virtual.Pair()
			return a, b
		})
	}
	_ = test
}

// A port that works under testing/synctest is tested in no time.
func ExampleCheck_Run() {
	open := func(*testing.T) (a, b port.Port) {
		a, b = virtual.Pair()
		return a, b
	}
	test := func(t *testing.T) { // func TestMyPort(t *testing.T)
		for _, c := range porttest.Checks() {
			t.Run(c.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.Run(t, open) })
			})
		}
	}
	_ = test
}

// The checks can be read as the list of what a port promises.
func ExampleChecks() {
	for _, c := range porttest.Checks()[:2] {
		fmt.Printf("%s: %s.\n", c.Name, c.Explanation)
	}
	// Output:
	// EveryByteValue: the line is 8-bit clean: each of the 256 byte values arrives as it was written, in both directions.
	// AnySize: bytes arrive complete and in order however many are written, and however the writes and reads are cut.
}
