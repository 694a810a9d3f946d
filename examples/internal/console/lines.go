package console

import "bytes"

const maxLine = 64 << 10

// Lines returns a writer that calls f with each line that is written to it, without
// its end. A line above 64 KiB is cut into several.
func Lines(f func(line string)) *LineWriter { return &LineWriter{f: f} }

// LineWriter is a writer made by Lines. It is for one goroutine.
type LineWriter struct {
	f    func(line string)
	rest []byte
}

// Write adds a piece of the lines.
func (w *LineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		switch {
		case !ok && len(line) < maxLine:
			return len(b), nil
		case len(line) > maxLine:
			line, rest = w.rest[:maxLine], w.rest[maxLine:]
		}
		w.f(string(bytes.TrimSuffix(line, []byte("\r"))))
		w.rest = append(w.rest[:0], rest...)
	}
}

// Close calls f with what follows the last line end.
func (w *LineWriter) Close() error {
	if len(w.rest) > 0 {
		w.f(string(w.rest))
		w.rest = nil
	}
	return nil
}
