package integration

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
)

var guestRun = flag.String("guest.run", "", "run only the guest's tests that match this `expression`")

// guestLimit bounds the life of the machine. The guest's own limits are lower, and
// that of go test is 10 minutes.
const guestLimit = 9 * time.Minute

// missing returns what the machine lacks, all in one text.
func missing() (lack []string) {
	if runtime.GOARCH != "amd64" {
		return []string{"a processor of the amd64 kind, whose programs the guest runs"}
	}
	for _, p := range []struct{ program, pkg string }{
		{Emulator, "qemu-system-x86"},
		{"busybox", "busybox-static"},
		{"pppd", "ppp"},
		{"go", "golang"},
	} {
		if _, err := Tool(p.program); err != nil {
			lack = append(lack, fmt.Sprintf("%v (package %s)", err, p.pkg))
		}
	}
	if _, err := FindKernel(); err != nil {
		lack = append(lack, err.Error())
	}
	return lack
}

// TestGuest boots a guest, runs the tests of package guest in it and reports
// each as a subtest.
func TestGuest(t *testing.T) {
	peertest.Heavy(t, "a guest kernel")
	if lack := missing(); len(lack) > 0 {
		peertest.Need(t, fmt.Errorf("the guest needs programs that are missing: %s", strings.Join(lack, "; ")))
	}
	k, err := FindKernel()
	if err != nil {
		t.Fatal(err)
	}
	var trial sync.WaitGroup
	defer trial.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), guestLimit)
	defer cancel()
	var how string
	trial.Go(func() { how = Accelerator(ctx, k) })
	start := time.Now()
	initramfs := makeInitramfs(t, k)
	trial.Wait()
	t.Logf("made the guest in %v; it runs %s under %s", since(start), filepath.Base(k.Image), how)
	m, err := Boot(ctx, k, initramfs, how)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	start = time.Now()
	r := converse(ctx, t, m)
	t.Logf("the guest ran for %v", since(start))
	report(t, r, "")
	if r.Exit != 0 {
		t.Errorf("the guest's tests ended with status %d (-1: not at all)\n%s", r.Exit, r.Rest.String())
		t.Logf("the guest's console:\n%s", m.Console())
	}
	if len(r.Tests) == 0 {
		t.Error("the guest ran no test")
	}
}

func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }

// makeInitramfs builds our programs and packs them with the rest.
func makeInitramfs(t *testing.T, k *Kernel) string {
	t.Helper()
	dir := t.TempDir()
	programs := map[string]string{"/init": "test -c ./guest"}
	programs["/bin/chat"] = "build ../../examples/chat"
	programs["/bin/rasdial"] = "build ../../examples/rasdial"
	for path, command := range programs {
		out := filepath.Join(dir, filepath.Base(path))
		words := strings.Fields(command)
		args := append(words[:len(words)-1:len(words)-1], "-ldflags=-s -w", "-o", out, words[len(words)-1])
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, text)
		}
		programs[path] = out
	}
	follow(t, "./guest", "../../examples/...")
	name := filepath.Join(dir, "initramfs")
	if err := WriteInitramfs(name, k, programs, map[string]string{"/etc/run": *guestRun}); err != nil {
		t.Fatal(err)
	}
	return name
}

// follow makes the go command run the test again when a source of the guest's
// programs changes: it remembers which files and directories a test looked at.
func follow(t *testing.T, packages ...string) {
	t.Helper()
	args := append([]string{"list", "-deps", "-test", "-f", "{{if not .Standard}}{{.Dir}}{{end}}"}, packages...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	for _, dir := range strings.Fields(string(out)) {
		if _, err := os.ReadDir(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// converse reads the guest's results until it is turned off, and does what it
// asks for.
func converse(ctx context.Context, t *testing.T, m *Machine) *Results {
	t.Helper()
	stop := context.AfterFunc(ctx, func() { m.Close() })
	defer stop()
	r := NewResults()
	lines := bufio.NewScanner(m.Control)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if request := r.Line(lines.Text()); request != "" {
			fmt.Fprintf(m.Control, "%s\n", serve(ctx, m, request))
		}
	}
	if err := errors.Join(lines.Err(), m.Err()); err != nil {
		t.Error(err)
	}
	return r
}

// serve does what the guest asks for and returns the answer.
func serve(ctx context.Context, m *Machine, request string) string {
	var err error
	switch request {
	case "pull":
		err = m.Pull(ctx)
	case "plug":
		err = m.Plug(ctx)
	default:
		err = fmt.Errorf("unknown request %q", request)
	}
	if err != nil {
		return strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return "done"
}

// report makes a subtest of each of the guest's.
func report(t *testing.T, r *Results, parent string) {
	for _, g := range r.Children(parent) {
		t.Run(strings.TrimPrefix(g.Name, parent+"/"), func(t *testing.T) {
			t.Log("in the guest:\n" + strings.TrimSpace(g.Output.String()))
			report(t, r, g.Name)
			switch g.Outcome {
			case "PASS":
			case "SKIP":
				t.Skip("skipped in the guest")
			case "FAIL":
				t.Fail()
			default:
				t.Error("did not come to its end")
			}
		})
	}
}
