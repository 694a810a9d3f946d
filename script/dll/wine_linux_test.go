package dll

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/internal/winetest"
)

// vendorDLLs builds the DLLs of testdata/dll and returns their folder, which
// also has a text.dll that is none.
func vendorDLLs(t *testing.T, goarch string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"login", "misbehave", "plain"} {
		winetest.Compile(t, goarch, filepath.Join(dir, name+".dll"), "../../testdata/dll/"+name+".c")
	}
	if err := os.WriteFile(filepath.Join(dir, "text.dll"), []byte("not a DLL"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestUnderWine runs the tests of this package that need Windows.
func TestUnderWine(t *testing.T) { underWine(t, "amd64") }

// TestUnder32BitWine does the same with DLLs and a program of 32 bits, as those
// of the period were.
func TestUnder32BitWine(t *testing.T) {
	peertest.Heavy(t, "a wine prefix")
	peertest.Optional(t, "wine32", winetest.Available32())
	underWine(t, "386")
}

func underWine(t *testing.T, goarch string) {
	wine := winetest.Start(t)
	dir := vendorDLLs(t, goarch)
	exe := filepath.Join(dir, "dll.test.exe")
	winetest.Go(t, goarch, false, "test", "-c", "-o", exe, ".")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := wine.Command(ctx, exe, "-test.v", "-test.run=TestWindows", "-test.timeout=150s")
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
	winetest.Compile(t, "amd64", host, "../../testdata/dll/host.c", "-lws2_32")
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
		img, err := Inspect(f)
		if want := (Image{Arch: "386", DLL: true, Script: true}); err != nil || *img != want {
			t.Errorf("Inspect = %+v, %v; want %+v", img, err, want)
		}
	}
}

// TestRasdial runs an old DLL over TCP with the program that people try first.
func TestRasdial(t *testing.T) {
	wine := winetest.Start(t)
	dir := vendorDLLs(t, "amd64")
	rasdial := filepath.Join(dir, "rasdial.exe")
	winetest.Go(t, "amd64", false, "build", "-o", rasdial, "../../examples/rasdial")
	for _, tt := range []struct {
		password string
		code     int
		says     string
	}{
		{"secret", 0, ""},
		{"correct horse", 1, "691"},
	} {
		file := filepath.Join(dir, "password")
		if err := os.WriteFile(file, []byte(tt.password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := wine.Output(t, time.Minute, rasdial, "-port", "tcp://"+strings.Join(serveTCP(t), ":"),
			"-script", filepath.Join(dir, "login.dll"), "-user", "ann", "-password-file", file, "-timeout", "50s", "-v")
		if code != tt.code || !strings.Contains(out, tt.says) || !strings.Contains(out, "RasRetrieveBuffer") {
			t.Errorf("password %q: rasdial left with %d, want %d, %q and a trace\n%s", tt.password, code, tt.code, tt.says, out)
		}
		if strings.Contains(out, tt.password) {
			t.Errorf("rasdial printed the password\n%s", out)
		}
	}
}
