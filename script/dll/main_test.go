package dll

import (
	"testing"

	"github.com/rasline/rasline/internal/winetest"
)

// TestMain lets the test program play the child process on Windows, and removes
// the wine prefix on Linux.
func TestMain(m *testing.M) {
	Main()
	winetest.Main(m)
}
