package capture

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// span is a state, or a wait of a script, in a recording.
type span struct {
	kind     spanKind
	from, to int // indexes of the first and the last event
	label    string
	limit    time.Duration // of a wait; 0: none
	place    string        // of a wait, in the script; may be empty
	outcome  outcome
	marks    []mark // the bytes that ended a wait
}

type spanKind int

const (
	spanState spanKind = iota
	spanWait
)

type outcome int

const (
	outcomeNone    outcome = iota // the wait ended without a record of how
	outcomeMatched                // what was awaited has arrived
	outcomeFailed                 // the limit passed, or the line was lost
)

// mark is a part of the data of an event.
type mark struct{ event, offset, len int }

// noteFields splits a note of Writer.Handler into its message and attributes.
func noteFields(note string) (message string, attrs map[string]string) {
	attrs = make(map[string]string)
	rest := note
	for {
		i := strings.IndexByte(rest, '=')
		if i < 0 {
			break
		}
		j := strings.LastIndexByte(rest[:i], ' ')
		if j < 0 {
			break
		}
		if len(attrs) == 0 {
			message = rest[:j]
		}
		key := rest[j+1 : i]
		rest = rest[i+1:]
		value, err := strconv.QuotedPrefix(rest)
		if err == nil {
			rest = rest[len(value):]
			value, _ = strconv.Unquote(value)
		} else if value, rest, _ = strings.Cut(rest, " "); rest != "" {
			rest = " " + rest
		}
		attrs[key] = value
	}
	if len(attrs) == 0 {
		message = note
	}
	return message, attrs
}

// spansOf finds the states and the waits in the notes of a recording.
func spansOf(events []Event) []span {
	var spans []span
	state, waits := -1, -1 // indexes of those that are open
	end := func(i int, at int, how outcome) {
		if i >= 0 {
			spans[i].to, spans[i].outcome = at, how
		}
	}
	for i := range events {
		e := &events[i]
		if e.Kind == End {
			end(waits, i, outcomeNone)
			end(state, i, outcomeNone)
			state, waits = -1, -1
		}
		if e.Kind != Note {
			continue
		}
		message, attrs := noteFields(e.Note)
		switch message {
		case "state", "warning: state":
			end(waits, i, outcomeNone)
			end(state, i, outcomeNone)
			label := attrs["state"]
			if text := attrs["text"]; text != "" {
				label += ": " + text
			}
			state, waits = len(spans), -1
			spans = append(spans, span{kind: spanState, from: i, to: i, label: label})
		case "waiting":
			end(waits, i, outcomeNone)
			limit, _ := time.ParseDuration(attrs["limit"])
			waits = len(spans)
			spans = append(spans, span{kind: spanWait, from: i, to: i, label: attrs["for"], limit: limit, place: attrs["place"]})
		case "matched":
			if waits >= 0 {
				s := &spans[waits]
				end(waits, i, outcomeMatched)
				s.marks = marksOf(events[:i], s, attrs["pattern"])
				waits = -1
			}
		case "wait failed":
			end(waits, i, outcomeFailed)
			waits = -1
		}
	}
	end(waits, len(events)-1, outcomeNone)
	end(state, len(events)-1, outcomeNone)
	return spans
}

// patterns returns the texts of a wait's label, which are quoted; nil is
// one that is no text.
func patterns(label string) (texts []string) {
	for label != "" {
		quoted, err := strconv.QuotedPrefix(label)
		if err != nil {
			return texts
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return texts
		}
		texts = append(texts, text)
		label = strings.TrimPrefix(label[len(quoted):], " or ")
	}
	return texts
}

// marksOf finds the bytes that ended a wait: the last place of the pattern in what
// was received up to there, which may be spread over several events. If it is not
// found, it is the last event with received bytes.
func marksOf(events []Event, s *span, pattern string) []mark {
	text := ""
	if n, err := strconv.Atoi(pattern); err == nil {
		if texts := patterns(s.label); n >= 0 && n < len(texts) {
			text = texts[n]
		}
	}
	port := events[s.from].Port
	var data []byte // from the end backwards, until the text is in it
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		if e.Kind != Received || e.Port != port || len(e.Data) == 0 {
			continue
		}
		if text == "" {
			return []mark{{i, 0, len(e.Data)}}
		}
		data = append(append(make([]byte, 0, len(e.Data)+len(data)), e.Data...), data...)
		at := bytes.LastIndex(lower(data), lower([]byte(text)))
		if at >= 0 {
			return spread(events, port, i, at, len(text))
		}
		if len(data) > len(text)+4096 || i < s.from && len(data) > 2*len(text) {
			break
		}
	}
	return nil
}

// lower returns b with its ASCII letters in lower case.
func lower(b []byte) []byte {
	l := bytes.Clone(b)
	for i, c := range l {
		if 'A' <= c && c <= 'Z' {
			l[i] = c + 'a' - 'A'
		}
	}
	return l
}

// spread returns the marks for n bytes that begin in the data of an event.
func spread(events []Event, port, i, at, n int) (marks []mark) {
	for ; i < len(events) && n > 0; i++ {
		e := &events[i]
		if e.Kind != Received || e.Port != port {
			continue
		}
		if k := min(n, len(e.Data)-at); k > 0 {
			marks = append(marks, mark{i, at, k})
			n -= k
		}
		at = max(at-len(e.Data), 0)
	}
	return marks
}
