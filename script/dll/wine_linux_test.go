package dll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
)

// vendorDLLs builds the DLLs of testdata/dll and returns their directory, which
// also has a text.dll that is none.
func vendorDLLs(t *testing.T, goarch string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"login", "misbehave", "rough", "plain"} {
		winetest.Compile(t, goarch, filepath.Join(dir, name+".dll"), "../../testdata/dll/"+name+".c")
	}
	missing := filepath.Join(dir, "missing.dll")
	winetest.Compile(t, goarch, missing, "../../testdata/dll/missing.c")
	for i, name := range []string{"hang", "crash", "refuse", "needs"} {
		winetest.Compile(t, goarch, filepath.Join(dir, name+".dll"), fmt.Sprintf("-DLOAD=%d", i+1), "../../testdata/dll/load.c", missing)
	}
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text.dll"), []byte("not a DLL"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestUnderWine runs the tests of this package that need Windows.
func TestUnderWine(t *testing.T) { underWine(t, winetest.Start(t), "amd64") }

// TestUnder32BitWine does the same with DLLs and a program of 32 bits, as legacy
// DLLs are.
func TestUnder32BitWine(t *testing.T) { underWine(t, winetest.Start32(t), "386") }

func underWine(t *testing.T, wine *winetest.Prefix, goarch string) {
	dir := vendorDLLs(t, goarch)
	exe := filepath.Join(dir, "dll.test.exe")
	winetest.Go(t, goarch, false, "test", "-c", "-o", exe, ".")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := wine.Command(ctx, exe, "-test.v", "-test.run=TestWindows", "-test.timeout=280s")
	cmd.Env = append(cmd.Env, dllsEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	passed := regexp.MustCompile(`(?m)^--- PASS: TestWindows`).FindAll(out, -1)
	if err != nil || len(passed) == 0 {
		t.Fatalf("under wine: %v, %d tests of DLLs passed\n%s", err, len(passed), out)
	}
	t.Logf("%d tests of DLLs passed under wine", len(passed))
}

// TestTraceUnderTheHost holds the trace that other tests compare with against a
// host that is written in C.
func TestTraceUnderTheHost(t *testing.T) {
	wine := winetest.Start(t)
	dir := vendorDLLs(t, "amd64")
	host := filepath.Join(dir, "host.exe")
	winetest.Compile(t, "amd64", host, "../../testdata/dll/host.c", "-lws2_32", "-lpsapi")
	want := goldenTrace(t) + "return 0\nuser ann\npassword secret\ndomain EXAMPLE\nleaks 0\n"
	out, code := wine.Output(t, time.Minute, host, append([]string{"-user", "ann", "-password", "secret",
		filepath.Join(dir, "login.dll")}, serveTCP(t)...)...)
	if out = strings.ReplaceAll(out, "\r\n", "\n"); code != 0 || out != want {
		t.Errorf("the host left with %d and printed\n%swant\n%s", code, out, want)
	}
}

// serveTCP answers one connection as the login host and returns host and port.
func serveTCP(t *testing.T) []string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			loginHost(c)
		}
	}()
	return []string{"127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
}

func TestOldDLLsAre32Bit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "login.dll")
	winetest.Compile(t, "386", path, "../../testdata/dll/login.c")
	err := checkFile(path, "amd64")
	if err == nil || !strings.Contains(err.Error(), "GOARCH=386") {
		t.Errorf("a 32-bit DLL for a 64-bit program: %v, want an error that tells what to do", err)
	}
	if err := checkFile(path, "386"); err != nil {
		t.Errorf("a 32-bit DLL for a 32-bit program: %v", err)
	}
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		if img, err := Inspect(f); err != nil || img.Arch != "386" || !img.DLL || !img.Script {
			t.Errorf("Inspect = %+v, %v; want a script DLL of 32 bits", img, err)
		}
	}
}

// TestRasdial runs an old DLL over TCP and over a COM port of wine's with the
// program that people try first.
func TestRasdial(t *testing.T) {
	wine := winetest.Start(t)
	dir := vendorDLLs(t, "amd64")
	rasdial := filepath.Join(dir, "rasdial.exe")
	winetest.Go(t, "amd64", false, "build", "-o", rasdial, "../../examples/rasdial")
	tcp := func() []string { return []string{"-port", "tcp://" + strings.Join(serveTCP(t), ":")} }
	com := func() []string {
		pair, err := pty.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pair.Close() })
		link := wine.Path("dosdevices", "com7")
		if err := errors.Join(os.RemoveAll(link), os.Symlink(pair.Name, link)); err != nil {
			t.Fatal(err)
		}
		go loginHost(retrying{pair.Port})
		return []string{"-port", `\\.\COM7`, "-mode", "115200,8N1,rtscts"}
	}
	for _, tt := range []struct {
		name     string
		port     func() []string
		password string
		code     int
		says     string
	}{
		{"tcp", tcp, "secret", 0, ""},
		{"tcp, wrong password", tcp, "correct horse", 1, "691"},
		{"COM7", com, "secret", 0, ""},
	} {
		file := filepath.Join(dir, "password")
		if err := os.WriteFile(file, []byte(tt.password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := wine.Output(t, time.Minute, rasdial, append(tt.port(),
			"-script", filepath.Join(dir, "login.dll"), "-user", "ann", "-password-file", file, "-hangup", "none", "-timeout", "50s", "-v")...)
		if code != tt.code || !strings.Contains(out, tt.says) || !strings.Contains(out, "RasRetrieveBuffer") {
			t.Errorf("%s: rasdial left with %d, want %d, %q and a trace\n%s", tt.name, code, tt.code, tt.says, out)
		}
		if strings.Contains(out, tt.password) {
			t.Errorf("%s: rasdial printed the password\n%s", tt.name, out)
		}
	}
}

// retrying is the peer's end of a pseudo-terminal, whose reads fail while no
// process has opened the other.
type retrying struct{ port.Port }

func (r retrying) Read(b []byte) (int, error) {
	for {
		n, err := r.Port.Read(b)
		if n > 0 || errors.Is(err, net.ErrClosed) {
			return n, err
		}
		<-time.After(time.Millisecond)
	}
}

// running returns the processes whose command line contains text, which wine
// shows as that of the Windows program.
func running(t *testing.T, text string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte(text)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() {
			found = append(found, pid)
		}
	}
	return found
}

// TestChildDoesNotOutliveItsParent kills a program whose DLL hangs while it is
// loaded, where Windows holds a lock that an ordinary exit waits for.
func TestChildDoesNotOutliveItsParent(t *testing.T) {
	wine := winetest.Start(t)
	dir := vendorDLLs(t, "amd64")
	rasdial := filepath.Join(dir, "rasdial.exe")
	winetest.Go(t, "amd64", false, "build", "-o", rasdial, "../../examples/rasdial")
	id := filepath.Base(filepath.Dir(dir)) // paths of Windows have it too
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := wine.Command(ctx, rasdial, "-port", "tcp://"+strings.Join(serveTCP(t), ":"), "-script", filepath.Join(dir, "hang.dll"), "-timeout", "50s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for len(running(t, id)) < 2 && ctx.Err() == nil {
		<-time.After(20 * time.Millisecond)
	}
	<-time.After(300 * time.Millisecond) // or more: until the DLL hangs
	if got := running(t, id); len(got) != 2 {
		t.Fatalf("%d processes of rasdial, want it and its child", len(got))
	}
	cmd.Process.Kill()
	cmd.Wait()
	for len(running(t, id)) > 0 && ctx.Err() == nil {
		<-time.After(20 * time.Millisecond)
	}
	for _, pid := range running(t, id) {
		t.Errorf("process %d outlives the program that started it", pid)
		syscall.Kill(pid, syscall.SIGKILL)
	}
}
