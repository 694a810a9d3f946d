package telnet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// decodeAll decodes p in the given pieces and returns the data and the events
// as text, in order.
func decodeAll(d *Decoder, pieces ...[]byte) (data []byte, events []string) {
	for _, p := range pieces {
		for raw := bytes.Clone(p); len(raw) > 0; {
			got, rest, ev := d.Next(raw)
			data = append(data, got...)
			raw = rest
			if ev.Kind != None {
				events = append(events, fmt.Sprintf("at %d: %d %d %d %x", len(data), ev.Kind, ev.Verb, ev.Option, ev.Data))
			}
		}
	}
	return data, events
}

func event(at int, k Kind, verb, opt byte, data string) string {
	return fmt.Sprintf("at %d: %d %d %d %x", at, k, verb, opt, data)
}

var streams = []struct {
	name   string
	nvt    bool
	in     string
	data   string
	events []string
}{
	{name: "nothing"},
	{name: "text", in: "hello\r\x00\n", data: "hello\r\x00\n"},
	{name: "a doubled IAC", in: "a\xff\xffb", data: "a\xffb"},
	{name: "only doubled IACs", in: strings.Repeat("\xff", 10), data: strings.Repeat("\xff", 5)},
	{name: "an odd one too many", in: "\xff\xff\xff", data: "\xff"},
	{
		name: "negotiation amid data", in: "a\xff\xfb\x00b\xff\xfd\x2cc", data: "abc",
		events: []string{event(1, Negotiate, WILL, 0, ""), event(2, Negotiate, DO, ComPort, "")},
	},
	{
		name: "an option called IAC", in: "\xff\xfd\xffx", data: "x",
		events: []string{event(0, Negotiate, DO, 255, "")},
	},
	{
		name: "commands", in: "a\xff\xf1\xff\xf3b", data: "ab",
		events: []string{event(1, Command, NOP, 0, ""), event(1, Command, BRK, 0, "")},
	},
	{
		name: "a sub-negotiation with IACs", in: "a\xff\xfa\x2c\x01\xff\xff\x00\xff\xff\xff\xf0b", data: "ab",
		events: []string{event(1, Sub, 0, ComPort, "\x01\xff\x00\xff")},
	},
	{name: "an empty sub-negotiation", in: "a\xff\xfa\xff\xf0b", data: "ab"},
	{name: "an end without a beginning", in: "a\xff\xf0b", data: "ab"},
	{
		name: "a sub-negotiation given up for a command", in: "\xff\xfa\x2c\x01\xff\xfb\x01b", data: "b",
		events: []string{event(0, Negotiate, WILL, Echo, "")},
	},
	{
		name: "a sub-negotiation given up for another", in: "\xff\xfa\x2c\x01\xff\xfa\x2c\x02\xff\xf0b", data: "b",
		events: []string{event(0, Sub, 0, ComPort, "\x02")},
	},
	{
		name: "one as long as may be", in: "\xff\xfa\x2c" + strings.Repeat("x", MaxSub) + "\xff\xf0b", data: "b",
		events: []string{event(0, Sub, 0, ComPort, strings.Repeat("x", MaxSub))},
	},
	{name: "one longer than that", in: "\xff\xfa\x2c" + strings.Repeat("x", MaxSub+1) + "\xff\xf0b", data: "b"},
	{
		name: "one after a longer one", in: "\xff\xfa\x2c" + strings.Repeat("x", MaxSub+1) + "\xff\xf0a\xff\xfa\x2cx\xff\xf0b", data: "ab",
		events: []string{event(1, Sub, 0, ComPort, "x")},
	},
	{name: "one that never ends", in: "a\xff\xfa\x2c" + strings.Repeat("\xff\xff", 3*MaxSub), data: "a"},
	{name: "padding", nvt: true, in: "a\r\x00b\r\n\x00\r\r\x00\x00", data: "a\rb\r\n\x00\r\r\x00"},
	{name: "padding and IAC", nvt: true, in: "\r\xff\xff\x00\r\xff\xf1\x00", data: "\r\xff\x00\r", events: []string{event(4, Command, NOP, 0, "")}},
}

func TestDecoder(t *testing.T) {
	for _, tt := range streams {
		t.Run(tt.name, func(t *testing.T) {
			data, events := decodeAll(&Decoder{NVT: tt.nvt}, []byte(tt.in))
			if string(data) != tt.data || !slices.Equal(events, tt.events) {
				t.Errorf("got %q and %q; want %q and %q", data, events, tt.data, tt.events)
			}
		})
	}
}

// TestDecoderSplits cuts every stream at every place, and into single bytes.
func TestDecoderSplits(t *testing.T) {
	for _, tt := range streams {
		in := []byte(tt.in)
		check := func(how string, pieces ...[]byte) {
			data, events := decodeAll(&Decoder{NVT: tt.nvt}, pieces...)
			if string(data) != tt.data || !slices.Equal(events, tt.events) {
				t.Errorf("%s, %s: got %q and %q; want %q and %q", tt.name, how, data, events, tt.data, tt.events)
			}
		}
		for i := range in {
			check(fmt.Sprintf("cut at %d", i), in[:i], in[i:])
		}
		check("single bytes", slices.Collect(slices.Chunk(in, 1))...)
	}
}

func TestDecoderMemory(t *testing.T) {
	var d Decoder
	d.Next([]byte{IAC, SB, ComPort})
	endless := bytes.Repeat([]byte{'x'}, 1<<16)
	for range 100 {
		d.Next(endless)
	}
	if cap(d.sub) > 4*MaxSub {
		t.Errorf("a sub-negotiation without end takes %d bytes, want at most %d", cap(d.sub), 4*MaxSub)
	}
	storm := bytes.Repeat([]byte{IAC}, 1<<10)
	text := bytes.Repeat([]byte("text "), 1<<8)
	for name, p := range map[string][]byte{"storm": storm, "text": text} {
		var d Decoder
		if n := testing.AllocsPerRun(100, func() { d.Next(p) }); n != 0 {
			t.Errorf("decoding a %s takes %v allocations, want 0", name, n)
		}
	}
}

// cuts divides p at places that seed decides.
func cuts(p []byte, seed uint64) (pieces [][]byte) {
	for len(p) > 0 {
		seed = seed*6364136223846793005 + 1442695040888963407
		n := min(len(p), int(seed>>60)+1)
		pieces = append(pieces, p[:n])
		p = p[n:]
	}
	return pieces
}

func FuzzDecoder(f *testing.F) {
	for _, tt := range streams {
		f.Add([]byte(tt.in), uint64(1), tt.nvt)
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, nvt bool) {
		data, events := decodeAll(&Decoder{NVT: nvt}, in)
		again, same := decodeAll(&Decoder{NVT: nvt}, cuts(in, seed)...)
		if !bytes.Equal(data, again) || !slices.Equal(events, same) {
			t.Errorf("%q in one piece gives %q and %q; in several %q and %q", in, data, events, again, same)
		}
		if len(data) > len(in) {
			t.Errorf("%d bytes became %d", len(in), len(data))
		}
	})
}

// TestDecoderComplete reads sub-negotiations of known lengths in which an IAC
// was not doubled, cut in every place.
func TestDecoderComplete(t *testing.T) {
	complete := func(opt byte, payload []byte) bool { return opt == 44 && len(payload) == 2 }
	tests := []struct{ in, data, sub string }{
		{"a\xff\xfa\x2c\x07\xff\xff\xf0b", "ab", "\x07\xff"},
		{"a\xff\xfa\x2c\x07\xff\xff\xff\xf0b", "ab", "\x07\xff"},
		{"a\xff\xfa\x2c\x07\x01\xff\xf0b", "ab", "\x07\x01"},
		{"a\xff\xfa\x2c\x07\xff\xff\x01\xff\xf0b", "ab", "\x07\xff\x01"},
		{"a\xff\xfa\x2d\x07\xff\xff\xf0\xff\xf0b", "ab", "\x07\xff\xf0"},
	}
	for _, tt := range tests {
		for cut := range len(tt.in) {
			d := &Decoder{Complete: complete}
			data, events := decodeAll(d, []byte(tt.in[:cut]), []byte(tt.in[cut:]))
			if string(data) != tt.data || len(events) != 1 || events[0] != event(1, Sub, 0, tt.in[3], tt.sub) {
				t.Errorf("%q cut at %d: data %q and %q, want %q and %q", tt.in, cut, data, events, tt.data, tt.sub)
			}
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	random := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{}).Read(random)
	for name, src := range map[string][]byte{
		"text":   bytes.Repeat([]byte("text"), 16<<10),
		"random": random,
		"storm":  bytes.Repeat([]byte{IAC}, 64<<10),
	} {
		wire := escapeAll(src, false, 4096)
		b.Run(name, func(b *testing.B) {
			var d Decoder
			buf := make([]byte, len(wire))
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				copy(buf, wire)
				for raw := buf; len(raw) > 0; {
					_, raw, _ = d.Next(raw)
				}
			}
		})
	}
}
