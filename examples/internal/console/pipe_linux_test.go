package console

import (
	"io"
	"os"
	"testing"
)

// TestPipeAsKeyboard reads a pipe to its end.
func TestPipeAsKeyboard(t *testing.T) {
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	shown, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Close()
	defer out.Close()
	term, err := OpenTerminal(t.Context(), in, out, NewScreen(out, false))
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	io.WriteString(typed, "hi")
	typed.Close()
	if got, err := io.ReadAll(term); string(got) != "hi" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}
