package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestNoteFields(t *testing.T) {
	tests := []struct {
		note, message string
		attrs         map[string]string
	}{
		{"", "", map[string]string{}},
		{"just words", "just words", map[string]string{}},
		{"state state=RASCS_OpenPort", "state", map[string]string{"state": "RASCS_OpenPort"}},
		{`waiting for="\"ogin: \" or \"a=b\"" limit=1m0s`, "waiting", map[string]string{"for": `"ogin: " or "a=b"`, "limit": "1m0s"}},
		{"modem: hang up step=DTR x=", "modem: hang up", map[string]string{"step": "DTR", "x": ""}},
		{"=", "=", map[string]string{}},
		{`x a="open`, "x", map[string]string{"a": `"open`}},
	}
	for _, tt := range tests {
		message, attrs := noteFields(tt.note)
		if message != tt.message || !reflect.DeepEqual(attrs, tt.attrs) {
			t.Errorf("noteFields(%q) = %q, %q; want %q, %q", tt.note, message, attrs, tt.message, tt.attrs)
		}
	}
}

// TestSpans has the states and waits of a recording, and the bytes that ended
// each wait, also where they are spread over several events.
func TestSpans(t *testing.T) {
	var events []Event
	add := func(kind Kind, text string) {
		e := Event{Time: time.Unix(int64(len(events)), 0), Kind: kind}
		if kind == Note {
			e.Note = text
		} else {
			e.Data = []byte(text)
		}
		events = append(events, e)
	}
	add(Note, "state state=RASCS_OpenPort text=line")
	add(Note, "state state=RASCS_Interactive")
	add(Note, `waiting for="\"word\" or \"OGIN: \"" limit=30s`)
	add(Received, "\xffhello lo")
	add(Received, "gin")
	add(Sent, "x")
	add(Received, ": ")
	add(Note, "matched pattern=1")
	add(Note, `waiting for="/re+/" limit=5s`)
	add(Received, "some reeee")
	add(Note, "matched pattern=0")
	add(Note, `waiting for=never limit=2s place="my login.scp:12"`)
	add(Received, "other")
	add(Note, "wait failed error=timeout")
	add(Note, "waiting for=more")
	add(End, "")
	want := []string{
		"0 0-1 0 0s RASCS_OpenPort: line []",
		"0 1-15 0 0s RASCS_Interactive []",
		`1 2-7 1 30s "word" or "OGIN: " [{3 8 1} {4 0 3} {6 0 2}]`,
		"1 8-10 1 5s /re+/ [{9 0 10}]",
		"1 11-13 2 2s never my login.scp:12[]",
		"1 14-15 0 0s more []",
	}
	var got []string
	for _, s := range spansOf(events) {
		got = append(got, fmt.Sprint(int(s.kind), " ", s.from, "-", s.to, " ", int(s.outcome), " ", s.limit, " ", s.label, " ", s.place, s.marks))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzData writes events with any bytes and notes: the data is JSON without '<',
// and the bytes are in it.
func FuzzData(f *testing.F) {
	f.Add([]byte("login: "), "state state=RASCS_OpenPort")
	f.Add([]byte("</script>\x00\xff"), "waiting for=\"\\\"x\\\"\" limit=3s\u202e\U0001F600<")
	f.Fuzz(func(t *testing.T, data []byte, note string) {
		note = strings.ToValidUTF8(note, "?")
		events := []Event{{Kind: Note, Note: note}, {Kind: Received, Data: data}, {Kind: Note, Note: "matched pattern=0"}}
		var out bytes.Buffer
		b := bufio.NewWriter(&out)
		writeData(b, events, []string{note}, note)
		b.Flush()
		if bytes.ContainsAny(out.Bytes(), "<>&") {
			t.Errorf("the data has markup: %s", out.Bytes())
		}
		var all struct {
			Events [][]any
			Ports  []string
		}
		if err := json.Unmarshal(out.Bytes(), &all); err != nil {
			t.Fatalf("%v in\n%s", err, out.Bytes())
		}
		if len(data) > 0 {
			var got []byte
			for _, r := range all.Events[1][4].(string) {
				got = append(got, byte(r))
			}
			if !bytes.Equal(got, data) {
				t.Errorf("the page has %q, want %q", got, data)
			}
		}
		if all.Ports[0] != visible(note) {
			t.Errorf("the page has %q, want %q", all.Ports[0], visible(note))
		}
	})
}

// TestSpansOfSeveralPorts has two ports at the same time, and then a third one
// whose notes are the first one's.
func TestSpansOfSeveralPorts(t *testing.T) {
	events := []Event{
		{Port: 0, Kind: Note, Note: "state state=A"},
		{Port: 0, Kind: Note, Note: `waiting for="\"x\""`},
		{Port: 1, Kind: Note, Note: "state state=B"},
		{Port: 1, Kind: End},
		{Port: 0, Kind: Received, Data: []byte("x")},
		{Port: 0, Kind: Note, Note: "matched pattern=0"},
		{Port: 0, Kind: End},
		{Port: 0, Kind: Note, Note: "state state=C"},
		{Port: 2, Kind: LinesChanged},
		{Port: 0, Kind: Note, Note: "state state=D"},
		{Port: 0, Kind: Note, Note: `waiting for="\"y\""`},
		{Port: 2, Kind: Received, Data: []byte("y")},
		{Port: 0, Kind: Note, Note: "matched pattern=0"},
		{Port: 2, Kind: End},
		{Port: 3, Kind: LinesChanged},
	}
	want := "A 0-6 0 []\n\"x\" 1-5 1 [{4 0 1}]\nB 2-3 0 []\nC 7-9 0 []\nD 9-13 0 []\n\"y\" 10-12 1 [{11 0 1}]\n"
	var got strings.Builder
	for _, s := range spansOf(events) {
		fmt.Fprintln(&got, fmt.Sprintf("%s %d-%d %d", s.label, s.from, s.to, s.outcome), s.marks)
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}
