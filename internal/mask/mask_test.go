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

const (
	banner = "\r\nWelcome to node 7, line 3\r\nlogin: "
	rest   = "Last login: Monday\r\n$ "
)

// TestEchoes hides every echo of the table, in a text and in a stream of any
// pieces, and shows what is around it.
func TestEchoes(t *testing.T) {
	for _, secret := range echo.Secrets {
		var m mask.Masker
		m.Add(secret)
		for _, e := range echo.Of(secret) {
			t.Run(fmt.Sprintf("%d bytes/%s", len(secret), e.Name), func(t *testing.T) {
				text := banner + string(e.Bytes) + rest
				outputs := map[string]string{"text": string(m.Mask([]byte(text), false))}
				for _, size := range []int{1, 2, 3, 7, len(text)} {
					outputs[fmt.Sprintf("pieces of %d", size)] = inPieces(&m, text, size, e.Pause > 0)
				}
				for name, out := range outputs {
					if piece := echo.Leak(out, secret); piece != "" {
						t.Errorf("%s: %q shows %q", name, out, piece)
					}
					if !strings.HasPrefix(out, banner[:len(banner)-2]) || !strings.HasSuffix(out, rest[8:]) {
						t.Errorf("%s: %q hides more than the echo", name, out)
					}
				}
			})
		}
	}
}

// inPieces shows text through a stream, flushed after each piece if there are
// pauses between them.
func inPieces(m *mask.Masker, text string, size int, pauses bool) string {
	var out bytes.Buffer
	emit := func(b []byte) { out.Write(b) }
	s := m.Stream()
	for len(text) > 0 {
		n := min(size, len(text))
		s.Write([]byte(text[:n]), emit)
		if pauses {
			s.Flush(emit)
		}
		text = text[n:]
	}
	s.Flush(emit)
	return out.String()
}

func TestMask(t *testing.T) {
	for _, v := range []struct {
		why, secret, text string
		tail              bool
		want              string
	}{
		{"whole", "hunter2", "ogin: hunter2\r\n$", false, "ogin: ***\r\n$"},
		{"with the line end it was sent with", "hunter2\n", "ogin: hunter2\r\n$", false, "ogin: ***\r\n$"},
		{"alone", "hunter2", "hunter2", false, "***"},
		{"start at the end", "hunter2", "ogin: hun", false, "ogin: ***"},
		{"two characters at the end", "hunter2", "ogin: hu", false, "ogin: ***"},
		{"one character at the end", "hunter2", "ogin: h", false, "ogin: h"},
		{"end at the start", "hunter2", "er2\r\n$ ", true, "***\r\n$ "},
		{"end at the start of a whole text", "hunter2", "er2\r\n$ ", false, "er2\r\n$ "},
		{"middle", "hunter2", "unt", true, "***"},
		{"short piece elsewhere", "hunter2", "unter den Linden", false, "unter den Linden"},
		{"short secret", "abc", "abc abcabc", false, "abc abcabc"},
		{"empty text", "hunter2", "", true, ""},
		{"twice", "hunter2", "hunter2 hunter2", false, "*** ***"},
		{"upper case", "pässwörd", "echo PÄSSWÖRD x", false, "echo *** x"},
		{"lower case", "ПÄRОЛЬ", "echo пärоль x", false, "echo *** x"},
		{"not ASCII", "Пароль", "echo Пароль x", false, "echo *** x"},
		{"in ISO 8859-1", "pässwörd", "echo p\xe4ssw\xf6rd x", false, "echo *** x"},
		{"overlapping", "aaaa", "baaaaab", false, "b***b"},
	} {
		var m mask.Masker
		m.Add(v.secret)
		if got := string(m.Mask([]byte(v.text), v.tail)); got != v.want {
			t.Errorf("%s: Mask(%q) = %q, want %q", v.why, v.text, got, v.want)
		}
	}
}

// TestShortSecrets hides a short secret in its echo up to the line end and
// nowhere else.
func TestShortSecrets(t *testing.T) {
	for _, secret := range []string{"x", "ab", "abc", "1ß"} {
		for _, size := range []int{1, 3, 100} {
			var m mask.Masker
			var out bytes.Buffer
			emit := func(b []byte) { out.Write(b) }
			s := m.Stream()
			s.Write([]byte("xyz abc "), emit)
			m.Expect(secret + "\r")
			for text := secret + "\r\nxyz abc\r\n"; len(text) > 0; {
				n := min(size, len(text))
				s.Write([]byte(text[:n]), emit)
				text = text[n:]
			}
			s.Flush(emit)
			if got, want := out.String(), "xyz abc ***\r\nxyz abc\r\n"; got != want {
				t.Errorf("secret %q in pieces of %d: %q, want %q", secret, size, got, want)
			}
		}
	}
}

// FuzzStream holds that any split shows the same, unless it is flushed, that
// nothing is lost without secrets in it, and that no piece of a secret is
// shown.
func FuzzStream(f *testing.F) {
	for _, secret := range echo.Secrets {
		f.Add(secret, banner+secret+"\r\n"+rest, uint64(1))
	}
	f.Add("aaaa", "aaabaaaa\x1b[1maaaaa", uint64(2))
	f.Fuzz(func(t *testing.T, secret, text string, seed uint64) {
		if len(secret) > 100 || len(text) > 4096 {
			return
		}
		var m mask.Masker
		m.Add(secret)
		whole := inPieces(&m, text, max(len(text), 1), false)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var out bytes.Buffer
		emit := func(b []byte) { out.Write(b) }
		s := m.Stream()
		for left := text; len(left) > 0; {
			n := 1 + rnd.IntN(len(left))
			s.Write([]byte(left[:n]), emit)
			left = left[n:]
		}
		s.Flush(emit)
		if out.String() != whole {
			t.Errorf("cut in pieces %q, whole %q", out.String(), whole)
		}
		if len(strings.TrimRight(secret, "\r\n \t")) < mask.Short && whole != text {
			t.Errorf("without a secret %q became %q", text, whole)
		}
	})
}

// BenchmarkStream masks a long text in one piece, which most bytes are skipped in,
// and in pieces that are too short for that.
func BenchmarkStream(b *testing.B) {
	text := []byte(strings.Repeat(banner+rest, 50))
	for _, v := range []struct {
		name    string
		secrets []string
	}{
		{"1 secret", echo.Secrets[1:2]},
		{"4 secrets", []string{echo.Secrets[0], echo.Secrets[1], echo.Secrets[2], echo.Secrets[5]}},
	} {
		for _, size := range []int{len(text), 32} {
			b.Run(fmt.Sprintf("%s, pieces of %d", v.name, size), func(b *testing.B) {
				var m mask.Masker
				for _, secret := range v.secrets {
					m.Add(secret)
				}
				s := m.Stream()
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					for left := text; len(left) > 0; left = left[min(size, len(left)):] {
						s.Write(left[:min(size, len(left))], func([]byte) {})
					}
				}
			})
		}
	}
}
