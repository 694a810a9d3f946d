package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
)

// process is a rasfleet of its own.
type process struct {
	*exec.Cmd
	out    *bufio.Reader
	errors *bytes.Buffer
	ended  sync.Once
}

// startProcess starts this test binary as the program.
func startProcess(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{Cmd: peertest.Self(context.Background(), args...), errors: new(bytes.Buffer)}
	p.Env = append(os.Environ(), "RASFLEET_MAIN=1")
	p.Stderr = p.errors
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.ended.Do(func() {
		p.Process.Kill()
		p.Wait()
	})
}

// line reads a line that the process prints.
func (p *process) line(t testing.TB) string {
	t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.kill()
		t.Fatalf("the process has printed %q and then %v: %s", s, err, p.errors)
	}
	return strings.TrimSpace(s)
}

// fleetOfProcesses is a server and workers, each a process.
type fleetOfProcesses struct {
	dir, listen, creds string
	server             *process
	q                  *Queue
	logs               []string        // call logs
	output             []*bytes.Buffer // what the processes have printed
	workers            map[string]*process
	lines              map[string][]lineConfig
}

func startFleet(t testing.TB, workers, lines int) *fleetOfProcesses {
	t.Helper()
	f := &fleetOfProcesses{dir: t.TempDir(), listen: "127.0.0.1:0", workers: make(map[string]*process), lines: make(map[string][]lineConfig)}
	if err := os.Mkdir(filepath.Join(f.dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "secrets", "meters"), []byte(simPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	f.startServer(t)
	nc, err := connect("nats://"+f.listen, f.creds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if f.q, err = openQueue(t.Context(), nc); err != nil {
		t.Fatal(err)
	}
	for i := range workers {
		name := fmt.Sprintf("w%d", i+1)
		f.lines[name] = simLines(name, lines)
		f.startWorker(t, name)
	}
	f.q.known(t, "line."+f.lines["w1"][lines-1].Name)
	return f
}

func (f *fleetOfProcesses) store() string { return filepath.Join(f.dir, "store") }

// startServer starts the server, again on the same port.
func (f *fleetOfProcesses) startServer(t testing.TB) {
	t.Helper()
	f.server = startProcess(t, "serve", "-store", f.store(), "-listen", f.listen, "-http", "127.0.0.1:0", "-lease", "3s")
	f.output = append(f.output, f.server.errors)
	var place string
	if _, err := fmt.Sscanf(f.server.line(t), "-nats %s -creds %s", &place, &f.creds); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	f.listen = u.Host
}

func (f *fleetOfProcesses) startWorker(t testing.TB, name string) {
	t.Helper()
	log := filepath.Join(f.dir, fmt.Sprintf("calls-%d.log", len(f.logs)))
	f.logs = append(f.logs, log)
	cmd, err := startSimWorker(context.Background(), f.dir, name, "nats://"+f.listen, f.creds, f.lines[name], "-sim-pace", "100ms", "-sim-log", log)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: cmd, errors: cmd.Stderr.(*bytes.Buffer)}
	t.Cleanup(p.kill)
	f.output = append(f.output, p.errors)
	f.workers[name] = p
}

// done returns how many results there are.
func (f *fleetOfProcesses) done(t testing.TB) int {
	info, err := f.q.resultStream.Info(t.Context())
	if err != nil {
		return 0 // the server is away
	}
	return int(info.State.Msgs)
}

// calls returns the calls that the simulated modems have made, by number.
func (f *fleetOfProcesses) calls(t testing.TB) map[string]int {
	calls := make(map[string]int)
	for _, name := range f.logs {
		text, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if _, number, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				calls[number]++
			}
		}
	}
	return calls
}

// checkResults checks that each job has one result, and that the attempts of the
// results agree with the calls that the modems have made.
func (f *fleetOfProcesses) checkResults(t testing.TB, jobs int) {
	t.Helper()
	seen := make(map[string]*Result)
	err := f.q.eachResult(t.Context(), false, func(r *Result) error {
		if seen[r.ID] != nil {
			t.Errorf("job %s has two results", r.ID)
		}
		seen[r.ID] = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != jobs {
		t.Errorf("%d jobs have results, want %d", len(seen), jobs)
	}
	calls := f.calls(t)
	total, repeated, aside, superseded := 0, 0, 0, 0
	for i := range jobs {
		j := simJob(i)
		r := seen[j.ID]
		if r == nil {
			t.Errorf("job %s has no result", j.ID)
			continue
		}
		history, _, err := f.q.history(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		setAside := strings.HasPrefix(r.Error, "set aside") // its worker was among those killed three times
		if setAside {
			aside++
		}
		ended := 0 // attempts that have certainly made their call
		for n, a := range history {
			if n+1 == r.Attempt && !setAside || !a.Ended.IsZero() && !a.Interrupted {
				ended++
			}
		}
		// An attempt after that of the result was begun while the server did not
		// hear of the worker of the latter.
		if r.Attempt < len(history) {
			superseded++
		}
		if made := calls[j.Number]; made < ended || made > len(history) || r.Attempt > len(history) {
			t.Errorf("job %s: %d calls were made; the result has attempt %d of %d, %d of which have ended", j.ID, made, r.Attempt, len(history), ended)
		}
		if unreachable := strings.HasSuffix(j.Number, "99"); unreachable && r.Outcome != outcomeFailed || !unreachable && r.Outcome == outcomeOK && !strings.Contains(r.Output, "READING") {
			t.Errorf("job %s: outcome %s, output %q", j.ID, r.Outcome, r.Output)
		}
		total += len(history)
		if len(history) > 1 {
			repeated++
		}
	}
	t.Logf("%d jobs, %d attempts, %d jobs with more than one, %d set aside, %d begun once more before the result arrived", jobs, total, repeated, aside, superseded)
}

// checkNoSecret searches all files of the store, and what the processes have
// printed, for the password.
func (f *fleetOfProcesses) checkNoSecret(t testing.TB) {
	t.Helper()
	searched, readings := 0, 0
	err := filepath.WalkDir(f.store(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched += len(text)
		readings += bytes.Count(text, []byte("READING"))
		for _, secret := range []string{simPassword, simPassword[:8]} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s contains the password", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if readings == 0 { // which follow the password in every recording
		t.Errorf("%d bytes of the store were searched, and no recording was among them", searched)
	}
	for _, b := range f.output {
		if strings.Contains(b.String(), simPassword[:8]) {
			t.Errorf("a process has printed the password: %s", b)
		}
	}
}

func TestOneResultForEachJobUnderKills(t *testing.T) {
	jobs, lines, workers, every := 300, 25, 3, time.Duration(0)
	if peertest.Long() {
		jobs, lines, workers, every = 5000, 50, 4, 4*time.Second
	}
	f := startFleet(t, workers, lines)
	start := time.Now()
	for i := range jobs {
		mustSubmit(t, f.q, simJob(i))
	}
	t.Logf("%d jobs submitted in %v", jobs, time.Since(start).Round(time.Millisecond))
	kill := func(name string) {
		f.workers[name].kill()
		f.startWorker(t, name)
	}
	await(t, "the first results", func() bool { return f.done(t) >= jobs/10 })
	kill("w1")
	kills := 1
	await(t, "a third of the results", func() bool { return f.done(t) >= jobs/3 })
	f.server.kill()
	f.startServer(t)
	last := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Minute); f.done(t) < jobs; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d of %d jobs are done", f.done(t), jobs)
		}
		if every > 0 && time.Since(last) > every {
			kill(fmt.Sprintf("w%d", kills%workers+1))
			kills++
			last = time.Now()
		}
	}
	t.Logf("%d jobs, %d workers with %d lines each, %d kills of a worker and one of the server: %v", jobs, workers, lines, kills, time.Since(start).Round(time.Millisecond))
	for _, p := range f.workers {
		p.kill()
	}
	f.checkResults(t, jobs)
	f.server.kill()
	f.checkNoSecret(t)
}
