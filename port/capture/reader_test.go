package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

// sample returns a recording of every kind of event and option.
func sample(t testing.TB) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, &capture.Config{Name: "line"})
	if err != nil {
		t.Fatal(err)
	}
	a, b := virtual.Pair()
	p := capture.Record(a, w)
	p.(port.Hider).Hide("hunter22")
	b.Write([]byte("login: "))
	p.Read(make([]byte, 10))
	p.Write([]byte("hunter22\r"))
	slog.New(w.Handler()).Info("state", "state", "RASCS_Connected")
	p.(port.BreakSetter).SetBreak(true)
	b.Close()
	p.Close()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// blocks returns the offsets of the blocks of a little-endian file, and its end.
func blocks(file []byte) (at []int) {
	for i := 0; i < len(file); i += int(binary.LittleEndian.Uint32(file[i+4:])) {
		at = append(at, i)
	}
	return append(at, len(file))
}

// TestCutFile cuts a file at every byte: the whole blocks are read, and the error
// has the offset.
func TestCutFile(t *testing.T) {
	file := sample(t)
	whole := readAll(t, file)
	ends := blocks(file)
	for cut := range file {
		r, err := capture.NewReader(bytes.NewReader(file[:cut]))
		n := 0
		for err == nil {
			if _, err = r.Next(); err == nil {
				n++
			}
		}
		complete := 0 // blocks
		for complete+1 < len(ends) && ends[complete+1] <= cut {
			complete++
		}
		if want := max(complete-2, 0); n != want {
			t.Fatalf("cut at %d: %d events, want %d of %d", cut, n, want, len(whole))
		}
		var format *capture.FormatError
		switch clean := ends[complete] == cut; {
		case clean && complete >= 1:
			if err != io.EOF {
				t.Fatalf("cut at %d, between two blocks: %v", cut, err)
			}
		case !errors.As(err, &format):
			t.Fatalf("cut at %d: %v, want a FormatError", cut, err)
		case !clean && cut > 4 && (!errors.Is(err, io.ErrUnexpectedEOF) || format.Offset != int64(ends[complete])):
			t.Fatalf("cut at %d: %v, want offset %d", cut, err, ends[complete])
		}
	}
}

func TestBadFiles(t *testing.T) {
	file := sample(t)
	change := func(at int, b ...byte) []byte {
		bad := bytes.Clone(file)
		copy(bad[at:], b)
		return bad
	}
	at := blocks(file)
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "at offset 0: the file is empty"},
		{"text", []byte("hello, this is not a capture"), "at offset 0: this is no pcapng file"},
		{"pcap", []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0}, "at offset 0: this is no pcapng file"},
		{"Ethernet", change(at[1]+8, 1, 0), "no interface of link type 250"},
		{"no magic", change(8, 1, 2, 3, 4), "no byte-order magic"},
		{"version 2", change(12, 2), "version 2"},
		{"length odd", change(at[1]+4, 13), fmt.Sprintf("at offset %d: a block has the length 13", at[1])},
		{"length short", change(at[2]+4, 8, 0, 0, 0), fmt.Sprintf("at offset %d: a block has the length 8", at[2])},
		{"length long", change(at[2]+4, 0, 0, 0, 8), fmt.Sprintf("at offset %d: a block of", at[2])},
		{"lengths differ", change(at[3]-4, 16), "at its end"},
		{"data long", change(at[2]+20, 255, 255, 0, 0), "a packet has 65535 bytes"},
		{"data short", change(at[2]+20, 3, 0, 0, 0), "a packet has 3 bytes"},
		{"interface", change(at[2]+8, 7), "interface 7, which the section does not have"},
		{"event type", change(at[2]+28+8, 99), "event type 99"},
		{"option", change(at[1]+16+2, 255, 255), "the options of a block are longer"},
		{"resolution", change(bytes.Index(file, []byte{9, 0, 1, 0, 9})+4, 25), "resolution of 10**-25"},
		{"hidden", bytes.Replace(file, []byte("rasline:hidden 0 8"), []byte("rasline:hidden 0 9"), 1), ""},
		{"hidden out of it", bytes.Replace(file, []byte("rasline:hidden 0 8"), []byte("rasline:hidden 8 8"), 1), "marks 8 bytes at 8 as hidden"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := capture.NewReader(bytes.NewReader(test.file))
			for err == nil {
				_, err = r.Next()
			}
			if test.want == "" {
				if err != io.EOF {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			if !errors.As(err, new(*capture.FormatError)) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want a FormatError with %q", err, test.want)
			}
		})
	}
}

// TestSectionHeaderAlone reads what tshark(1) reads too: a recording without events.
func TestSectionHeaderAlone(t *testing.T) {
	file := sample(t)
	r, err := capture.NewReader(bytes.NewReader(file[:blocks(file)[1]]))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.Next(); err != io.EOF || len(r.Ports()) != 0 {
			t.Errorf("Next: %v, ports %v; want the end, and none", err, r.Ports())
		}
	}
}

// TestOtherMakers reads what other programs make of a recording: the other byte
// order, other resolutions, several sections, other interfaces.
func TestOtherMakers(t *testing.T) {
	var file bytes.Buffer
	block := func(order binary.ByteOrder, kind uint32, parts ...any) {
		var body bytes.Buffer
		for _, p := range parts {
			if err := binary.Write(&body, order, p); err != nil {
				t.Fatal(err)
			}
		}
		for body.Len()%4 != 0 {
			body.WriteByte(0)
		}
		n := uint32(body.Len() + 12)
		binary.Write(&file, order, []uint32{kind, n})
		file.Write(body.Bytes())
		binary.Write(&file, order, n)
	}
	const micro = 1_700_000_000_250_000
	serial := func(kind byte, text string) []byte { return append(append(make([]byte, 8), kind, 2, 0, 0), text...) }
	packet := func(order binary.ByteOrder, port uint32, stamp uint64, data []byte) {
		block(order, 6, port, uint32(stamp>>32), uint32(stamp), uint32(len(data)), uint32(len(data)), data)
	}
	for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
		block(order, 0x0A0D0D0A, uint32(0x1A2B3C4D), uint16(1), uint16(0), int64(-1))
		block(order, 1, uint16(1), uint16(0), uint32(0))                                            // Ethernet
		block(order, 1, uint16(250), uint16(0), uint32(0))                                          // microseconds
		block(order, 1, uint16(250), uint16(0), uint32(0), uint16(9), uint16(1), [4]byte{0x80 | 2}) // quarters of a second
		block(order, 1, uint16(250), uint16(0), uint32(0), uint16(9), uint16(1), [4]byte{9}, uint16(14), uint16(8), int64(-3600))
		packet(order, 0, 1, make([]byte, 60))
		packet(order, 1, micro, serial(2, "micro"))
		packet(order, 2, 1_700_000_000*4+1, serial(1, "quarter"))
		packet(order, 3, 1_700_003_600_250_000_000, serial(2, "nano"))
		block(order, 3, uint32(4), [4]byte{})      // a packet without a time
		block(order, 5, uint32(1), uint64(0))      // statistics
		block(order, 0x0BAD, uint32(1), uint64(0)) // private
		packet(order, 1, micro, serial(4, ""))     // the end of receiving
	}
	r, err := capture.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	want := time.UnixMicro(micro)
	var got []string
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !e.Time.Equal(want) || e.Lines != port.DCD {
			t.Errorf("%s at %v with %v, want at %v with DCD", e.Data, e.Time, e.Lines, want)
		}
		got = append(got, fmt.Sprintf("%d %v %s", e.Port, e.Kind, e.Data))
	}
	if want := "0 received micro|1 sent quarter|2 received nano|0 note |3 received micro|4 sent quarter|5 received nano|3 note "; strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	if r.Skipped() != 4 || len(r.Ports()) != 6 {
		t.Errorf("%d packets skipped, %d ports; want 4 and 6", r.Skipped(), len(r.Ports()))
	}
}

// FuzzReader reads anything: no panic, and an error or the end.
func FuzzReader(f *testing.F) {
	file := sample(f)
	f.Add(file)
	f.Add(file[:len(file)/2])
	at := blocks(file)
	f.Add(append(bytes.Clone(file), file[at[0]:]...)) // a second section
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := capture.NewReader(bytes.NewReader(file))
		size := 0
		for err == nil {
			var e capture.Event
			if e, err = r.Next(); err != nil {
				break
			}
			size += len(e.Data)
			for _, s := range e.Secrets {
				_ = e.Data[s.Offset : s.Offset+s.Len]
			}
			if e.Port >= len(r.Ports()) {
				t.Fatalf("event of port %d of %d", e.Port, len(r.Ports()))
			}
		}
		if size > len(file) {
			t.Errorf("%d bytes of data in a file of %d", size, len(file))
		}
		if err != io.EOF && !errors.As(err, new(*capture.FormatError)) {
			t.Errorf("error %v (%T)", err, err)
		}
	})
}

// TestUnreadableFile has an error of the io.Reader before the first byte.
func TestUnreadableFile(t *testing.T) {
	cause := errors.New("is a directory")
	_, err := capture.NewReader(iotest.ErrReader(cause))
	if !errors.Is(err, cause) || !errors.As(err, new(*capture.FormatError)) {
		t.Errorf("NewReader: %v, want %v", err, cause)
	}
}

func TestPageOfAPortThatIsNotThere(t *testing.T) {
	r, err := capture.NewReader(bytes.NewReader(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	var p *capture.PortError
	var page bytes.Buffer
	if err := capture.WriteHTML(&page, r, &capture.HTMLConfig{Port: "nosuch"}); !errors.As(err, &p) || p.Name != "nosuch" || page.Len() > 0 {
		t.Errorf("WriteHTML: %v and %d bytes, want a PortError and none", err, page.Len())
	}
}
