package dll

import (
	"os"
	"testing"

	"github.com/rasline/rasline/internal/winetest"
)

// TestMain lets the test program run as the child process on Windows, and removes
// the wine prefix on Linux.
func TestMain(m *testing.M) {
	Main()
	if os.Getenv(sleepEnv) != "" {
		select {} // the program that a DLL starts
	}
	winetest.Main(m)
}
