package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseJob(t *testing.T) {
	script := `"script": {"language": "chat", "text": "ogin: hello"}`
	good := `{"id": "a-1", "class": "modem", "number": "555-0100", ` + script + `, "pause": {"BUSY": "60s"}, "not_before": "2026-01-02T03:04:05Z"}`
	j, err := parseJob([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := parseJob(text); err != nil || again.ID != "a-1" || again.pause("busy") != j.pause("BUSY") {
		t.Errorf("what was written is read as %+v, %v", again, err)
	}
	if _, err := parseJob([]byte(`{"id": "a", "class": "m", "entry": "isp", "phonebook": "wvdial.conf",
		"script": {"language": "chat", "text": "ogin: \\T word: \\U"}}`)); err != nil {
		t.Errorf("a script for the user of a phone book: %v", err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"no JSON", `{"id"`, "no job"},
		{"two values", good + good, "after the first"},
		{"unknown field", `{"id": "a", "password": "x"}`, `unknown field "password"`},
		{"no id", `{"class": "modem", ` + script + `}`, "id is missing"},
		{"wildcard id", `{"id": "*", "class": "modem", ` + script + `}`, "id"},
		{"id with a dot", `{"id": "a.b", "class": "modem", ` + script + `}`, "id"},
		{"long id", `{"id": "` + strings.Repeat("a", 65) + `", "class": "modem", ` + script + `}`, "at most 64"},
		{"class and line", `{"id": "a", "class": "modem", "line": "l1", ` + script + `}`, `one of "class" and "line"`},
		{"class with a wildcard", `{"id": "a", "class": ">", ` + script + `}`, "class"},
		{"credentials that are a path", `{"id": "a", "class": "m", "credentials": "../shadow", ` + script + `}`, "credentials"},
		{"command in the number", `{"id": "a", "class": "m", "number": "555;+CMGD=1", ` + script + `}`, "number"},
		{"line end in the number", `{"id": "a", "class": "m", "number": "555\rATH", ` + script + `}`, "number"},
		{"no script", `{"id": "a", "class": "m", "number": "555"}`, "script is missing"},
		{"script with an error", `{"id": "a", "class": "m", "script": {"language": "chat", "text": "\"ogin:"}}`, "script:1:"},
		{"unknown language", `{"id": "a", "class": "m", "script": {"language": "perl", "text": ""}}`, "perl"},
		{"a DLL", `{"id": "a", "class": "m", "script": {"language": "DLL", "text": ""}}`, "DLL"},
		{"password without credentials", `{"id": "a", "class": "m", "script": {"language": "chat", "text": "word: \\U"}}`, "password"},
		{"entry alone", `{"id": "a", "class": "m", "entry": "isp"}`, `"entry" and "phonebook"`},
		{"priority", `{"id": "a", "class": "m", "priority": 10, ` + script + `}`, "priority"},
		{"attempts", `{"id": "a", "class": "m", "attempts": -1, ` + script + `}`, "attempts"},
		{"pause", `{"id": "a", "class": "m", "pause": {"BUSY": "-1s"}, ` + script + `}`, "negative"},
		{"pause after no outcome", `{"id": "a", "class": "m", "pause": {"BUZY": "1s"}, ` + script + `}`, `pause "BUZY"`},
		{"no language", `{"id": "a", "class": "m", "script": {"text": "ogin: hello"}}`, "language is missing"},
		{"window", `{"id": "a", "class": "m", "not_before": "2026-01-02T00:00:00Z", "not_after": "2026-01-01T00:00:00Z", ` + script + `}`, "not_after"},
		{"size", `{"id": "a", "class": "m", "script": {"language": "chat", "text": "` + strings.Repeat("a", maxJob) + `"}}`, "bytes"},
		{"limit", `{"id": "a", "class": "m", "limit": "2h", ` + script + `}`, "limit"},
	} {
		if _, err := parseJob([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", test.name, err, test.want)
		}
	}
}

func FuzzParseJob(f *testing.F) {
	f.Add([]byte(`{"id": "a-1", "class": "modem", "number": "5550100", "script": {"language": "chat", "text": "ogin: hello"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parseJob(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(j.subject(), " *>\t\r\n") || strings.Count(j.subject(), ".") > 4 {
			t.Errorf("the subject is %q", j.subject())
		}
	})
}
