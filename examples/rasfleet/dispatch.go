package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// pollEvery is the interval at which an idle worker polls for jobs that the server
// has moved from LATER, which is not notified.
const pollEvery = 250 * time.Millisecond

func classConsumer(class string, priority int) string {
	return fmt.Sprintf("class-%s-%d", class, priority)
}

// dispatch gives the jobs of a class, and those of its lines, to idle lines.
func (w *worker) dispatch(ctx context.Context, class string) {
	var idle []*slot
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	defer func() {
		for _, s := range idle {
			s.back <- struct{}{}
		}
		for {
			select {
			case s := <-w.free[class]: // of a call that has ended at the same moment
				s.back <- struct{}{}
			case <-w.kept:
				return
			}
		}
	}()
	consumers := make([]jetstream.Consumer, maxPriority+1)
	for ctx.Err() == nil {
		for range len(w.free[class]) {
			idle = append(idle, <-w.free[class])
		}
		kept := idle[:0]
		for _, s := range idle {
			if s.ctx.Err() != nil {
				s.back <- struct{}{}
			} else {
				kept = append(kept, s)
			}
		}
		idle = kept

		before := len(idle)
		kept = idle[:0]
		for _, s := range idle {
			if m := w.takeDirect(ctx, s); m != nil {
				w.wg.Go(func() { w.work(s, m) })
			} else {
				kept = append(kept, s)
			}
		}
		idle = w.fetch(ctx, class, consumers, kept)
		if len(idle) < before && len(idle) > 0 {
			continue
		}
		select {
		case s := <-w.free[class]:
			idle = append(idle, s)
		case <-w.kick[class]:
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// fetch starts calls of idle lines with jobs of their class, those of the highest
// priority first, and returns the lines that are still idle. consumers are those of
// the priorities, as far as they are known.
func (w *worker) fetch(ctx context.Context, class string, consumers []jetstream.Consumer, idle []*slot) []*slot {
	for p := maxPriority; p >= 0 && len(idle) > 0; p-- {
		if consumers[p] == nil {
			c, err := w.q.stream.Consumer(ctx, classConsumer(class, p))
			if err != nil {
				break
			}
			consumers[p] = c
		}
		batch, err := consumers[p].FetchNoWait(len(idle))
		if err != nil {
			break
		}
		for m := range batch.Messages() {
			s := idle[0]
			idle = idle[1:]
			w.wg.Go(func() { w.work(s, m) })
		}
	}
	return idle
}

// takeDirect returns a job for a line by its name, or nil.
func (w *worker) takeDirect(ctx context.Context, s *slot) jetstream.Msg {
	w.mu.Lock()
	waiting := w.direct[s.Name]
	delete(w.direct, s.Name)
	w.mu.Unlock()
	if !waiting {
		return nil
	}
	c, err := w.q.stream.Consumer(ctx, "line-"+s.Name)
	if err != nil {
		return nil
	}
	batch, err := c.FetchNoWait(1)
	if err != nil {
		return nil
	}
	return <-batch.Messages()
}

// findDirect looks for jobs for lines by their names: those that are due after a
// wait are moved by the server, which wakes no worker.
func (w *worker) findDirect(ctx context.Context) {
	for ctx.Err() == nil {
		info, err := w.q.stream.Info(ctx, jetstream.WithSubjectFilter("JOBS.line.>"))
		if err == nil && len(info.State.Subjects) > 0 {
			w.mu.Lock()
			for subject := range info.State.Subjects {
				w.direct[strings.Split(subject, ".")[2]] = true
			}
			w.mu.Unlock()
			for _, k := range w.kick {
				kick(k)
			}
		}
		pause(ctx, time.Second)
	}
}

// wakeUp is called for WAKE.class.CLASS and WAKE.line.LINE.
func (w *worker) wakeUp(subject string) {
	part := strings.Split(subject, ".")
	if len(part) != 3 {
		return
	}
	if part[1] == "line" {
		w.mu.Lock()
		w.direct[part[2]] = true
		w.mu.Unlock()
		for _, s := range w.slots {
			if s.Name == part[2] {
				kick(w.kick[s.Class])
			}
		}
	} else if k := w.kick[part[2]]; k != nil {
		kick(k)
	}
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
