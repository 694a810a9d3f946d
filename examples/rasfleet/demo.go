package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// demo is what a demonstration has.
type demo struct {
	http                 string // address of the page
	jobs, lines, workers int
	pace                 time.Duration
	keep                 bool
}

// demo is the command demo.
func (p *program) demo(args []string) error {
	f := p.flags("demo")
	var d demo
	f.StringVar(&d.http, "http", defaultHTTP, "`address` of the page; if it is in use, a free port")
	f.IntVar(&d.jobs, "jobs", 500, "`number` of jobs")
	f.IntVar(&d.lines, "lines", 20, "`number` of simulated modems of a worker")
	f.IntVar(&d.workers, "workers", 2, "`number` of worker processes")
	f.DurationVar(&d.pace, "pace", 800*time.Millisecond, "`duration` of a ring, roughly")
	f.BoolVar(&d.keep, "keep", false, "keep the page when the jobs are done, until the program is stopped")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	if d.jobs < 1 || d.jobs > 99999 || d.lines < 1 || d.lines > 500 || d.workers < 1 || d.workers > 20 {
		return usageError{errors.New("-jobs is 1 to 99999, -lines 1 to 500, -workers 1 to 20")}
	}
	if err := checkAddress("-http", d.http); err != nil {
		return err
	}
	return p.runDemo(d)
}

// runDemo starts a server, the page and the workers, and waits for the jobs.
func (p *program) runDemo(d demo) error {
	dir, err := os.MkdirTemp("", "rasfleet")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e, nc, err := startQueue(p.ctx, embeddedConfig{store: filepath.Join(dir, "store"), listen: "127.0.0.1:0"}, queueConfig{lease: 10 * time.Second})
	if err != nil {
		return err
	}
	defer e.stop()
	defer nc.Close()
	q, err := openQueue(p.ctx, nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	if l, err := net.Listen("tcp", d.http); err == nil {
		l.Close()
	} else {
		d.http = "127.0.0.1:0"
	}
	pageErr := make(chan error, 1)
	tasks.Go(func() { pageErr <- p.servePage(ctx, q, d.http) })

	for i := range d.workers {
		name := fmt.Sprintf("worker-%d", i+1)
		cmd, err := startSimWorker(ctx, dir, name, e.url(), e.creds, simLines(fmt.Sprintf("m%d", i+1), d.lines), "-sim-pace", d.pace.String())
		if err != nil {
			return err
		}
		tasks.Go(func() { cmd.Wait() })
	}
	start := time.Now()
	ids, err := submitSimJobs(ctx, q, d.jobs)
	if err != nil {
		return err
	}
	err = p.await(q, ids, start)
	switch {
	case errors.Is(err, errSomeFailed):
		fmt.Fprintf(p.errOut, "%v, as numbers that do not answer do; rasfleet demo -keep keeps the page to show them\n", err)
	case err != nil:
		return err
	}
	if d.keep {
		fmt.Fprintln(p.errOut, "the page stays until the program is stopped")
		select {
		case <-ctx.Done():
		case err := <-pageErr:
			return err
		}
	}
	return nil
}

// submitSimJobs submits n jobs and returns their ids.
func submitSimJobs(ctx context.Context, q *Queue, n int) (ids []string, err error) {
	start := time.Now()
	for i := range n {
		j := simJob(i + 1)
		for {
			if _, err = q.submit(ctx, j); err == nil || ctx.Err() != nil || time.Since(start) > openTimeout {
				break
			}
			pause(ctx, 50*time.Millisecond) // until the first worker has made its lines known
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, j.ID)
	}
	return ids, nil
}

// startSimWorker starts this program as a worker with simulated lines and the
// credentials of the meters. It is interrupted when ctx ends.
func startSimWorker(ctx context.Context, dir, name, url, creds string, lines []lineConfig, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(lines)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, name+".json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	secrets := filepath.Join(dir, "secrets")
	if err := errors.Join(os.MkdirAll(secrets, 0o700), os.WriteFile(filepath.Join(secrets, "meters"), []byte(simPassword), 0o600)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"work", "-nats", url, "-creds", creds, "-lines", file,
		"-secrets", secrets, "-name", name}, args...)...)
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil { // as on Windows
			return cmd.Process.Kill()
		}
		return nil
	}
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), "RASFLEET_MAIN=1")
	cmd.Stderr = new(bytes.Buffer)
	return cmd, cmd.Start()
}
