package script_test

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/script"
)

// TestReadUntil holds that what is before the match goes to the writer, and not
// a byte of the match.
func TestReadUntil(t *testing.T) {
	stream := strings.Repeat("END of row, EN\r\n", 5000)
	for name, p := range map[string]script.Pattern{
		"text":   script.Text("END\r\n"),
		"fold":   script.Fold("end\r\n"),
		"regexp": script.Regexp(regexp.MustCompile(`END\r\n`)),
	} {
		for _, piece := range []int{1, 3, 1000} {
			onBench(t, func(b *bench) {
				go func() {
					for rest := stream + "END\r\nrest"; len(rest) > 0; {
						n := min(piece, len(rest))
						b.far.Write([]byte(rest[:n]))
						rest = rest[n:]
					}
				}()
				var out bytes.Buffer
				d := script.NewDialog(b.call, &script.DialogConfig{MaxBefore: 100})
				m, err := d.ReadUntil(b.Context(), &out, time.Hour, p)
				if err != nil || out.String() != stream || string(m.Text) != "END\r\n" || len(m.Before) != 0 {
					b.Errorf("%s in pieces of %d: %d bytes were written, Before %q, Text %q, %v", name, piece, out.Len(), m.Before, m.Text, err)
				}
				b.finds(d, 0, "", "rest", script.Text("rest"))
			})
		}
	}
}

// TestReadUntilWritesWhatMayNotMatch holds that what a pattern may match from, and
// does not in the end, is written whole, however long it is.
func TestReadUntilWritesWhatMayNotMatch(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for name, p := range map[string]script.Pattern{
		"regexp": script.Regexp(regexp.MustCompile(`a[^b]*c`)),
		"text":   script.Text("a" + long + "y"),
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				d := script.NewDialog(b.call, &script.DialogConfig{MaxBefore: 100})
				text := "before a" + long + "b after"
				go io.WriteString(b.far, text+"!")
				var got bytes.Buffer
				if _, err := d.ReadUntil(b.Context(), &got, time.Minute, p, script.Text("!")); err != nil {
					b.Fatal(err)
				}
				if got.String() != text {
					b.Errorf("of %d bytes %d were written", len(text), got.Len())
				}
			})
		})
	}
}

// TestReadUntilInsideAWatch holds that the function of a watch that writes to the
// sink of the wait outside writes after what arrived before.
func TestReadUntilInsideAWatch(t *testing.T) {
	for _, more := range []script.Pattern{script.Text("more? "), script.Regexp(regexp.MustCompile(`mo+re\? `))} {
		onBench(t, func(b *bench) {
			d := script.NewDialog(b.call, nil)
			var got bytes.Buffer
			var before, text string
			d.Watch(more, func(m script.Match) error {
				before, text = string(m.Before), string(m.Text)
				_, err := d.ReadUntil(b.Context(), &got, time.Minute, script.Text("."))
				if string(m.Text) != "more? " {
					b.Errorf("the Text of a watch that has read is %q", m.Text)
				}
				return err
			})
			b.farSends("page 1 more? page 2.page 3$ ")
			if _, err := d.ReadUntil(b.Context(), &got, time.Minute, script.Text("$ ")); err != nil {
				b.Fatal(err)
			}
			if want := "page 1 more? page 2page 3"; got.String() != want {
				b.Errorf("written: %q, want %q", got.String(), want)
			}
			if text != "more? " || before != "page 1 " {
				b.Errorf("the watch got %q, %q", before, text)
			}
		})
	}
}

// TestReadUntilWritesPromptly holds that what no pattern can begin with any more is
// written before more arrives.
func TestReadUntilWritesPromptly(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		d.Watch(script.Text("more"), func(script.Match) error { return nil })
		var got bytes.Buffer
		b.farSends("one more")
		time.AfterFunc(time.Second, func() {
			synctest.Wait()
			if got.String() != "one more" {
				b.Errorf("after a second %q has been written", got.String())
			}
			b.far.Write([]byte("$"))
		})
		if _, err := d.ReadUntil(b.Context(), &got, time.Minute, script.Text("$")); err != nil {
			b.Error(err)
		}
	})
}
