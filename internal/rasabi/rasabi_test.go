package rasabi

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextLimits(t *testing.T) {
	tests := []struct {
		name, text string
		field      Field
		want       error
	}{
		{"empty", "", Password, nil},
		{"as long as fits", strings.Repeat("p", 256), Password, nil},
		{"one too long", strings.Repeat("p", 257), Password, ErrTooLong},
		{"a DNS name is no NetBIOS domain", "corp.example.com", Domain, ErrTooLong},
		{"fifteen units", "corp.example.co", Domain, nil},
		{"a pair takes two units", strings.Repeat("😀", 8), Domain, ErrTooLong},
		{"seven pairs and one", strings.Repeat("😀", 7) + "x", Domain, nil},
		{"umlauts take one", strings.Repeat("ü", 15), Domain, nil},
		{"NUL inside", "a\x00b", UserName, ErrNUL},
		{"not UTF-8", "a\xffb", UserName, ErrEncoding},
		{"a number as long as fits", strings.Repeat("5", 128), PhoneNumber, nil},
		{"a number too long", strings.Repeat("5", 129), CallbackNumber, ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDialParams(Native, Windows7)
			if err := d.SetText(tt.field, "before"); err != nil {
				t.Fatal(err)
			}
			err := d.SetText(tt.field, tt.text)
			if !errors.Is(err, tt.want) {
				t.Fatalf("SetText = %v, want %v", err, tt.want)
			}
			want := tt.text
			if tt.want != nil {
				want = "before"
			}
			if got, err := d.Text(tt.field); got != want || err != nil {
				t.Errorf("Text = %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestSetTextTouchesOnlyItsField(t *testing.T) {
	d := NewDialParams(Ptr64, Windows7)
	for i := range d.Bytes()[4:] {
		d.Bytes()[4+i] = 0xAA
	}
	before := bytes.Clone(d.Bytes())
	if err := d.SetText(UserName, "ann"); err != nil {
		t.Fatal(err)
	}
	end := UserName.offset + 2*(UserName.limit+1)
	if !bytes.Equal(d.Bytes()[:UserName.offset], before[:UserName.offset]) || !bytes.Equal(d.Bytes()[end:], before[end:]) {
		t.Error("SetText wrote outside its field")
	}
	if rest := d.Bytes()[UserName.offset+6 : end]; len(bytes.Trim(rest, "\x00")) != 0 {
		t.Error("SetText left old text behind the NUL, where an old password could be read")
	}
}

func TestTextErrorsHoldNoText(t *testing.T) {
	d := NewDialParams(Native, Windows7)
	err := d.SetText(Password, strings.Repeat("hunter2", 40))
	var te *TextError
	if !errors.As(err, &te) || te.Field != "szPassword" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("SetText = %v; want a TextError for szPassword without the text", err)
	}
}

func TestDecodeTextRefusals(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"no NUL", []byte{'a', 0, 'b', 0}, ErrUnterminated},
		{"nothing", nil, ErrUnterminated},
		{"odd byte", []byte{'a', 0, 0}, ErrUnterminated},
		{"high surrogate alone", []byte{0x3D, 0xD8, 0, 0}, ErrEncoding},
		{"low surrogate alone", []byte{0x00, 0xDC, 'x', 0, 0, 0}, ErrEncoding},
		{"pair", []byte{0x3D, 0xD8, 0x00, 0xDE, 0, 0}, nil},
		{"a real U+FFFD", []byte{0xFD, 0xFF, 0, 0}, nil},
	}
	for _, tt := range tests {
		if _, err := DecodeText(tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: DecodeText = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestViewDialParams(t *testing.T) {
	whole := NewDialParams(Ptr64, Windows8).Bytes()
	tests := []struct {
		name string
		size uint32 // in dwSize
		have int    // bytes at hand
		want int    // of the image; 0: refused
	}{
		{"up to szDomain", 2096, 2120, 2096},
		{"without the whole of dwCallbackId", 2100, 2120, 2096},
		{"of 32 bits", 2104, 2120, 2096},
		{"before Windows 7", 2108, 2120, 2108},
		{"between versions", 2110, 2120, 2108},
		{"Windows 7", 2112, 2120, 2112},
		{"padded to 8 bytes", 2116, 2120, 2112},
		{"with szEncPassword", 2120, 2120, 2120},
		{"a later version", 2200, 2120, 2120},
		{"the ANSI form", 1064, 2120, 0},
		{"zero", 0, 2120, 0},
		{"without szDomain", 2092, 2120, 0},
		{"more than is there", 2112, 2108, 0},
		{"all ones", 0xFFFFFFFF, 2120, 0},
	}
	for _, tt := range tests {
		b := bytes.Clone(whole)[:tt.have]
		b[0], b[1], b[2], b[3] = byte(tt.size), byte(tt.size>>8), byte(tt.size>>16), byte(tt.size>>24)
		d, err := ViewDialParams(b, Ptr64)
		if (err == nil) != (tt.want > 0) || len(d.Bytes()) != tt.want {
			t.Errorf("%s: ViewDialParams = %d bytes, %v; want %d", tt.name, len(d.Bytes()), err, tt.want)
		}
	}
}

func TestNumbersRoundTrip(t *testing.T) {
	for _, p := range []PtrSize{Ptr32, Ptr64} {
		e, err := ViewExtensions(NewExtensions(p, 0xCAFEF00D).Bytes(), p)
		if err != nil || e.SetCommSettings() != 0xCAFEF00D || int(e.Size()) != ExtensionsSize(p) {
			t.Errorf("%d-byte pointers: extensions %v, %v", p, e, err)
		}
	}
	c := NewCommSettings(2, 1, 7)
	if c.Size() != 8 || c.Parity() != 2 || c.StopBits() != 1 || c.ByteSize() != 7 {
		t.Errorf("comm settings %v", c)
	}
}

func TestViewExtensionsSizes(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"too short for dwSize", []byte{12, 0}, false},
		{"dwSize too small", append([]byte{8, 0, 0, 0}, make([]byte, 8)...), false},
		{"a later version", append([]byte{24, 0, 0, 0}, make([]byte, 20)...), true},
		{"says more than is there", append([]byte{24, 0, 0, 0}, make([]byte, 4)...), false},
	} {
		var size *SizeError
		if _, err := ViewExtensions(tt.b, Ptr64); (err == nil) != tt.ok || err != nil && !errors.As(err, &size) {
			t.Errorf("%s: ViewExtensions = %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("ann", 257)
	f.Add("😀ü\x00", 8)
	f.Add("\xff", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 || n > 4096 {
			return
		}
		b := make([]byte, n)
		if err := EncodeText(b, s); err != nil {
			return
		}
		if got, err := DecodeText(b); got != s || err != nil {
			t.Errorf("DecodeText of EncodeText of %q = %q, %v", s, got, err)
		}
	})
}

func FuzzDecodeText(f *testing.F) {
	f.Add([]byte{'a', 0, 0, 0})
	f.Add([]byte{0x3D, 0xD8, 0x00, 0xDE, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeText(b)
		if err != nil {
			return
		}
		again := make([]byte, len(b))
		if err := EncodeText(again, s); err != nil || !utf8.ValidString(s) {
			t.Fatalf("DecodeText gave %q, which EncodeText refuses: %v", s, err)
		}
		if !bytes.HasPrefix(b, bytes.TrimRight(again, "\x00")) {
			t.Errorf("text %q does not encode to the bytes it came from", s)
		}
	})
}

func FuzzViewDialParams(f *testing.F) {
	f.Add(NewDialParams(Ptr64, Windows7).Bytes(), true)
	f.Add(NewDialParams(Ptr32, Windows2000).Bytes(), false)
	f.Fuzz(func(t *testing.T, b []byte, wide bool) {
		p := Ptr32
		if wide {
			p = Ptr64
		}
		d, err := ViewDialParams(b, p)
		if err != nil {
			return
		}
		for _, field := range []Field{EntryName, PhoneNumber, CallbackNumber, UserName, Password, Domain} {
			if s, err := d.Text(field); err == nil && d.SetText(field, s) != nil {
				t.Errorf("%s: its own text is refused", field.Name())
			}
		}
	})
}
