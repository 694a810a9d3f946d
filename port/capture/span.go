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
	port     int // whose bytes ended a wait
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

// spansOf finds the states and the waits in the notes of a recording. Each port has
// its own. Where a line is opened again its notes are still those of a port that has
// ended; they are about the port that has begun last.
func spansOf(events []Event) []span {
	var spans []span
	type open struct{ state, wait int } // indexes in spans; -1: none
	ports := make(map[int]*open)        // by index of the port
	ended := make(map[int]bool)
	last := 0
	end := func(i int, at int, how outcome) {
		if i >= 0 {
			spans[i].to, spans[i].outcome = at, how
		}
	}
	for i := range events {
		e := &events[i]
		o := ports[e.Port]
		if o == nil {
			o = &open{-1, -1}
			ports[e.Port], last = o, e.Port
		}
		if e.Kind == End && !ended[e.Port] {
			for index, o := range ports {
				if index == e.Port || e.Port == last && ended[index] {
					end(o.wait, i, outcomeNone)
					end(o.state, i, outcomeNone)
					o.state, o.wait = -1, -1
				}
			}
			ended[e.Port] = true
		}
		if e.Kind != Note {
			continue
		}
		index := e.Port // of the bytes
		if ended[index] {
			index = last
		}
		message, attrs := noteFields(e.Note)
		switch message {
		case "state", "warning: state":
			end(o.wait, i, outcomeNone)
			end(o.state, i, outcomeNone)
			label := attrs["state"]
			if text := attrs["text"]; text != "" {
				label += ": " + text
			}
			o.state, o.wait = len(spans), -1
			spans = append(spans, span{kind: spanState, port: index, from: i, to: i, label: label})
		case "waiting":
			end(o.wait, i, outcomeNone)
			limit, _ := time.ParseDuration(attrs["limit"])
			o.wait = len(spans)
			spans = append(spans, span{kind: spanWait, port: index, from: i, to: i, label: attrs["for"], limit: limit, place: attrs["place"]})
		case "matched":
			if o.wait >= 0 {
				s := &spans[o.wait]
				end(o.wait, i, outcomeMatched)
				s.marks = marksOf(events[:i], s, attrs["pattern"])
				o.wait = -1
			}
		case "wait failed":
			end(o.wait, i, outcomeFailed)
			o.wait = -1
		}
	}
	for _, o := range ports {
		end(o.wait, len(events)-1, outcomeNone)
		end(o.state, len(events)-1, outcomeNone)
	}
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
	port := s.port
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
