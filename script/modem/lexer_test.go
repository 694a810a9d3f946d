package modem

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script"
)

// readLines returns the lines that a Modem reads of s, up to silence, and what is
// left unread after the first count of them. The bytes arrive in pieces.
func readLines(t *testing.T, s string, piece, count int, prepare func(m *Modem)) (lines []string, rest string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		go func() {
			for from := 0; from < len(s); from += piece {
				far.Write([]byte(s[from:min(from+piece, len(s))]))
				<-time.After(time.Millisecond)
			}
		}()
		res, err := script.Run(t.Context(), near, withModem(nil, func(ctx context.Context, m *Modem) error {
			prepare(m)
			for len(lines) < count {
				l, err := m.readLine(ctx, time.Now().Add(time.Second))
				if script.IsTimeout(err) {
					return nil
				}
				if err != nil {
					return err
				}
				text := l.text
				if r, known := m.result(l); known && r.Numeric {
					text = "#" + text
				}
				lines = append(lines, text)
			}
			return nil
		}), nil)
		if err != nil {
			t.Error(err)
		}
		<-time.After(time.Second)
		near.SetReadDeadline(time.Now().Add(time.Second))
		b := make([]byte, len(s)+64)
		n, _ := near.Read(b)
		rest = string(res.Unread) + string(b[:n])
	})
	return lines, rest
}

func TestReadLine(t *testing.T) {
	verboseModem := func(m *Modem) { m.notation = verbose }
	unknown := func(m *Modem) {}
	tests := []struct {
		name, in string
		prepare  func(m *Modem)
		want     []string // "#" marks a numeric result
	}{
		{"verbose", "\r\nOK\r\n", unknown, []string{"OK"}},
		{"verbose after echo", "ATI\r\r\nmodem\r\n\r\nOK\r\n", unknown, []string{"ATI", "modem", "OK"}},
		{"numeric", "0\r", unknown, []string{"#0"}},
		{"numeric, framed", "\r\n0\r\n", unknown, []string{"#0"}},
		{"numeric after echo", "ATI\rmodem\r\n0\r", unknown, []string{"ATI", "modem", "#0"}},
		{"numbers are information in verbose mode", "\r\n7\r\n\r\nOK\r\n", verboseModem, []string{"7", "OK"}},
		{"registers are no results", "013\r\n0\r", unknown, []string{"013", "#0"}},
		{"unknown numbers are no results", "99\r\n0\r", unknown, []string{"99", "#0"}},
		{"line feeds alone", "OK\nOK\n", unknown, []string{"OK", "OK"}},
		{"carriage returns alone", "\r+CSQ: 1\r\rOK\r", unknown, []string{"+CSQ: 1", "OK"}},
		{"empty lines", "\r\n\r\n\n\r\r\nOK\r\n", unknown, []string{"OK"}},
		{"NULs are dropped", "\x00O\x00K\x00\r\x00\n", unknown, []string{"OK"}},
		{"a line without its end", "OK", unknown, []string{"OK"}},
	}
	for _, tt := range tests {
		for _, piece := range []int{1, 2, 3, 100} {
			if got, _ := readLines(t, tt.in, piece, 100, tt.prepare); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s in pieces of %d: %q\ngot  %q\nwant %q", tt.name, piece, tt.in, got, tt.want)
			}
		}
	}
}

// What follows a CONNECT is the peer's, to the byte, whatever the ends of lines
// are and however the bytes arrive.
func TestNothingAfterConnectIsRead(t *testing.T) {
	for _, tt := range []struct {
		answer string
		ends   [2]string
		lines  int
	}{
		{"\r\nCONNECT 9600\r\n", [2]string{}, 1},
		{"\r\nCONNECT 9600\r\n", [2]string{"\r\n", ""}, 1},
		{"\rCONNECT 9600\r", [2]string{"\r", ""}, 1},
		{"\nCONNECT 9600\n", [2]string{"\n", ""}, 1},
		{"\n\rCONNECT 9600\n\r", [2]string{"\n\r", ""}, 1},
		{"\r\r\nCONNECT 9600\r\r\n", [2]string{"\r\r\n", ""}, 1},
		{"ATD1\r\r\nCONNECT\r\n", [2]string{"\r\n", ""}, 2},
		{"1\r", [2]string{"", "\r"}, 1},
		{"\r\n1\r\n", [2]string{"", "\r\n"}, 1},
		{"ATD1\r19\r", [2]string{"", "\r"}, 2},
	} {
		for _, data := range []string{"DATA", "\r\nDATA", "\nDATA", "\x00\xFF~}#", "~"} {
			if data[0] == '\n' && tt.ends[0] == "" && tt.ends[1] == "" {
				continue // a LF may belong to the end of a modem that is not known
			}
			for _, piece := range []int{1, 2, 5, 100} {
				lines, rest := readLines(t, tt.answer+data, piece, tt.lines, func(m *Modem) { m.in.ends = tt.ends })
				if rest != data || len(lines) != tt.lines {
					t.Errorf("%q with %q in pieces of %d: lines %q, the next byte read begins %q, want all of it", tt.answer, data, piece, lines, rest)
				}
			}
		}
	}
}

// A bare CR may end the lines of a modem that is not known, and data follows.
func TestBareCRBeforeData(t *testing.T) {
	lines, rest := readLines(t, "\rCONNECT 9600\rDATA", 100, 1, func(*Modem) {})
	if !reflect.DeepEqual(lines, []string{"CONNECT 9600"}) || rest != "DATA" {
		t.Errorf("lines %q, rest %q", lines, rest)
	}
}

func TestLinesAreBounded(t *testing.T) {
	lines, _ := readLines(t, strings.Repeat("x", 10*lineLimit)+"\r\nOK\r\n", 1000, 100, func(*Modem) {})
	if len(lines) != 2 || len(lines[0]) != lineLimit || lines[1] != "OK" {
		t.Errorf("got %d lines, want one cut to %d and OK", len(lines), lineLimit)
	}
}

func FuzzReadLine(f *testing.F) {
	for _, s := range []string{"\r\nOK\r\n", "ATI\rmodem\r\n0\r", "\r\n7\r\n\r\nOK\r\n", "\r\r\n\n1\r~\xFF}#", "\x00\r\x00\n"} {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, s string, piece uint8) {
		if len(s) > 300 {
			return
		}
		whole, _ := readLines(t, s, len(s)+1, 1000, func(*Modem) {})
		cut, _ := readLines(t, s, int(piece)%7+1, 1000, func(*Modem) {})
		if !reflect.DeepEqual(whole, cut) {
			t.Errorf("%q: lines %q at once and %q in pieces", s, whole, cut)
		}
		want := strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s)
		if got := strings.ReplaceAll(strings.Join(whole, ""), "#", ""); got != strings.ReplaceAll(want, "#", "") {
			t.Errorf("%q: lines hold %q, want every character", s, got)
		}
	})
}
