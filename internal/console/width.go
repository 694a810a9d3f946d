package console

import (
	"io"
	"os"
)

// defaultWidth is that of a terminal that does not report one.
const defaultWidth = 80

// width returns how many characters a line of the terminal w has.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n := columns(f); n > 0 {
			return n
		}
	}
	return defaultWidth
}
