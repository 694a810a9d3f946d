package scriptfile_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/scriptfile"
)

var update = flag.Bool("update", false, "write the messages about broken files anew")

const broken = "../../testdata/broken"

// TestBrokenFiles checks files as people break them, fifty and more of each
// language, and compares the messages with those of a file beside them, which
// were read by eye: file, line, column, what is wrong, what to write instead.
func TestBrokenFiles(t *testing.T) {
	for _, language := range scriptfile.Languages() {
		names, err := filepath.Glob(filepath.Join(broken, language, "*"))
		if err != nil || len(names) == 0 && language != "dll" {
			t.Fatalf("no broken files of %s: %v", language, err)
		}
		if len(names) == 0 {
			continue
		}
		if len(names) < 50 {
			t.Errorf("%d broken files of %s, want 50", len(names), language)
		}
		var messages strings.Builder
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			findings := check(filepath.Base(name), src, language)
			if len(findings) == 0 {
				t.Errorf("%s: nothing is found", name)
			}
			for _, f := range findings {
				fmt.Fprintln(&messages, f)
				if f.Source != "" {
					fmt.Fprintln(&messages, strings.TrimRight(f.Excerpt(), " "))
				}
			}
			messages.WriteByte('\n')
		}
		golden := filepath.Join(broken, language+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(messages.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if messages.String() != string(want) {
			t.Errorf("the messages about %s differ from %s; go test -update writes them, to be read by eye:\n%s", language, golden, messages.String())
		}
	}
}

func check(name string, src []byte, language string) []lint.Finding {
	s, err := scriptfile.Load(name, src, &scriptfile.Config{Language: language})
	var list *lint.ParseError
	if errors.As(err, &list) {
		return list.Findings
	}
	if s == nil {
		return []lint.Finding{{File: name, Text: err.Error()}}
	}
	return s.Findings()
}
