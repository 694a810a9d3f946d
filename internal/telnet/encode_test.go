package telnet

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// escapeAll escapes src by way of buffers of the given size.
func escapeAll(src []byte, nvt bool, size int) (wire []byte) {
	dst := make([]byte, size)
	for len(src) > 0 {
		nd, ns := Escape(dst, src, nvt)
		wire = append(wire, dst[:nd]...)
		src = src[ns:]
	}
	return wire
}

func TestEscape(t *testing.T) {
	tests := []struct {
		nvt      bool
		in, want string
	}{
		{false, "plain", "plain"},
		{false, "a\xffb", "a\xff\xffb"},
		{false, "\xff\xff", "\xff\xff\xff\xff"},
		{false, "\r\n\r\x00", "\r\n\r\x00"},
		{true, "a\r\nb\rc\r", "a\r\x00\nb\r\x00c\r\x00"},
		{true, "\xff\r", "\xff\xff\r\x00"},
		{true, "\n\x00", "\n\x00"},
	}
	for _, tt := range tests {
		for size := 2; size < 20; size++ {
			if got := string(escapeAll([]byte(tt.in), tt.nvt, size)); got != tt.want {
				t.Errorf("Escape(%q, nvt %v) by %d bytes = %q, want %q", tt.in, tt.nvt, size, got, tt.want)
			}
		}
	}
}

func TestAppendSub(t *testing.T) {
	got := AppendSub([]byte("x"), ComPort, 1, 0, 255, 240)
	if want := "x\xff\xfa\x2c\x01\x00\xff\xff\xf0\xff\xf0"; string(got) != want {
		t.Errorf("AppendSub = %q, want %q", got, want)
	}
	for v := range 256 {
		_, events := decodeAll(new(Decoder), AppendSub(nil, byte(v), byte(v), 255, byte(v)))
		want := event(0, Sub, 0, byte(v), string([]byte{byte(v), 255, byte(v)}))
		if v == 255 {
			continue // an option called IAC cannot be sub-negotiated
		}
		if len(events) != 1 || events[0] != want {
			t.Errorf("option %d came back as %q, want %q", v, events, want)
		}
	}
}

// TestSent cuts the wire after every byte: what is counted as sent, and what
// is owed, together are what was on the wire.
func TestSent(t *testing.T) {
	for _, nvt := range []bool{false, true} {
		for _, src := range []string{"", "abc", "a\xffb\xff\xffc", "\xff\r\n\r\xff\r\r", strings.Repeat("\xff", 5)} {
			wire := escapeAll([]byte(src), nvt, 100)
			for n := range len(wire) + 1 {
				ns, owed := sent([]byte(src), n, nvt)
				got := append(bytes.Clone(wire[:n]), owed...)
				got = append(got, escapeAll([]byte(src)[ns:], nvt, 100)...)
				if !bytes.Equal(got, wire) {
					t.Errorf("%q cut after %d bytes, nvt %v: %d sent and %q owed give %q, want %q", src, n, nvt, ns, owed, got, wire)
				}
			}
		}
	}
}

// FuzzRoundTrip escapes and unescapes over any two ways of cutting.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a\xff\r\n\r\x00\xff\xffb"), uint64(1), uint8(2), false)
	f.Add([]byte("\r\r\x00\xff"), uint64(9), uint8(3), true)
	f.Add(bytes.Repeat([]byte{IAC}, 300), uint64(3), uint8(7), false)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, size uint8, nvt bool) {
		wire := escapeAll(in, nvt, max(int(size), 2))
		if len(wire) > 2*len(in) {
			t.Errorf("%d bytes became %d", len(in), len(wire))
		}
		got, events := decodeAll(&Decoder{NVT: nvt}, cuts(wire, seed)...)
		if !bytes.Equal(got, in) || len(events) > 0 {
			t.Errorf("%q came back as %q with %q", in, got, events)
		}
	})
}

func BenchmarkEscape(b *testing.B) {
	random := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{}).Read(random)
	dst := make([]byte, 2*len(random))
	for name, src := range map[string][]byte{
		"text":   bytes.Repeat([]byte("text"), 16<<10),
		"random": random,
		"storm":  bytes.Repeat([]byte{IAC}, 64<<10),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				Escape(dst, src, false)
			}
		})
	}
}
