package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// retention is how long results, captures and the ids of jobs are kept: a year of
// nights, and a month.
const retention = 400 * 24 * time.Hour

// Bounds of what is stored.
const (
	maxCaptures = 8 << 30
	maxCapture  = 1 << 20 // of one call
	maxOutput   = 64 << 10
)

// Queue is the queue of jobs in JetStream.
//
//	JOBS     the jobs that wait for a line or have one (work queue), and, under
//	         LATER.ID, those that the server moves to JOBS when they are due
//	RESULTS  one message for each job that has ended; a second one is refused,
//	         which makes the result of a job unique
//	jobs     bucket: the job of each id that was ever submitted
//	calls    bucket: the attempts of a job; a new one is written with the revision
//	         of those before, so that two workers do not begin the same one
//	leases   bucket: the lines and numbers in use; an entry ends by itself
//	made     bucket: when the lines with per_hour or per_day have called, for a day
//	lines    bucket: the state of each line, for the board
//	classes  bucket: the classes and lines that workers have had, for submit
//	captures object store: the recordings
type Queue struct {
	nc *nats.Conn
	js jetstream.JetStream

	stream, resultStream        jetstream.Stream
	jobs, calls, lines, classes jetstream.KeyValue
	leases, made                jetstream.KeyValue
	captures                    jetstream.ObjectStore
	lease                       time.Duration // how long a lease, and a job without a sign of its worker, lasts
}

// queueConfig is how the queue is made.
type queueConfig struct {
	replicas int           // default 1
	lease    time.Duration // default 30 s
}

// codeExists is the code with which a stream refuses a second message of a subject.
const codeExists jetstream.ErrorCode = 10077

// connect connects to a server; inProcess, if not nil, is the one in this process.
// creds is a file with the seed of an nkey or a credentials file of NATS.
func connect(url, creds string, opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond), nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2), nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}, opts...)
	if creds != "" {
		text, err := os.ReadFile(creds)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), "BEGIN NATS USER JWT") {
			opts = append(opts, nats.UserCredentials(creds))
		} else {
			o, err := nats.NkeyOptionFromSeed(creds)
			if err != nil {
				return nil, fmt.Errorf("%s is neither the seed of an nkey nor a credentials file: %w", creds, err)
			}
			opts = append(opts, o)
		}
	}
	return nats.Connect(url, opts...)
}

// setUp makes the streams and buckets, or brings those that are there up to date.
func setUp(ctx context.Context, nc *nats.Conn, cfg queueConfig) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	cfg.replicas = max(cfg.replicas, 1)
	if cfg.lease == 0 {
		cfg.lease = 30 * time.Second
	}
	for _, s := range []jetstream.StreamConfig{
		{Name: "JOBS", Subjects: []string{"JOBS.>", "LATER.>"}, Retention: jetstream.WorkQueuePolicy, AllowMsgSchedules: true,
			Metadata: map[string]string{"lease": cfg.lease.String()}},
		{Name: "RESULTS", Subjects: []string{"RESULTS.*"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true,
			MaxAge: retention},
	} {
		s.Replicas = cfg.replicas
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	for _, b := range []jetstream.KeyValueConfig{
		{Bucket: "jobs", TTL: retention},
		{Bucket: "calls", TTL: retention},
		{Bucket: "made", TTL: 24 * time.Hour},
		{Bucket: "classes"},
		{Bucket: "lines"},
		{Bucket: "leases", TTL: cfg.lease},
	} {
		b.Replicas = cfg.replicas
		if _, err := js.CreateOrUpdateKeyValue(ctx, b); err != nil {
			return fmt.Errorf("bucket %s: %w", b.Bucket, err)
		}
	}
	_, err = js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "captures", TTL: retention, MaxBytes: maxCaptures, Replicas: cfg.replicas})
	if err != nil {
		return fmt.Errorf("object store captures: %w", err)
	}
	return nil
}

// openQueue waits until the queue is set up, or ctx ends.
func openQueue(ctx context.Context, nc *nats.Conn) (*Queue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	for {
		q := &Queue{nc: nc, js: js}
		if err := q.bind(ctx); err == nil {
			return q, nil
		} else if ctx.Err() != nil {
			return nil, fmt.Errorf("the queue is not set up; is rasfleet serve running? %w", err)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

func (q *Queue) bind(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if q.captures, err = q.js.ObjectStore(ctx, "captures"); err != nil { // which is made last
		return err
	}
	for name, b := range map[string]*jetstream.KeyValue{"jobs": &q.jobs, "calls": &q.calls, "classes": &q.classes, "lines": &q.lines, "leases": &q.leases, "made": &q.made} {
		if *b, err = q.js.KeyValue(ctx, name); err != nil {
			return err
		}
	}
	if q.stream, err = q.js.Stream(ctx, "JOBS"); err != nil {
		return err
	}
	if q.resultStream, err = q.js.Stream(ctx, "RESULTS"); err != nil {
		return err
	}
	q.lease, err = time.ParseDuration(q.stream.CachedInfo().Config.Metadata["lease"])
	return err
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// submitted is what the bucket jobs holds.
type submitted struct {
	Job  *Job      `json:"job"`
	At   time.Time `json:"at"`
	Held bool      `json:"held,omitempty"` // not yet in the queue
}

// accepts returns why a job that is correct is not queued now, or nil.
func (q *Queue) accepts(ctx context.Context, j *Job) error {
	if !j.NotAfter.IsZero() && j.NotAfter.Before(time.Now()) {
		return errors.New("not_after has passed")
	}
	known := "class." + j.Class
	if j.Line != "" {
		known = "line." + j.Line
	}
	_, err := q.classes.Get(ctx, known)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("no worker has had a line of %s", strings.Replace(known, ".", " ", 1))
	}
	return err
}

// submit queues a job. When it has returned nil the job is in the queue for good. A
// job whose id is known is not queued again, unless the submitter that brought it
// first was interrupted before it was queued.
func (q *Queue) submit(ctx context.Context, j *Job) (fresh bool, err error) {
	if err := j.check(); err != nil {
		return false, err
	}
	if err := q.accepts(ctx, j); err != nil {
		return false, err
	}
	record, err := json.Marshal(submitted{Job: j, At: time.Now().UTC(), Held: true})
	if err != nil {
		return false, err
	}
	rev, err := q.jobs.Create(ctx, j.ID, record)
	fresh = err == nil
	if errors.Is(err, jetstream.ErrKeyExists) {
		e, err := q.jobs.Get(ctx, j.ID)
		if err != nil {
			return false, err
		}
		var s submitted
		if err := json.Unmarshal(e.Value(), &s); err != nil {
			return false, err
		}
		if !s.Held {
			return false, nil
		}
		j, rev = s.Job, e.Revision()
	} else if err != nil {
		return false, err
	}
	// A second copy in the queue, of a submitter that was interrupted right here, is
	// recognised by the worker.
	if err := q.enqueue(ctx, j, j.NotBefore); err != nil {
		return false, err
	}
	record, err = json.Marshal(submitted{Job: j, At: time.Now().UTC()})
	if err != nil {
		return false, err
	}
	if _, err := q.jobs.Update(ctx, j.ID, record, rev); err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return false, err
	}
	return fresh, nil
}

// enqueue adds a job to the queue, at a given time or, if that has passed, now. A
// job has one place for a later time, so a second schedule replaces the first.
func (q *Queue) enqueue(ctx context.Context, j *Job, at time.Time) error {
	body, err := json.Marshal(j)
	if err != nil {
		return err
	}
	m := nats.NewMsg(j.subject())
	m.Data = body
	if time.Until(at) > 0 {
		m.Subject = "LATER." + j.ID
		// The library's WithScheduleAt cuts the time to seconds, which is too early.
		m.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339Nano))
		m.Header.Set("Nats-Schedule-Target", j.subject())
	}
	if _, err := q.js.PublishMsg(ctx, m); err != nil {
		return err
	}
	return q.nc.Publish(j.wake(), nil)
}

// finish stores the result of a job. It reports false if the job already has one.
func (q *Queue) finish(ctx context.Context, r *Result) (bool, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	_, err = q.js.Publish(ctx, "RESULTS."+r.ID, body)
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) && api.ErrorCode == codeExists {
		return false, nil
	}
	return err == nil, err
}

// result returns the result of a job, or nil.
func (q *Queue) result(ctx context.Context, id string) (*Result, error) {
	m, err := q.resultStream.GetLastMsgForSubject(ctx, "RESULTS."+id)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r := new(Result)
	return r, json.Unmarshal(m.Data, r)
}

// errUnknownJob is the error of cancel for an id that was not submitted.
var errUnknownJob = errors.New("no job has this id")

// cancel ends a job with the outcome "cancelled", and its call if one is under way.
// It reports false if the job had ended before.
func (q *Queue) cancel(ctx context.Context, id string) (bool, error) {
	e, err := q.jobs.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return false, errUnknownJob
	} else if err != nil {
		return false, err
	}
	var s submitted
	if err := json.Unmarshal(e.Value(), &s); err != nil {
		return false, err
	}
	done, err := q.finish(ctx, &Result{ID: id, Outcome: outcomeCancelled, Started: time.Now().UTC()})
	if err != nil || !done {
		return false, err
	}
	q.nc.Publish("CANCEL."+id, nil)
	for _, subject := range []string{"LATER." + id, s.Job.subject()} {
		if err := q.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return true, err
		}
	}
	return true, nil
}
