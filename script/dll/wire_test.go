package dll

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rasline/rasline/ras"
)

func TestMessagesRoundTrip(t *testing.T) {
	sent := []message{
		{kind: mHello, value: protocolVersion},
		{kind: mSend, id: 1, buffer: 2, data: []byte("password\r")},
		{kind: mReply, id: 0xFFFFFFFF, buffer: 3, value: 1500, limit: 4, code: ras.ErrRequestTimeout},
		{kind: mStart, data: bytes.Repeat([]byte("x"), maxMessage)},
	}
	var stream bytes.Buffer
	w := &messageWriter{w: &stream}
	for _, m := range sent {
		if err := w.write(m); err != nil {
			t.Fatal(err)
		}
	}
	r := iotest.OneByteReader(&stream)
	for _, want := range sent {
		got, err := readMessage(r)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("readMessage = %+v, %v; want %+v", got, err, want)
		}
	}
	if _, err := readMessage(r); err != io.EOF {
		t.Errorf("readMessage at the end = %v, want io.EOF", err)
	}
}

func TestReadMessageRefusals(t *testing.T) {
	whole := (&message{kind: mSend, data: []byte("abc")}).appendTo(nil)
	for n := 1; n < len(whole); n++ {
		if _, err := readMessage(bytes.NewReader(whole[:n])); err != io.ErrUnexpectedEOF {
			t.Errorf("a message cut after %d bytes: %v, want io.ErrUnexpectedEOF", n, err)
		}
	}
	for _, tt := range []struct {
		name   string
		length []byte
	}{
		{"shorter than its header", []byte{20, 0, 0, 0}},
		{"longer than any", []byte{0, 0, 0x10, 0}},
		{"of four gigabytes", []byte{0xFF, 0xFF, 0xFF, 0xFF}},
	} {
		if _, err := readMessage(bytes.NewReader(append(tt.length, make([]byte, 64)...))); !errors.Is(err, errProtocol) {
			t.Errorf("a message %s: %v, want errProtocol", tt.name, err)
		}
	}
}

func TestJobRoundTrip(t *testing.T) {
	want := &job{
		path: `C:\old.dll`, port: 0x1234, phonebook: `C:\rasphone.pbk`, entry: "Büro", window: 1 << 40, header: HeaderWindowsNT4,
		params: ras.DialParams{EntryName: "Büro", PhoneNumber: "555", CallbackNumber: "556", UserName: "ann", Password: "secret", Domain: "D"},
	}
	got, err := decodeJob(encodeJob(want))
	if err != nil || *got != *want {
		t.Errorf("decodeJob = %+v, %v; want %+v", got, err, want)
	}
	for n := range encodeJob(want) {
		if _, err := decodeJob(encodeJob(want)[:n]); !errors.Is(err, errProtocol) {
			t.Errorf("a job cut after %d bytes: %v, want errProtocol", n, err)
		}
	}
	if _, err := decodeJob(append(encodeJob(want), 0)); !errors.Is(err, errProtocol) {
		t.Errorf("a job with a byte too many: %v, want errProtocol", err)
	}
}

func TestWriterKeepsNoSecrets(t *testing.T) {
	var stream bytes.Buffer
	w := &messageWriter{w: &stream}
	w.write(message{kind: mStart, data: encodeJob(&job{params: ras.DialParams{Password: "hunter2"}})})
	if bytes.Contains(w.buf[:cap(w.buf)], []byte("hunter2")) {
		t.Error("the writer still holds the password")
	}
}

func FuzzReadMessage(f *testing.F) {
	f.Add((&message{kind: mSend, id: 1, data: []byte("abc")}).appendTo(nil))
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		if again := m.appendTo(nil); !bytes.HasPrefix(b, again) {
			t.Errorf("%+v does not encode to what it came from", m)
		}
	})
}

func FuzzDecodeJob(f *testing.F) {
	f.Add(encodeJob(&job{path: "p", entry: "e"}))
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := decodeJob(b)
		if err == nil && !bytes.Equal(encodeJob(j), b) && uint64(j.port) != 0 {
			t.Errorf("%+v does not encode to what it came from", j)
		}
		decodeResult(message{kind: mDone, data: b})
	})
}
