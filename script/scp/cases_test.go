package scp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cases is the directory of scripts with their recorded dialogues.
const cases = "../../testdata/scp"

// TestCases plays each NAME.scp of the cases against NAME.dialogue.
func TestCases(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(cases, "*.scp"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in %s: %v", cases, err)
	}
	for _, file := range scripts {
		name := strings.TrimSuffix(file, ".scp")
		t.Run(filepath.Base(name), func(t *testing.T) {
			play(t, read(t, file), read(t, name+".dialogue"))
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
