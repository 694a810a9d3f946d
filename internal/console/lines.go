package console

import "bytes"

// Lines returns a writer that calls f with each line that is written to it, without
// its end. What follows the last line end is not seen.
func Lines(f func(line string)) *LineWriter { return &LineWriter{f: f} }

// LineWriter is a writer made by Lines. It is for one goroutine.
type LineWriter struct {
	f    func(line string)
	rest []byte
}

// Write takes a piece of the lines.
func (w *LineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		w.f(string(bytes.TrimSuffix(line, []byte("\r"))))
		w.rest = append(w.rest[:0], rest...)
	}
}
