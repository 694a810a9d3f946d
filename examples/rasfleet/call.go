package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/phonebook"
)

// maxDeaths is how many workers may die during the calls of a job before it is set
// aside.
const maxDeaths = 3

// callAttempt is an attempt of a job. It is written before the call, so that one
// without an end is of a worker that has died, or is under way.
type callAttempt struct {
	Line        string    `json:"line"`
	Worker      string    `json:"worker"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended,omitzero"`
	Interrupted bool      `json:"interrupted,omitempty"` // the worker was stopped, or lost its line
	Code        ras.Code  `json:"code,omitempty"`
	Error       string    `json:"error,omitempty"`
	Retry       time.Time `json:"retry,omitzero"`
	Capture     string    `json:"capture,omitempty"`
	Seq         uint64    `json:"seq"` // of the message in JOBS
}

// call is a call of a worker.
type call struct {
	w      *worker
	slot   *slot
	job    *Job
	entry  *dialup.Entry
	number string
	seq    uint64 // of the message in JOBS
	rev    uint64 // of the history, which the next write needs
	cancel context.CancelCauseFunc

	recording boundedBuffer
	online    atomic.Int64 // when the modem was connected, in ns since 1970
	watched   atomic.Int64 // until when the conversation is sent to the board
	result    Result
}

// work makes the call of a message, if it is due and no other worker has it, and gives the
// line back.
func (w *worker) work(s *slot, m jetstream.Msg) {
	defer w.giveBack(s) // last: the line may have another call then
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	c := &call{w: w, slot: s, cancel: cancel, recording: boundedBuffer{limit: maxCapture}}

	var sign sync.WaitGroup
	beat, stop := context.WithCancel(ctx)
	sign.Go(func() {
		for pause(beat, w.q.lease/6); beat.Err() == nil; pause(beat, w.q.lease/6) {
			m.InProgress()
		}
	})
	err := c.handle(ctx, m)
	stop()
	sign.Wait()
	if err != nil && s.ctx.Err() == nil {
		w.log.Warn("the job returns to the queue", "job", lastPart(m.Subject()), "error", err)
	}
	if err != nil {
		m.Nak() // if it does not arrive, the job is given out again when AckWait is over
	}
}

// done acknowledges a message.
func (c *call) done(ctx context.Context, m jetstream.Msg) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	m.DoubleAck(ctx) // if it does not arrive, the next worker finds the result
	return nil
}

// handle decides what a message is and does it. With an error the message stays in
// the queue.
func (c *call) handle(ctx context.Context, m jetstream.Msg) error {
	q, w := c.w.q, c.w
	id := lastPart(m.Subject())
	if r, err := q.result(ctx, id); err != nil {
		return err
	} else if r != nil {
		return c.done(ctx, m)
	}
	c.result = Result{ID: id, Outcome: outcomeFailed, Line: c.slot.Name, Worker: w.name, Started: time.Now().UTC()}
	j, err := parseJob(m.Data())
	if err != nil {
		return c.finish(ctx, m, ras.ErrInvalidParameter, err.Error())
	}
	c.job = j
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	c.seq = meta.Sequence.Stream
	if c.result.History, c.rev, err = q.history(ctx, id); err != nil {
		return err
	}
	if due, err := c.isDue(ctx, m); !due {
		return err
	}
	if err := c.makeEntry(); err != nil {
		return c.finish(ctx, m, ras.CodeOf(err), err.Error())
	}
	if c.number != "" {
		key := numberKey(c.number)
		if err := w.leases.acquire(ctx, key, c.cancel); errors.Is(err, errHeld) {
			return c.later(ctx, m, time.Now().Add(q.lease/60+rand.N(q.lease/30)))
		} else if err != nil {
			return err
		}
		defer func() {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			w.leases.release(ending, key)
		}()
		// The attempt before may have been under way until the lease was released.
		if len(c.result.History) > 0 {
			if r, err := q.result(ctx, id); err != nil {
				return err
			} else if r != nil {
				return c.done(ctx, m)
			}
		}
	}
	return c.attempt(ctx, m)
}

// isDue reports whether the call of a message is to be made now. If not, the message
// has been answered, or stays in the queue with the error.
func (c *call) isDue(ctx context.Context, m jetstream.Msg) (bool, error) {
	// What the server has moved from LATER is due, whatever the clock of this host
	// specifies; by that clock it might go back and forth.
	released := m.Headers().Get("Nats-Scheduler") != ""
	deaths := 0
	for _, a := range c.result.History {
		if a.Ended.IsZero() {
			deaths++
		}
	}
	if n := len(c.result.History); n > 0 {
		last := c.result.History[n-1]
		c.result.Attempt = n
		if last.Ended.IsZero() && last.Seq != c.seq {
			// Another copy of the job, of a submitter or a worker that was
			// interrupted between two steps, is under way or will be given out again.
			if _, err := c.w.q.stream.GetMsg(ctx, last.Seq); err == nil {
				return false, c.done(ctx, m)
			} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
				return false, err
			}
		}
		if time.Until(last.Retry) > 0 && (!released || last.Seq == c.seq) {
			return false, c.later(ctx, m, last.Retry)
		}
	}
	switch j := c.job; {
	case deaths >= maxDeaths:
		return false, c.finish(ctx, m, ras.ErrUnknown, fmt.Sprintf("set aside: %d workers ended during the call", deaths))
	case time.Until(j.NotBefore) > 0 && !released:
		return false, c.later(ctx, m, j.NotBefore)
	case !j.NotAfter.IsZero() && time.Now().After(j.NotAfter):
		return false, c.finish(ctx, m, ras.ErrRequestTimeout, "not_after has passed")
	}
	return true, nil
}

// attempt makes the call and stores how it ended: as the result of the job, or in its
// history for another attempt.
func (c *call) attempt(ctx context.Context, m jetstream.Msg) error {
	q, j, history := c.w.q, c.job, c.result.History
	if err := c.w.noteCall(ctx, c.slot); err != nil {
		return err
	}
	attempt := callAttempt{Line: c.slot.Name, Worker: c.w.name, Started: time.Now().UTC(), Seq: c.seq}
	rev, err := q.setHistory(ctx, j.ID, append(history, attempt), c.rev)
	if err != nil {
		return err
	}
	c.result.Attempt, c.result.Started = len(history)+1, attempt.Started
	callErr := c.dial(ctx)
	c.result.Took = Duration(time.Since(attempt.Started).Round(time.Millisecond))

	// The rest has its own time: the call is over, and its end must be stored.
	cause := context.Cause(ctx)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*q.lease)
	defer cancel()
	c.store(ending)
	if callErr == nil {
		c.result.Outcome = outcomeOK
		return c.finish(ending, m, ras.Success, "")
	}
	attempt.Ended, attempt.Capture = time.Now().UTC(), c.result.Capture
	attempt.Code, attempt.Error = ras.CodeOf(callErr), callErr.Error()
	if errors.Is(cause, errCancelled) {
		return c.done(ending, m)
	}
	if cause != nil {
		attempt.Interrupted = true
		q.setHistory(ending, j.ID, append(history, attempt), rev)
		return cause
	}
	failures := 1
	for _, a := range history {
		if !a.Ended.IsZero() && !a.Interrupted {
			failures++
		}
	}
	retry := time.Now().Add(j.pause(modem.OutcomeOf(callErr).String()))
	// No repetition can help where the account or the number is refused.
	final := errors.Is(callErr, ras.ErrAuthenticationFailure) || errors.As(callErr, new(*modem.InputError))
	if failures >= cmp.Or(j.Attempts, defaultTries) || final || !j.NotAfter.IsZero() && retry.After(j.NotAfter) {
		return c.finish(ending, m, attempt.Code, attempt.Error)
	}
	attempt.Retry = retry.UTC()
	if _, err := q.setHistory(ending, j.ID, append(history, attempt), rev); err != nil {
		return err
	}
	return c.later(ending, m, retry)
}

// later has the server give the job out again at a time, and ends this message.
func (c *call) later(ctx context.Context, m jetstream.Msg, at time.Time) error {
	if err := c.w.q.enqueue(ctx, c.job, at); err != nil {
		return err
	}
	return c.done(ctx, m)
}

// finish stores the result and ends the message. If the job has a result already,
// this one is dropped.
func (c *call) finish(ctx context.Context, m jetstream.Msg, code ras.Code, text string) error {
	c.result.Code, c.result.Error = code, text
	for {
		_, err := c.w.q.finish(ctx, &c.result)
		if err == nil {
			break
		}
		if pause(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return err
		}
	}
	c.w.setState(c.slot, func(b *lineState) {
		if c.result.Outcome == outcomeOK {
			b.OK++
		} else {
			b.Failed++
		}
	})
	return c.done(ctx, m)
}

// history returns the attempts of a job and the revision that the next write needs.
func (q *Queue) history(ctx context.Context, id string) ([]callAttempt, uint64, error) {
	e, err := q.calls.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	} else if err != nil {
		return nil, 0, err
	}
	var h []callAttempt
	return h, e.Revision(), json.Unmarshal(e.Value(), &h)
}

func (q *Queue) setHistory(ctx context.Context, id string, h []callAttempt, rev uint64) (uint64, error) {
	body, err := json.Marshal(h)
	if err != nil {
		return 0, err
	}
	return q.calls.Update(ctx, id, body, rev)
}

// makeEntry makes the entry that is dialled.
func (c *call) makeEntry() error {
	j := c.job
	e := new(dialup.Entry)
	if j.Entry != "" {
		if c.w.phonebooks == nil {
			return errors.New("this worker has no phone books; see -phonebooks")
		}
		text, err := fs.ReadFile(c.w.phonebooks, j.Phonebook)
		if err != nil {
			return err
		}
		book, err := phonebook.Parse(j.Phonebook, text, nil)
		if err != nil {
			return err
		}
		// Ports of the file are not used: the line is the worker's.
		if e, _, err = book.Entry(&phonebook.EntryConfig{Port: c.slot.Port, Scripts: c.w.phonebooks}, j.Entry); err != nil {
			return err
		}
	} else if j.Number != "" {
		e.Dialer = &modem.Dialer{Init: c.slot.Init, Numbers: []string{j.Number}}
	}
	if j.Script != nil {
		s, err := j.Script.load()
		if err != nil {
			return err
		}
		e.Script = s.Executor()
	}
	if j.Params.User != "" {
		e.Params.UserName = j.Params.User
	}
	e.Params.Domain = cmp.Or(j.Params.Domain, e.Params.Domain)
	if j.Credentials != "" {
		if c.w.secrets == nil {
			return errors.New("this worker has no credentials; see -secrets")
		}
		text, err := fs.ReadFile(c.w.secrets, j.Credentials)
		if err != nil {
			return err
		}
		e.Params.Password = ras.Secret(strings.TrimRight(string(text), "\r\n"))
		e.Params.NoPassword = e.Params.Password == ""
	}
	e.Name, e.Class, e.Timeout = j.ID, "", j.limit()
	if c.number = e.Params.PhoneNumber; e.Dialer != nil && len(e.Dialer.Numbers) > 0 {
		c.number = e.Dialer.Numbers[0]
	}
	c.entry = e
	return e.Check()
}

// dial makes the call.
func (c *call) dial(ctx context.Context) error {
	w := c.w
	w.mu.Lock()
	w.running[c.job.ID] = c
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.running, c.job.ID)
		w.mu.Unlock()
	}()
	w.setState(c.slot, func(b *lineState) {
		b.State, b.Job, b.Number, b.Text = stateDialling, c.job.ID, c.number, ""
	})
	return w.call(ctx, c)
}

// dial is the call of a worker on a real line.
func (w *worker) dial(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.job.limit(), fmt.Errorf("the limit of %v has passed", c.job.limit()))
	defer cancel()
	rec, err := capture.NewWriter(&c.recording, &capture.Config{Name: c.slot.Name})
	if err != nil {
		return err
	}
	conn, err := c.slot.pool.Dial(ctx, c.entry, &dialup.Config{Open: w.open, Record: rec, Log: &liveHandler{c: c},
		OnState: func(s dialup.State) {
			if s.Conn == ras.StateInteractive || s.Conn == ras.StateAuthenticate || s.Conn == ras.StateConnected {
				c.online.CompareAndSwap(0, time.Now().UnixNano())
			}
			state := stateDialling
			if c.online.Load() != 0 {
				state = stateTalking
			}
			w.setState(c.slot, func(b *lineState) { b.State, b.Text = state, s.Text })
		}})
	if err == nil {
		// A hang-up that could not be proved does not undo what the script has done.
		if hangup := conn.Close(); hangup != nil {
			w.log.Warn("the call was not hung up for certain", "job", c.job.ID, "line", c.slot.Name, "error", hangup)
		}
	}
	if closed := rec.Close(); closed != nil {
		w.log.Warn("the recording is not whole", "job", c.job.ID, "error", closed)
	}
	return err
}

// store keeps the recording, and takes the output from it, in which secrets are
// masked.
func (c *call) store(ctx context.Context) {
	file := c.recording.Bytes()
	if len(file) == 0 || c.job.Keep == "none" {
		return
	}
	c.result.Output = receivedAfter(file, time.Unix(0, c.online.Load()), c.online.Load() != 0)
	name := fmt.Sprintf("%s-%d", c.job.ID, c.result.Attempt)
	if _, err := c.w.q.captures.PutBytes(ctx, name, file); err != nil {
		c.w.log.Warn("the recording is not stored", "job", c.job.ID, "error", err)
		return
	}
	c.result.Capture = name
}

// receivedAfter returns what a recording has received since a time.
func receivedAfter(file []byte, since time.Time, online bool) string {
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil || !online {
		return ""
	}
	var out strings.Builder
	for out.Len() < maxOutput {
		e, err := r.Next()
		if err != nil {
			break
		}
		if e.Kind == capture.Received && !e.Time.Before(since) {
			out.Write(e.Data[:min(len(e.Data), maxOutput-out.Len())])
		}
	}
	return strings.ToValidUTF8(out.String(), "\ufffd")
}

// boundedBuffer keeps what is written up to a limit. Then it fails, which ends the
// recording.
type boundedBuffer struct {
	mu    sync.Mutex // guards what follows
	buf   bytes.Buffer
	limit int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len()+len(p) > b.limit {
		return 0, io.ErrShortWrite
	}
	return b.buf.Write(p)
}

func (b *boundedBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Bytes()
}

// liveHandler sends the log of a call, in which secrets are masked, to the board
// while it is watched.
type liveHandler struct {
	c     *call
	attrs string
}

// Enabled reports true also while the call is not watched: what masks the
// conversation must process it from the start.
func (h *liveHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *liveHandler) Handle(_ context.Context, r slog.Record) error {
	if h.c.watched.Load() < time.Now().UnixNano() {
		return nil
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s%s", r.Time.Format("15:04:05.000"), r.Message, h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&line, " %s=%s", a.Key, a.Value.Resolve())
		return true
	})
	return h.c.w.q.nc.Publish("LIVE."+h.c.job.ID, []byte(line.String()))
}

func (h *liveHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := *h
	for _, a := range attrs {
		own.attrs += fmt.Sprintf(" %s=%s", a.Key, a.Value.Resolve())
	}
	return &own
}

func (h *liveHandler) WithGroup(string) slog.Handler { return h }
