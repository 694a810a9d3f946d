package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// defaultHTTP is where the page is unless -http has another address.
const defaultHTTP = "127.0.0.1:8222"

// serve is the command serve.
func (p *program) serve(args []string) error {
	f := p.flags("serve")
	var c client
	c.flags(f)
	store := f.String("store", "", "`directory` of the embedded server; without it -nats is needed")
	listen := f.String("listen", "127.0.0.1:0", "`address` of the embedded server; port 0 is a free one")
	httpAddr := f.String("http", defaultHTTP, "`address` of the page; none: no page")
	sync := f.String("sync", "default", "default, or always: fsync after every write, for those who fear power cuts")
	replicas := f.Int("replicas", 1, "`number` of servers of a cluster that keep the queue: 1, 3 or 5")
	lease := f.Duration("lease", 30*time.Second, "`duration` after which a worker that is not heard of has lost its lines")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	switch {
	case (*store == "") == (c.url == ""):
		return usageError{errors.New("one of -store DIR and -nats URL is needed")}
	case *sync != "default" && *sync != "always":
		return usageError{fmt.Errorf("-sync %q: default and always are accepted", *sync)}
	case *lease < time.Second:
		return usageError{fmt.Errorf("-lease %v: at least 1s is accepted", *lease)}
	case *replicas != 1 && *replicas != 3 && *replicas != 5:
		return usageError{fmt.Errorf("-replicas %d: 1, 3 and 5 are accepted", *replicas)}
	case *replicas > 1 && *store != "":
		return usageError{errors.New("-replicas is for a cluster, which -nats names; the embedded server is one alone")}
	}
	if err := checkAddress("-listen", *listen); err != nil {
		return err
	}
	if *httpAddr != "none" {
		if err := checkAddress("-http", *httpAddr); err != nil {
			return err
		}
	}
	qc := queueConfig{replicas: *replicas, lease: *lease}
	var nc *nats.Conn
	var err error
	if *store != "" {
		var e *embedded
		if e, nc, err = startQueue(p.ctx, embeddedConfig{store: *store, listen: *listen, always: *sync == "always"}, qc); err != nil {
			return err
		}
		defer e.stop()
		fmt.Fprintf(p.out, "-nats %s -creds %s\n", e.url(), e.creds)
	} else {
		if nc, err = connect(c.url, c.creds); err != nil {
			return connectError(c.url, err)
		}
		if err := setUp(p.ctx, nc, qc); err != nil {
			nc.Close()
			return err
		}
	}
	defer nc.Close()
	q, err := openQueue(p.ctx, nc)
	if err != nil {
		return err
	}
	if *httpAddr == "none" {
		<-p.ctx.Done()
		return nil
	}
	return p.servePage(p.ctx, q, *httpAddr)
}

// checkAddress returns what is wrong with the address of a flag, or nil.
func checkAddress(flag, addr string) error {
	_, number, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", number)
	}
	if err != nil {
		return usageError{fmt.Errorf("%s %s: host:port is needed: %w", flag, addr, err)}
	}
	return nil
}

// servePage prints the address of the page and serves it until ctx ends. An address
// that other hosts reach wants a token, which is new at every start.
func (p *program) servePage(ctx context.Context, q *Queue, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("-http %s: %w", addr, err)
	}
	w := &web{b: newBoard(q)}
	place := "http://" + l.Addr().String() + "/"
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		w.token = rand.Text()
		place += "?token=" + w.token
	}
	fmt.Fprintln(p.out, place)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	boardErr := make(chan error, 1)
	tasks.Go(func() { boardErr <- w.b.run(ctx); cancel() })
	if err := serveWeb(ctx, l, w); err != nil {
		return err
	}
	return <-boardErr
}

// demo is the command demo.
func (p *program) demo(args []string) error {
	f := p.flags("demo")
	httpAddr := f.String("http", defaultHTTP, "`address` of the page; if it is in use, a free port")
	jobs := f.Int("jobs", 500, "`number` of jobs")
	lines := f.Int("lines", 20, "`number` of simulated modems of a worker")
	workers := f.Int("workers", 2, "`number` of worker processes")
	pace := f.Duration("pace", 800*time.Millisecond, "`duration` of a ring, roughly")
	keep := f.Bool("keep", false, "keep the page when the jobs are done, until the program is stopped")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	if *jobs < 1 || *jobs > 99999 || *lines < 1 || *lines > 500 || *workers < 1 || *workers > 20 {
		return usageError{errors.New("-jobs is 1 to 99999, -lines 1 to 500, -workers 1 to 20")}
	}
	if err := checkAddress("-http", *httpAddr); err != nil {
		return err
	}
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
	if l, err := net.Listen("tcp", *httpAddr); err == nil {
		l.Close()
	} else {
		*httpAddr = "127.0.0.1:0"
	}
	pageErr := make(chan error, 1)
	tasks.Go(func() { pageErr <- p.servePage(ctx, q, *httpAddr) })

	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets", "meters"), []byte(simPassword), 0o600); err != nil {
		return err
	}
	for i := range *workers {
		name := fmt.Sprintf("worker-%d", i+1)
		cmd, err := startSimWorker(ctx, dir, name, e.url(), e.creds, simLines(fmt.Sprintf("m%d", i+1), *lines), "-sim-pace", pace.String())
		if err != nil {
			return err
		}
		tasks.Go(func() { cmd.Wait() })
	}
	start := time.Now()
	var ids []string
	for i := range *jobs {
		j := simJob(i + 1)
		for {
			if _, err = q.submit(ctx, j); err == nil || ctx.Err() != nil || time.Since(start) > openTimeout {
				break
			}
			pause(ctx, 50*time.Millisecond) // until the first worker has made its lines known
		}
		if err != nil {
			return err
		}
		ids = append(ids, j.ID)
	}
	err = p.await(q, ids, start)
	if err != nil && !errors.Is(err, errSomeFailed) {
		return err
	}
	if err != nil {
		fmt.Fprintf(p.errOut, "%v, as numbers that do not answer do; rasfleet demo -keep keeps the page to show them\n", err)
	}
	if *keep {
		fmt.Fprintln(p.errOut, "the page stays until the program is stopped")
		select {
		case <-ctx.Done():
		case err := <-pageErr:
			return err
		}
	}
	return nil
}

// startSimWorker starts this program as a worker with simulated lines. It is
// interrupted when ctx ends.
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
	cmd := exec.CommandContext(ctx, self, append([]string{"work", "-nats", url, "-creds", creds, "-lines", file,
		"-secrets", filepath.Join(dir, "secrets"), "-name", name}, args...)...)
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil { // as on Windows
			return cmd.Process.Kill()
		}
		return nil
	}
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), "RASFLEET_MAIN=1")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	return cmd, cmd.Start()
}
