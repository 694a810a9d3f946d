package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkQueue measures the jobs a second that the queue allows, with calls that
// take no time, and the bytes on the wire of a job, with workers in this process
// that are connected by TCP.
func BenchmarkQueue(b *testing.B) {
	for _, test := range []struct {
		workers int
		always  bool
	}{{1, false}, {2, false}, {4, false}, {1, true}, {4, true}} {
		name := fmt.Sprintf("workers=%d", test.workers)
		if test.always {
			name += "/sync=always"
		}
		b.Run(name, func(b *testing.B) {
			e, nc, err := startQueue(b.Context(), embeddedConfig{store: b.TempDir(), listen: "127.0.0.1:0", always: test.always}, queueConfig{})
			if err != nil {
				b.Fatal(err)
			}
			defer e.stop()
			defer nc.Close()
			q, err := openQueue(b.Context(), nc)
			if err != nil {
				b.Fatal(err)
			}
			knowLines(b, q)
			for i := range b.N {
				mustSubmit(b, q, testJob(strconv.Itoa(i)))
			}
			submitted := b.Elapsed()
			var queues []*Queue
			for range test.workers {
				nc, err := connect(e.url(), e.creds)
				if err != nil {
					b.Fatal(err)
				}
				defer nc.Close()
				q, err := openQueue(b.Context(), nc)
				if err != nil {
					b.Fatal(err)
				}
				queues = append(queues, q)
			}
			start := time.Now()
			for i, q := range queues {
				defer startWorker(b, q, workerConfig{name: fmt.Sprintf("w%d", i), lines: simLines(fmt.Sprintf("l%d", i), 10),
					call: func(context.Context, *call) error { return nil }})()
			}
			await(b, "all results", func() bool { s, err := q.status(b.Context()); return err == nil && s.Results == uint64(b.N) })
			took := time.Since(start)
			wire := uint64(0)
			for _, q := range queues {
				s := q.nc.Stats()
				wire += s.InBytes + s.OutBytes
			}
			b.ReportMetric(float64(b.N)/submitted.Seconds(), "submits/s")
			b.ReportMetric(float64(b.N)/took.Seconds(), "jobs/s")
			b.ReportMetric(float64(wire)/float64(b.N), "wire-B/job")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkWorkerMemory measures the resident memory of a worker process with idle
// lines.
func BenchmarkWorkerMemory(b *testing.B) {
	resident := func(lines int) float64 {
		f := startFleet(b, 1, lines)
		await(b, "all lines are free", func() bool {
			s, err := f.q.status(b.Context())
			return err == nil && len(s.Workers) == 1 && s.Workers[0].Lines[lines-1].State == stateFree
		})
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.workers["w1"].Process.Pid))
		if err != nil {
			b.Skip(err)
		}
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		var kb float64
		if _, err := fmt.Sscan(rest, &kb); err != nil {
			b.Fatal(err)
		}
		return kb
	}
	for b.Loop() {
		one, many := resident(1), resident(200)
		b.ReportMetric(many/1024, "MiB/200-lines")
		b.ReportMetric((many-one)/199, "KiB/line")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCalls measures simulated calls that are recorded: the bytes on the wire
// of a job, with its result and its recording.
func BenchmarkCalls(b *testing.B) {
	e, q := startTestQueue(b, 30*time.Second)
	nc, err := connect(e.url(), e.creds)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	own, err := openQueue(b.Context(), nc)
	if err != nil {
		b.Fatal(err)
	}
	startWorker(b, own, workerConfig{name: "w", lines: simLines("a", 50)})
	start := time.Now()
	for i := range b.N {
		j := simJob(i)
		j.Number = fmt.Sprintf("555%05d0", i) // neither busy nor without an answer
		mustSubmit(b, q, j)
	}
	await(b, "all results", func() bool { s, err := q.status(b.Context()); return err == nil && s.Results == uint64(b.N) })
	s := nc.Stats()
	b.ReportMetric(float64(s.InBytes+s.OutBytes)/float64(b.N), "wire-B/job")
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "jobs/s")
	b.ReportMetric(0, "ns/op")
}
