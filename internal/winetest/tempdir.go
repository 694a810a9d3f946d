package winetest

import (
	"os"
	"testing"
)

// TempDir is t.TempDir for tests that also run under wine. Wine 8 refuses the
// way in which Go removes files, and t.TempDir then fails the test; there, the
// files stay in the prefix, which is removed as a whole.
func TempDir(t testing.TB) string {
	t.Helper()
	if !underWine() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("", "winetest")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
