package winetest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed testdata/bcryptprimitives.c
var bcryptprimitives []byte

// makeLimit bounds the creation of a prefix, which needs some ten seconds on an
// idle machine.
const makeLimit = 3 * time.Minute

// Prefix is a wine installation in a directory of its own, with its own server.
// Make it with NewPrefix. Commands may run in it concurrently.
type Prefix struct {
	dir  string
	env  []string
	root string // of the system that has wine; empty: this one
}

// Available returns an error that names what is missing to make a prefix.
func Available() error {
	for _, tool := range []string{"wine", "wineserver", CC("amd64")} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: install wine, wine64 and gcc-mingw-w64-x86-64", err)
		}
	}
	return nil
}

// NewPrefix makes a prefix in dir, which must exist. Its Close must be called.
func NewPrefix(dir string) (*Prefix, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	return newPrefix(dir, "")
}

func newPrefix(dir, root string) (*Prefix, error) {
	p := &Prefix{dir: filepath.Join(dir, "prefix"), root: root}
	p.env = append(withoutWine(os.Environ()),
		"WINEPREFIX="+p.dir,
		"WINEDEBUG=-all",
		"WINEDLLOVERRIDES=mscoree,mshtml,winemenubuilder.exe,winedbg.exe=",
	)
	if err := p.boot(dir); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// OpenPrefix returns the prefix that NewPrefix made in dir, in this process or
// in another.
func OpenPrefix(dir string) *Prefix {
	p := &Prefix{dir: filepath.Join(dir, "prefix")}
	p.env = append(withoutWine(os.Environ()), "WINEPREFIX="+p.dir, "WINEDEBUG=-all", "WINEDLLOVERRIDES=winedbg.exe=")
	return p
}

// withoutWine removes the variables that change where and how wine runs.
func withoutWine(env []string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "WINE") && name != "DISPLAY" {
			out = append(out, e)
		}
	}
	return out
}

// boot fills the prefix. The server is started first and with its output discarded:
// it outlives the command that starts it and would hold that command's pipes open.
func (p *Prefix) boot(dir string) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	if err := p.host(context.Background(), "wineserver", "-p").Run(); err != nil {
		return fmt.Errorf("wineserver: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), makeLimit)
	defer cancel()
	for _, args := range [][]string{
		{"wineboot", "-u"},
		{"reg", "add", `HKCU\Software\Wine\Drivers`, "/v", "Graphics", "/d", "null", "/f"},
	} {
		// The output is a file, since the services that the first command in a
		// prefix starts keep running and would hold a pipe open.
		f, err := os.Create(filepath.Join(dir, "boot.log"))
		if err != nil {
			return err
		}
		cmd := p.Command(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = f, f
		err = cmd.Run()
		f.Close()
		if err != nil {
			text, _ := os.ReadFile(f.Name())
			return fmt.Errorf("wine %s: %w\n%s", args[0], err, text)
		}
	}

	// Put bcryptprimitives.dll into the prefix unless wine has one. With
	// a 32-bit wine beside the 64-bit one there are two of each system DLL.
	src := filepath.Join(dir, "bcryptprimitives.c")
	if err := os.WriteFile(src, bcryptprimitives, 0o600); err != nil {
		return err
	}
	if p.root != "" {
		return p.addDLL("386", "system32", src)
	}
	if err := p.addDLL("amd64", "system32", src); err != nil || native32() != nil {
		return err
	}
	return p.addDLL("386", "syswow64", src)
}

func (p *Prefix) addDLL(goarch, directory, src string) error {
	dll := p.Path("drive_c", "windows", directory, "bcryptprimitives.dll")
	if _, err := os.Stat(dll); err == nil {
		return nil
	}
	out, err := exec.Command(CC(goarch), "-shared", "-O1", "-Wl,--kill-at", "-o", dll, src, "-ladvapi32").CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile bcryptprimitives.dll: %w\n%s", err, out)
	}
	return nil
}

// Path returns the path of a file inside the prefix on Linux.
func (p *Prefix) Path(elem ...string) string {
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

// Command returns a command that runs a Windows program in the prefix. Paths of
// Linux work as its arguments if they are absolute. The end of ctx kills it.
func (p *Prefix) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return p.host(ctx, "wine", append([]string{program}, args...)...)
}

// host returns a command that runs a program of wine's on the system that has it.
func (p *Prefix) host(ctx context.Context, program string, args ...string) *exec.Cmd {
	args = append([]string{program}, args...)
	if p.root != "" {
		dir, err := os.Getwd()
		if err != nil {
			dir = "/"
		}
		args = append([]string{"chroot", p.root, "env", "-C", dir}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = p.env
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Close ends every program in the prefix and its server. The files stay.
func (p *Prefix) Close() error {
	for _, flag := range []string{"-k", "-w"} {
		if err := p.host(context.Background(), "wineserver", flag).Run(); err != nil && flag == "-w" {
			return fmt.Errorf("wineserver %s: %w", flag, err)
		}
	}
	return nil
}
