package mask_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/internal/mask"
)

// shown is what a stream has shown, with its secrets as bytes and as marks.
type shown struct {
	*mask.Stream
	out bytes.Buffer
}

func newShown(m *mask.Masker) *shown { return &shown{Stream: m.Stream()} }

// emit writes what must not be shown as one mark for each byte: where a secret
// begins and ends has to be the same.
func (s *shown) emit(b []byte, hidden, more bool) {
	if !hidden {
		s.out.Write(b)
		return
	}
	if !more {
		s.out.WriteByte('<')
	}
	s.out.WriteString(strings.Repeat("*", len(b)))
}

// sameInPieces writes the pieces of a text to a stream as they are, which are
// skipped in if they are long enough, and to another one byte by byte, which are
// not. It returns the number of the first piece after which they have shown
// something else, and both, or -1. A nil piece flushes.
func sameInPieces(m *mask.Masker, pieces [][]byte) (at int, long, single string) {
	a, b := newShown(m), newShown(m)
	for i, piece := range pieces {
		if piece == nil {
			a.FlushPieces(a.emit)
			b.FlushPieces(b.emit)
		}
		a.WritePieces(piece, a.emit)
		for j := range piece {
			b.WritePieces(piece[j:j+1], b.emit)
		}
		if !bytes.Equal(a.out.Bytes(), b.out.Bytes()) {
			return i, a.out.String(), b.out.String()
		}
	}
	return -1, "", ""
}

// textOf returns a text with parts of echoes of the secrets in it, some of them
// damaged, between words, noise and control characters.
func textOf(rnd *rand.Rand, secrets []string, size int) []byte {
	var echoes [][]byte
	for _, s := range secrets {
		for _, e := range echo.Of(s) {
			echoes = append(echoes, e.Bytes)
		}
	}
	alphabet := "ab" + strings.Join(secrets, "")
	words := []string{"login: guest\r\n", " ", "Last login: Monday\r\n$ ", "\x1b[1m", "\x1b]0;title\a", "\b*", "\r\n", "~", "\x9b", "\xe4\x85", "0x68, 0x75, ", "104 117 "}
	var text []byte
	for len(text) < size {
		var part []byte
		switch rnd.IntN(5) {
		case 0:
			part = bytes.Clone(echoes[rnd.IntN(len(echoes))])
			from := rnd.IntN(len(part))
			part = part[from : from+1+rnd.IntN(len(part)-from)]
			for range rnd.IntN(3) {
				switch at := rnd.IntN(len(part)); rnd.IntN(3) {
				case 0:
					part[at] = byte(rnd.Uint32())
				case 1:
					part = append(part[:at:at], part[at+1:]...)
				case 2:
					part = append(part[:at:at], append([]byte{alphabet[rnd.IntN(len(alphabet))]}, part[at:]...)...)
				}
				if len(part) == 0 {
					break
				}
			}
		case 1:
			for range rnd.IntN(30) {
				part = append(part, alphabet[rnd.IntN(len(alphabet))])
			}
		case 2:
			for range rnd.IntN(100) {
				part = append(part, byte(rnd.Uint32()))
			}
		case 3, 4:
			for range rnd.IntN(8) {
				part = append(part, words[rnd.IntN(len(words))]...)
			}
		}
		text = append(text, part...)
	}
	return text
}

func cutAtRandom(rnd *rand.Rand, text []byte) (pieces [][]byte) {
	for len(text) > 0 {
		n := 1 + rnd.IntN(min(len(text), 1<<(1+rnd.IntN(12))))
		pieces = append(pieces, text[:n])
		if text = text[n:]; rnd.IntN(4) == 0 {
			pieces = append(pieces, nil)
		}
	}
	return pieces
}

// TestSkip holds that what is skipped changes nothing, whatever the secrets are,
// how many there are, and how the stream is cut.
func TestSkip(t *testing.T) {
	sets := [][]string{
		{"aaaa"}, {"abab"}, {"aaaaaaaa"}, {"abcabcabcabc"}, {"\x01\x02\x03ab"}, {"ääää"}, {"login: guest"},
		echo.Secrets[:1], echo.Secrets[1:2], echo.Secrets[5:],
		{echo.Secrets[0], echo.Secrets[1], echo.Secrets[2], echo.Secrets[5]},
		echo.Secrets,
	}
	turns := 5
	if testing.Short() {
		turns = 2
	}
	for _, secrets := range sets {
		t.Run(fmt.Sprintf("%.20q", secrets), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(turns) {
				rnd := rand.New(rand.NewPCG(seed, uint64(len(secrets))))
				var m mask.Masker
				for _, s := range secrets {
					m.Add(s)
				}
				pieces := cutAtRandom(rnd, textOf(rnd, secrets, 8000))
				if at, long, single := sameInPieces(&m, pieces); at >= 0 {
					t.Fatalf("seed %d, piece %d %q: shown\n%q\nbyte by byte\n%q", seed, at, pieces[at], long, single)
				}
			}
		})
	}
}

// TestSkipOverWhatOneViewIgnores has bytes between those of a secret that are
// control characters with parity to one view and characters to the other, many
// enough that the forms would begin again in the middle of it.
func TestSkipOverWhatOneViewIgnores(t *testing.T) {
	var m mask.Masker
	m.Add("pÄsswört9z") // for which there are both views
	m.Add("hunter22")
	for pad := range 32 {
		text := strings.Repeat(".", 64+pad) + strings.Join(strings.Split("hunter22", ""), strings.Repeat("\x81", 12)) + strings.Repeat(".", 64)
		at, long, single := sameInPieces(&m, [][]byte{[]byte(text), nil})
		if at >= 0 {
			t.Errorf("%d before: shown\n%q\nbyte by byte\n%q", pad, long, single)
		}
	}
}

// FuzzSkip is TestSkip for the fuzzer's secrets and texts.
func FuzzSkip(f *testing.F) {
	for i, secret := range echo.Secrets {
		rnd := rand.New(rand.NewPCG(uint64(i), 0))
		f.Add(secret, echo.Secrets[0], textOf(rnd, echo.Secrets[i:], 600), uint64(i))
	}
	f.Fuzz(func(t *testing.T, one, two string, text []byte, seed uint64) {
		if len(one)+len(two) > 100 || len(text) > 4096 {
			return
		}
		var m mask.Masker
		m.Add(one)
		m.Add(two)
		pieces := cutAtRandom(rand.New(rand.NewPCG(seed, 0)), text)
		if at, long, single := sameInPieces(&m, pieces); at >= 0 {
			t.Fatalf("piece %d %q: shown\n%q\nbyte by byte\n%q", at, pieces[at], long, single)
		}
		if at, long, single := sameInPieces(&m, [][]byte{text}); at >= 0 {
			t.Fatalf("shown\n%q\nbyte by byte\n%q", long, single)
		}
	})
}

// TestSkipWithSecretsAddedMeanwhile adds secrets between the pieces of a stream.
func TestSkipWithSecretsAddedMeanwhile(t *testing.T) {
	sets := [][]string{
		{"login: guest", "guest", "uest1"}, {"aaaa", "aaaaaaaa", "abab"}, {"hunter22", "ter22", "22hunter", "pÄsswört9z"}, echo.Secrets,
	}
	for _, secrets := range sets {
		for seed := range uint64(12) {
			rnd := rand.New(rand.NewPCG(seed, uint64(len(secrets))))
			pieces := cutAtRandom(rnd, textOf(rnd, secrets, 4000))
			var m mask.Masker
			a, b := newShown(&m), newShown(&m)
			for i, piece := range pieces {
				switch rnd.IntN(6) {
				case 0:
					m.Add(secrets[rnd.IntN(len(secrets))])
				case 1:
					m.Expect("q" + secrets[0][:1])
				}
				if piece == nil {
					a.FlushPieces(a.emit)
					b.FlushPieces(b.emit)
				}
				a.WritePieces(piece, a.emit)
				for j := range piece {
					b.WritePieces(piece[j:j+1], b.emit)
				}
				if len(piece) > 0 && !bytes.Equal(a.out.Bytes(), b.out.Bytes()) {
					t.Fatalf("%q, seed %d, piece %d %q: shown\n%q\nbyte by byte\n%q", secrets, seed, i, piece, a.out.String(), b.out.String())
				}
			}
		}
	}
}
