package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scriptfile"
)

// Limits of a job.
const (
	maxJob       = 256 << 10 // bytes of its JSON text
	maxAttempts  = 100
	maxPriority  = 9
	maxCallTime  = time.Hour
	defaultTries = 3
	defaultPause = time.Minute
	defaultLimit = 5 * time.Minute
)

// pauseOutcomes are the outcomes that "pause" can name: those with which a call can
// fail. UNKNOWN is what no modem has reported, such as a script that failed.
var pauseOutcomes = []modem.Outcome{modem.Busy, modem.NoAnswer, modem.NoCarrier, modem.NoDialtone, modem.Voice, modem.Delayed,
	modem.Blacklisted, modem.Failed, modem.TimedOut, modem.OK, modem.Ring, modem.Ongoing, modem.Unknown}

// nameRule is the form of ids, lines, classes and workers: they become parts of
// subjects and keys, in which NATS gives other characters a meaning.
var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// fileRule is the form of the names of credentials and phone books, which are
// names of files.
var fileRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

// Job is a call that is to be made. It holds no password: Credentials is a name
// that the worker resolves in its own directory.
type Job struct {
	ID          string              `json:"id"`
	Class       string              `json:"class,omitempty"` // of the line; or
	Line        string              `json:"line,omitempty"`  // the name of one line
	Number      string              `json:"number,omitempty"`
	Entry       string              `json:"entry,omitempty"` // of Phonebook
	Phonebook   string              `json:"phonebook,omitempty"`
	Script      *Script             `json:"script,omitempty"`
	Params      Params              `json:"params,omitzero"`
	Credentials string              `json:"credentials,omitempty"`
	NotBefore   time.Time           `json:"not_before,omitzero"`
	NotAfter    time.Time           `json:"not_after,omitzero"`
	Attempts    int                 `json:"attempts,omitempty"` // default 3
	Pause       map[string]Duration `json:"pause,omitempty"`    // by outcome of the modem; default 60 s
	Priority    int                 `json:"priority,omitempty"` // 0 to 9, higher first
	Limit       Duration            `json:"limit,omitempty"`    // of one call; default 5 min
	Keep        string              `json:"keep,omitempty"`     // "output" (default) or "none"
}

// Script is the script of a job, in a language of package scriptfile.
type Script struct {
	Language string `json:"language"`
	Text     string `json:"text"`
}

// Params are the parameters of a call that are not secret.
type Params struct {
	User   string `json:"user,omitempty"`
	Domain string `json:"domain,omitempty"`
}

// Duration is a time.Duration that JSON has as "60s".
type Duration time.Duration

// MarshalText returns the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads; less than 0 is refused.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err == nil && v < 0 {
		err = fmt.Errorf("the duration %s is negative", b)
	}
	*d = Duration(v)
	return err
}

// The outcomes of a job.
const (
	outcomeOK        = "ok"
	outcomeFailed    = "failed"
	outcomeCancelled = "cancelled"
)

// Result is the final result of a job. There is exactly one for each job.
type Result struct {
	ID      string        `json:"id"`
	Outcome string        `json:"outcome"`
	Code    ras.Code      `json:"code"`
	Error   string        `json:"error,omitempty"`
	Attempt int           `json:"attempt"` // that ended the job, from 1; 0: no call was made
	Line    string        `json:"line,omitempty"`
	Worker  string        `json:"worker,omitempty"`
	Started time.Time     `json:"started,omitzero"`
	Took    Duration      `json:"took"`
	Output  string        `json:"output,omitempty"`
	Capture string        `json:"capture,omitempty"` // name of the object
	History []callAttempt `json:"history,omitempty"` // of the attempts before
}

// parseJob reads one job and checks everything that can be checked without a line.
// The error is one line for each finding.
func parseJob(text []byte) (*Job, error) {
	if len(text) > maxJob {
		return nil, fmt.Errorf("the job has %d bytes; at most %d are accepted", len(text), maxJob)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	j := new(Job)
	if err := d.Decode(j); err != nil {
		return nil, fmt.Errorf("no job: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("no job: there is more text after the first JSON value")
	}
	return j, j.check()
}

// check returns what is wrong with a job, or nil.
func (j *Job) check() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	name := func(field, value string, rule *regexp.Regexp) {
		if value != "" && !rule.MatchString(value) {
			bad("%s %.80q: only A to Z, a to z, digits, '-' and '_' are accepted, at most 64", field, value)
		}
	}
	if j.ID == "" {
		bad("id is missing")
	}
	name("id", j.ID, nameRule)
	name("class", j.Class, nameRule)
	name("line", j.Line, nameRule)
	name("credentials", j.Credentials, fileRule)
	name("phonebook", j.Phonebook, fileRule)
	if (j.Class == "") == (j.Line == "") {
		bad(`one of "class" and "line" is needed`)
	}
	if (j.Entry == "") != (j.Phonebook == "") {
		bad(`"entry" and "phonebook" are needed together`)
	}
	if j.Entry != "" && j.Number != "" {
		bad(`"number" and "entry" exclude each other`)
	}
	if j.Script == nil && j.Entry == "" {
		bad("script is missing")
	}
	if j.Attempts < 0 || j.Attempts > maxAttempts {
		bad("attempts %d: 1 to %d are accepted", j.Attempts, maxAttempts)
	}
	if j.Priority < 0 || j.Priority > maxPriority {
		bad("priority %d: 0 to %d are accepted", j.Priority, maxPriority)
	}
	for _, outcome := range slices.Sorted(maps.Keys(j.Pause)) {
		if !slices.ContainsFunc(pauseOutcomes, func(o modem.Outcome) bool { return strings.EqualFold(o.String(), outcome) }) {
			bad("pause %.80q: the outcomes %q are accepted", outcome, pauseOutcomes)
		}
	}
	if time.Duration(j.Limit) > maxCallTime {
		bad("limit %v: at most %v are accepted", time.Duration(j.Limit), maxCallTime)
	}
	if j.Keep != "" && j.Keep != "output" && j.Keep != "none" {
		bad(`keep %.80q: "output" and "none" are accepted`, j.Keep)
	}
	if !j.NotAfter.IsZero() && !j.NotAfter.After(j.NotBefore) {
		bad("not_after is not after not_before")
	}
	if j.Number != "" {
		e := dialup.Entry{Port: "line", Dialer: &modem.Dialer{Numbers: []string{j.Number}}}
		if err := e.Check(); err != nil {
			bad("number: %w", errors.Unwrap(err))
		}
	}
	if j.Script != nil {
		s, err := j.Script.load()
		if err != nil {
			all = append(all, err)
		} else {
			p := ras.DialParams{UserName: j.Params.User, PhoneNumber: j.Number, Domain: j.Params.Domain}
			if j.Credentials != "" || j.Entry != "" {
				p.Password = "known to the worker"
			}
			if j.Entry != "" { // the phone book has it
				p.UserName = cmp.Or(p.UserName, "known to the worker")
				p.PhoneNumber = "0"
			}
			if err := s.Check(&p); err != nil {
				bad("script: %w", err)
			}
		}
	}
	return errors.Join(all...)
}

// load parses the script. A DLL is refused: it is code of the submitter's.
func (s *Script) load() (*scriptfile.Script, error) {
	if s.Language == "" {
		return nil, errors.New("script: language is missing: scp, switchinf, chat and runscript are accepted")
	}
	if strings.EqualFold(s.Language, "dll") {
		return nil, errors.New("script: a DLL is not run for a job")
	}
	return scriptfile.Load("script", []byte(s.Text), &scriptfile.Config{Language: s.Language})
}

func (j *Job) limit() time.Duration {
	if j.Limit == 0 {
		return defaultLimit
	}
	return time.Duration(j.Limit)
}

// pause returns how long to wait after an outcome of the modem, such as BUSY.
func (j *Job) pause(outcome string) time.Duration {
	for name, d := range j.Pause {
		if strings.EqualFold(name, outcome) {
			return time.Duration(d)
		}
	}
	return defaultPause
}

// subject is where a job waits for a line. Its last part is the id, so that one job
// can be found and removed.
func (j *Job) subject() string {
	if j.Line != "" {
		return "JOBS.line." + j.Line + "." + j.ID
	}
	return fmt.Sprintf("JOBS.class.%s.%d.%s", j.Class, j.Priority, j.ID)
}

// wake is the subject on which idle workers are notified of the job.
func (j *Job) wake() string {
	if j.Line != "" {
		return "WAKE.line." + j.Line
	}
	return "WAKE.class." + j.Class
}
