package port

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// decodeMarks reads all of a marked stream that arrives in the given pieces, in
// reads of the given size.
func decodeMarks(t testing.TB, stream []byte, piece, size int) string {
	t.Helper()
	var m marks
	var got bytes.Buffer
	in := func(b []byte) (int, error) {
		if len(stream) == 0 {
			return 0, io.EOF
		}
		n := copy(b[:min(len(b), piece)], stream)
		stream = stream[n:]
		return n, nil
	}
	buf := make([]byte, size)
	for {
		n, err := m.read(buf, in)
		got.Write(buf[:n])
		var c *CharError
		switch {
		case err == io.EOF:
			return got.String()
		case errors.Is(err, ErrBreak):
			got.WriteString("<break>")
		case errors.As(err, &c):
			fmt.Fprintf(&got, "<%#x>", c.Char)
		case err != nil || n == 0:
			t.Fatalf("read returned %d, %v", n, err)
		}
	}
}

func TestMarks(t *testing.T) {
	tests := []struct{ name, stream, want string }{
		{"plain", "login: ", "login: "},
		{"a byte 0xff", "a\xff\xffb", "a\xffb"},
		{"two of them", "\xff\xff\xff\xff", "\xff\xff"},
		{"a break", "a\xff\x00\x00b", "a<break>b"},
		{"a damaged character", "a\xff\x00Xb", "a<0x58>b"},
		{"a damaged 0xff", "\xff\x00\xffb", "<0xff>b"},
		{"only marks", "\xff\x00\x00\xff\x00\x00", "<break><break>"},
		{"a NUL is no mark", "a\x00b", "a\x00b"},
		{"no mark of a driver", "\xffx", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for piece := 1; piece <= len(tt.stream); piece++ {
				for size := 1; size <= len(tt.stream)+1; size++ {
					if got := decodeMarks(t, []byte(tt.stream), piece, size); got != tt.want {
						t.Errorf("pieces of %d, reads of %d: %q, want %q", piece, size, got, tt.want)
					}
				}
			}
		})
	}
}

// FuzzMarks splits any stream in two ways, with the same result, and turns any
// text into itself when it is marked as a driver does.
func FuzzMarks(f *testing.F) {
	f.Add([]byte("a\xff\x00\x00b\xff\xffc\xff\x00Xd"), uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		one := decodeMarks(t, data, 1+r.IntN(8), 1+r.IntN(8))
		two := decodeMarks(t, data, 1+r.IntN(8), 1+r.IntN(8))
		if one != two {
			t.Errorf("cut differently %q gives %q and %q", data, one, two)
		}
		marked := bytes.ReplaceAll(data, []byte{0xff}, []byte{0xff, 0xff})
		if got := decodeMarks(t, marked, 1+r.IntN(8), 1+r.IntN(8)); got != string(data) {
			t.Errorf("%q came back as %q", data, got)
		}
	})
}
