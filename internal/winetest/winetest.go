package winetest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
)

// prefixes are those of this test process, by the root of the system that has
// wine.
var prefixes struct {
	sync.Mutex // guards made
	made       map[string]*shared
}

// shared is a prefix of this test process, or why there is none.
type shared struct {
	dir    string
	prefix *Prefix
	err    error
}

// Main runs the tests of a package and then removes the prefixes that they made.
// Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	prefixes.Lock()
	defer prefixes.Unlock()
	for _, s := range prefixes.made {
		if s.prefix != nil {
			s.prefix.Close()
		}
		if s.dir != "" {
			os.RemoveAll(s.dir)
		}
	}
	os.Exit(code)
}

// Start returns the prefix of this test process. It skips the test where wine
// is missing and fails it where wine does not start.
func Start(t testing.TB) *Prefix {
	t.Helper()
	peertest.Heavy(t, "a wine prefix")
	peertest.Need(t, Available())
	return start(t, "")
}

// Start32 returns a prefix of this test process that runs 32-bit programs. It
// skips the test where no such wine is found, also if peers are required.
func Start32(t testing.TB) *Prefix {
	t.Helper()
	peertest.Heavy(t, "a wine prefix")
	_, err := exec.LookPath(CC("386"))
	peertest.Need(t, err)
	peertest.Optional(t, "wine32", Available32())
	if native32() == nil {
		return Start(t)
	}
	return start(t, os.Getenv(rootEnv))
}

func start(t testing.TB, root string) *Prefix {
	t.Helper()
	prefixes.Lock()
	defer prefixes.Unlock()
	s := prefixes.made[root]
	if s == nil {
		s = new(shared)
		if s.dir, s.err = os.MkdirTemp("", "winetest"); s.err == nil {
			s.prefix, s.err = newPrefix(s.dir, root)
		}
		if prefixes.made == nil {
			prefixes.made = make(map[string]*shared)
		}
		prefixes.made[root] = s
	}
	if s.err != nil {
		t.Fatalf("no wine prefix: %v", s.err)
	}
	return s.prefix
}

// rootEnv names the root directory of an i386 system with wine, in which the
// directory for temporary files and the one of the tests have the same paths as
// here. .ci/wine32 makes one.
const rootEnv = "RASLINE_WINE32_ROOT"

// Available32 returns an error that gives the reason why 32-bit programs do not
// run here.
func Available32() error {
	root := os.Getenv(rootEnv)
	if root == "" {
		return native32()
	}
	_, err := os.Stat(filepath.Join(root, "usr/lib/wine/wine"))
	return err
}

// native32 is Available32 for the wine of this system.
func native32() error {
	for _, path := range []string{"/usr/lib/wine/wine", "/usr/lib/i386-linux-gnu/wine", "/opt/wine-stable/bin/wine"} {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
	return errors.New("there is no 32-bit wine: install wine32:i386, or set " + rootEnv)
}

// CC returns the name of the C compiler for Windows on a GOARCH.
func CC(goarch string) string {
	if goarch == "386" {
		return "i686-w64-mingw32-gcc"
	}
	return "x86_64-w64-mingw32-gcc"
}

// Compile builds the Windows program or DLL out, whose ending specifies which, from
// C sources for a GOARCH. It skips the test where the compiler is missing.
func Compile(t testing.TB, goarch, out string, args ...string) {
	t.Helper()
	_, err := exec.LookPath(CC(goarch))
	peertest.Need(t, err)
	flags := []string{"-Wall", "-Wextra", "-Werror", "-O1", "-o", out}
	if filepath.Ext(out) == ".dll" {
		flags = append(flags, "-shared", "-Wl,--kill-at")
	}
	if text, err := exec.Command(CC(goarch), append(flags, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", CC(goarch), args, err, text)
	}
}

// Go runs the go command for windows and a GOARCH, with cgo through the cross
// compiler or without, and fails the test if the command does.
func Go(t testing.TB, goarch string, cgo bool, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...) // go test prepends its own go to PATH
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH="+goarch, "GOFLAGS=", "CGO_ENABLED=0")
	if cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1", "CC="+CC(goarch))
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, text)
	}
}

// Output runs a Windows program to its end, at most limit, and returns what it
// printed to standard output and standard error and its exit code.
func (p *Prefix) Output(t testing.TB, limit time.Duration, program string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	text, err := p.Command(ctx, program, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("wine %s: %v (%v)\n%s", program, err, context.Cause(ctx), text)
	}
	if exit != nil {
		return string(text), exit.ExitCode()
	}
	return string(text), 0
}

// TempDir is t.TempDir for tests that also run under wine. Wine 8 refuses the
// way in which Go removes files, and t.TempDir then fails the test; there, the
// files stay in the prefix, which is removed as a whole.
func TempDir(t testing.TB) string {
	t.Helper()
	if !underWine() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("", "winetest")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
