package main

import (
	"bufio"
	"context"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/winetest"
	rasdll "github.com/rasline/rasline/script/dll"
)

// The scripts that rasline.dll runs in these tests, by entry.
var scripts = map[string]string{
	"Work.scp": `proc main
  waitfor "ogin:" until 20
  if $FAILURE then
    halt
  endif
  transmit $USERID
  transmit "^M"
  waitfor "assword:"
  transmit $PASSWORD
  transmit "^M"
  waitfor "menu>" then good, "incorrect" then bad until 20
  bad:
  halt
  good:
  transmit "ppp^M"
  waitfor "PPP"
endproc
`,
	"Chat.chat":  "ABORT incorrect\nogin: \\T assword: \\U menu> ppp PPP\n",
	"Inf.inf":    "[Inf]\nCOMMAND=\nOK=<match>\"ogin:\"\nCOMMAND=<username><cr>\nOK=<match>\"assword:\"\nCOMMAND=<password><cr>\nOK=<match>\"menu>\"\nERROR_AUTHENTICATION_FAILURE=<match>\"incorrect\"\nCOMMAND=ppp<cr>\nCONNECT=<match>\"PPP\"\n",
	"Broken.scp": "proc main\n",
}

// installed is rasline.dll with its scripts, and a host to load it.
type installed struct {
	wine      *winetest.Prefix
	dir       string
	host, dll string
}

func install(t *testing.T, wine *winetest.Prefix, goarch string) *installed {
	t.Helper()
	dir := t.TempDir()
	in := &installed{wine, dir, filepath.Join(dir, "host.exe"), filepath.Join(dir, "rasline.dll")}
	winetest.Compile(t, goarch, in.host, "../../testdata/dll/host.c", "-lws2_32", "-lpsapi")
	winetest.Go(t, goarch, true, "build", "-buildmode=c-shared", "-o", in.dll, ".")
	for name, text := range scripts {
		write(t, dir, name, text)
	}
	return in
}

// dial lets the host dial an entry and returns what it printed, without the
// trace, and the trace.
func (in *installed) dial(t *testing.T, far func(io.ReadWriteCloser), args ...string) (end, trace string) {
	t.Helper()
	out, code := in.wine.Output(t, 3*time.Minute, in.host, append(append(args, in.dll), listen(t, far)...)...)
	if code != 0 {
		t.Fatalf("the host left with %d\n%s", code, out)
	}
	for line := range strings.Lines(strings.ReplaceAll(out, "\r\n", "\n")) {
		if strings.HasPrefix(line, "Ras") {
			trace += line
		} else {
			end += line
		}
	}
	return end, trace
}

// listen answers connections with far and returns host and port.
func listen(t *testing.T, far func(io.ReadWriteCloser)) []string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				far(c)
			}()
		}
	}()
	return []string{"127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
}

// login is a host whose user is ann with the password "secret". It ends with a
// frame of PPP in the same write as its last text.
func login(line io.ReadWriteCloser) {
	in := bufio.NewReader(line)
	ask := func(prompt string) string {
		io.WriteString(line, prompt)
		answer, _ := in.ReadString('\r')
		return strings.TrimSuffix(answer, "\r")
	}
	user := ask("\r\nhost\r\nlogin: ")
	if password := ask("\r\nPassword: "); user != "ann" || password != "secret" {
		ask("\r\nLogin incorrect\r\n")
		return
	}
	if ask("\r\nmenu> ") == "ppp" {
		ask("\r\nEntering PPP~FRAME~")
	}
}

// dribble sends one byte at a time.
type dribble struct{ io.ReadWriteCloser }

func (d dribble) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.ReadWriteCloser.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func dribbling(line io.ReadWriteCloser) { login(dribble{line}) }

// flooding sends a lot before it asks.
func flooding(line io.ReadWriteCloser) {
	junk := strings.Repeat("The system is for authorised users only.\r\n", 300)
	io.WriteString(line, junk)
	login(line)
}

// hangingUp hangs up in the middle of a login.
func hangingUp(line io.ReadWriteCloser) {
	io.WriteString(line, "login: ")
	bufio.NewReader(line).ReadString('\r')
}

func silent(line io.ReadWriteCloser) { io.Copy(io.Discard, line) }

// TestRaslineDLL builds the DLL once for all that needs a host.
func TestRaslineDLL(t *testing.T) {
	in := install(t, winetest.Start(t), "amd64")
	t.Run("scripts", in.testScripts)
	t.Run("unload and reload", in.testReload)
	t.Run("script directory", in.testScriptDirectory)
	t.Run("nothing is taken past the last match", in.testLastMatch)
	t.Run("hosts that take liberties", in.testLiberties)
	t.Run("completions for a flood", in.testCompletions)
	t.Run("one export", in.testExports)
	t.Run("log", in.testLog)
	t.Run("commands of the README", in.testReadme)
	t.Run("a thousand cycles", in.testCycles)
}

// TestRaslineDLL32 runs the DLL for 32 bits in a host of 32 bits.
func TestRaslineDLL32(t *testing.T) {
	in := install(t, winetest.Start32(t), "386")
	end, _ := in.dial(t, login, "-repeat", "3", "-entry", "Work", "-user", "ann", "-password", "secret")
	if n := strings.Count(end, "return 0\n"); n != 3 {
		t.Errorf("%d of 3 runs succeeded:\n%s", n, end)
	}
	t.Run("hosts that take liberties", in.testLiberties)
}

func (in *installed) testScripts(t *testing.T) {
	tests := []struct {
		name     string
		far      func(io.ReadWriteCloser)
		entry    string
		password string
		flags    []string
		want     int
	}{
		{"scp", login, "Work", "secret", nil, 0},
		{"chat", login, "Chat", "secret", nil, 0},
		{"inf", login, "Inf", "secret", nil, 0},
		{"dribbling input", dribbling, "Work", "secret", nil, 0},
		{"flood", flooding, "Work", "secret", nil, 0},
		{"no extension structure", login, "Work", "secret", []string{"-plain"}, 0},
		{"wrong password in scp", login, "Work", "wrong", nil, 703},
		{"wrong password in inf", login, "Inf", "wrong", nil, 691},
		{"hang-up in scp", hangingUp, "Work", "secret", nil, 629},
		{"hang-up in chat", hangingUp, "Chat", "secret", nil, 629},
		{"no script for the entry", silent, "Home", "", nil, 2},
		{"an entry that leads out of the folder", silent, `..\Work`, "", nil, 2},
		{"a script with a mistake", silent, "Broken", "", nil, 752},
		{"IDCANCEL", silent, "Work", "secret", []string{"-cancel", "300"}, 631},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append(tt.flags, "-entry", tt.entry, "-user", "ann", "-password", tt.password)
			end, trace := in.dial(t, tt.far, args...)
			want := fmt.Sprintf("return %d\nuser ann\npassword %s\ndomain \nleaks 0\n", tt.want, tt.password)
			if len(tt.flags) == 2 {
				want = "IDCANCEL\n" + strings.Replace(want, "leaks 0", "leaks 1", 1) // the buffer of the pending receive
			}
			if end != want {
				t.Errorf("the host ended with\n%swant\n%s%s", end, want, trace)
			}
		})
	}
}

func (in *installed) testReload(t *testing.T) {
	end, _ := in.dial(t, login, "-repeat", "3", "-entry", "Chat", "-user", "ann", "-password", "secret")
	if n := strings.Count(end, "return 0\n"); n != 3 {
		t.Errorf("%d of 3 runs succeeded, with the DLL unloaded between them:\n%s", n, end)
	}
}

func (in *installed) testScriptDirectory(t *testing.T) {
	elsewhere := t.TempDir()
	write(t, elsewhere, "Else.chat", scripts["Chat.chat"])
	in.reg(t, "add", parametersKey, "/v", "ScriptDirectory", "/d", windowsPath(elsewhere), "/f")
	defer in.reg(t, "delete", parametersKey, "/v", "ScriptDirectory", "/f")
	for _, entry := range []string{"Else", "Chat"} {
		end, _ := in.dial(t, login, "-entry", entry, "-user", "ann", "-password", "secret")
		if !strings.HasPrefix(end, "return 0\n") {
			t.Errorf("entry %s: the host ended with\n%s", entry, end)
		}
	}
}

// What follows the last match belongs to PPP: the DLL must not have taken it.
func (in *installed) testLastMatch(t *testing.T) {
	end, trace := in.dial(t, login, "-entry", "Work", "-user", "ann", "-password", "secret")
	if !strings.HasPrefix(end, "return 0\n") {
		t.Fatalf("the host ended with\n%s", end)
	}
	var got int
	for line := range strings.Lines(trace) {
		var n, code int
		if _, err := fmt.Sscanf(line, "RasRetrieveBuffer size=%d code=%d", &n, &code); err == nil {
			got += n
		}
	}
	want := len("\r\nhost\r\nlogin:" + " " + "\r\nPassword:" + " " + "\r\nmenu>" + " " + "\r\nEntering PPP")
	if got != want {
		t.Errorf("the DLL took %d bytes, want %d\n%s", got, want, trace)
	}
}

// testLiberties has hosts do what the documentation leaves to them.
func (in *installed) testLiberties(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
		want  string // is printed
	}{
		{"loads and frees the DLL without a call", []string{"-probe", "3"}, "probe stays\nprobe stays\nprobe stays\nreturn 0\n"},
		{"has one buffer", []string{"-buffers", "1"}, "return 0\n"},
		{"grants larger buffers", []string{"-fixed"}, "return 0\n"},
		{"has one large buffer", []string{"-fixed", "-buffers", "1"}, "return 0\n"},
		{"has the structure of Windows NT 4", []string{"-size", "2096"}, "return 0\n"},
		{"has a size that is 8 bytes long", []string{"-size", "2116"}, "return 0\n"},
		{"leaves numbers that are no text", []string{"-bad"}, "return 0\n"},
		{"cancels while the window is created", []string{"-hook", "3"}, "hook 3\nreturn 0\n"},
		{"cancels while the window is destroyed", []string{"-hook", "4"}, "hook 4\nreturn 0\n"},
		{"is about to quit", []string{"-quit", "42"}, "WM_QUIT 42\nreturn 631\n"},
	} {
		end, trace := in.dial(t, login, append(tt.flags, "-entry", "Work", "-user", "ann", "-password", "secret")...)
		if !strings.Contains(end, tt.want) {
			t.Errorf("a host that %s ended with\n%swant %q\n%s", tt.name, end, tt.want, trace)
		}
	}
}

// A flood before the prompt takes as few completions as the host allows, and what
// follows the last match is read a few bytes at a time.
func (in *installed) testCompletions(t *testing.T) {
	for _, entry := range []string{"Work", "Chat", "Inf"} {
		start := time.Now()
		end, trace := in.dial(t, flooding, "-late", "5", "-entry", entry, "-user", "ann", "-password", "secret")
		n := strings.Count(trace, "RasReceiveBuffer")
		if !strings.HasPrefix(end, "return 0\n") || n > 12600/1500+60 {
			t.Errorf("%s: %d receives in %v\n%s", entry, n, time.Since(start), end)
		}
	}
}

// testExports looks for what the DLL exports beside RasCustomScriptExecute.
func (in *installed) testExports(t *testing.T) { checkExports(t, in.dll) }

func checkExports(t *testing.T, dll string) {
	t.Helper()
	f, err := pe.Open(dll)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var dir uint32
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader64:
		dir = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress
	case *pe.OptionalHeader32:
		dir = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress
	}
	for _, s := range f.Sections {
		if dir < s.VirtualAddress || dir >= s.VirtualAddress+s.Size {
			continue
		}
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		if n := binary.LittleEndian.Uint32(data[dir-s.VirtualAddress+20:]); n != 1 {
			t.Errorf("%s exports %d functions, want 1", dll, n)
		}
		return
	}
	t.Errorf("%s has no exports", dll)
}

// testLog looks for the log file at its default place and at that of the registry.
func (in *installed) testLog(t *testing.T) {
	dial := func() { in.dial(t, silent, "-entry", "Broken", "-user", "ann", "-password", "correct horse") }
	check := func(path string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "Broken.scp:") || strings.Contains(string(text), "horse") {
			t.Errorf("the log reads %q, %v; want the place of the error and no password", text, err)
		}
	}
	var found []string
	for _, place := range []string{"drive_c/users/*/AppData/Local", "drive_c/ProgramData"} {
		logs, _ := filepath.Glob(in.wine.Path(place, "rasline", "rasline.log"))
		found = append(found, logs...)
	}
	if len(found) != 1 {
		t.Fatalf("logs at %q, want one", found)
	}
	dial()
	check(found[0])

	elsewhere := filepath.Join(t.TempDir(), "my.log")
	in.reg(t, "add", parametersKey, "/v", "LogFile", "/d", windowsPath(elsewhere), "/f")
	defer in.reg(t, "delete", parametersKey, "/v", "LogFile", "/f")
	dial()
	check(elsewhere)
}

const parametersKey = `HKLM\System\CurrentControlSet\Services\Rasman\Parameters`

func windowsPath(path string) string { return `Z:` + strings.ReplaceAll(path, "/", `\`) }

func (in *installed) reg(t *testing.T, args ...string) string {
	t.Helper()
	out, code := in.wine.Output(t, time.Minute, "reg", args...)
	if code != 0 {
		t.Fatalf("reg %q: %s", args, out)
	}
	return out
}

// testReadme runs the commands of the README for a command prompt, one by one and
// in a batch file, and looks where the registry then has the DLL. PowerShell hands
// %ProgramFiles% to reg as it is.
func (in *installed) testReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, install, _ := strings.Cut(string(text), "```cmd\n")
	install, _, _ = strings.Cut(install, "```")
	commands := strings.Split(strings.TrimSpace(install), "\n")
	if len(commands) != 4 {
		t.Fatalf("the README has %d commands to install, want 4", len(commands))
	}
	batch := filepath.Join(in.dir, "install.bat")
	write(t, in.dir, "install.bat", strings.Join(commands, "\r\n")+"\r\n")
	value := func(want string) {
		t.Helper()
		out := in.reg(t, "query", parametersKey, "/v", "CustomScriptDllPath")
		in.reg(t, "delete", parametersKey, "/v", "CustomScriptDllPath", "/f")
		if !strings.Contains(out, "REG_EXPAND_SZ") || !strings.Contains(out, want) {
			t.Errorf("the registry has %q, want %s", out, want)
		}
	}
	run := func(typed string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := in.wine.Command(ctx, "cmd", args...)
		cmd.Dir, cmd.Stdin = in.dir, strings.NewReader(typed)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("cmd %q: %v\n%s", args, err, out)
		}
	}
	installed := in.wine.Path("drive_c", "Program Files", "rasline", "rasline.dll")
	run("", "/c", batch)
	value(`C:\Program Files\rasline\rasline.dll`)
	if _, err := os.Stat(installed); err != nil {
		t.Error(err)
	}
	run(commands[3] + "\r\nexit\r\n")
	value(`C:\Program Files\rasline\rasline.dll`)
	in.reg(t, "add", parametersKey, "/v", "CustomScriptDllPath", "/t", "REG_EXPAND_SZ", "/d", `%ProgramFiles%\rasline\rasline.dll`, "/f") // PowerShell
	value(`%ProgramFiles%\rasline\rasline.dll`)
}

// TestEntry sets RASEO_CustomScript in a phone book that a rasapi32.dll of our own
// keeps, since wine's has none.
func TestEntry(t *testing.T) {
	wine := winetest.Start(t)
	dir := t.TempDir()
	exe, book := filepath.Join(dir, "rasdll.exe"), filepath.Join(dir, "book")
	winetest.Go(t, "amd64", false, "build", "-o", exe, ".")
	fake := filepath.Join(dir, "rasapi32.dll")
	winetest.Compile(t, "amd64", fake, "../../testdata/dll/rasapi32.c")
	code, err := os.ReadFile(fake)
	if err != nil {
		t.Fatal(err)
	}
	system := wine.Path("drive_c", "windows", "system32", "rasapi32.dll")
	before, err := os.ReadFile(system)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(system, code, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(system, before, 0o600)
	for _, tt := range []struct {
		args string
		code int
		says string
		bits uint32 // in the phone book afterwards
	}{
		{"entry Work", 0, "Work: does not ask for the script", 0},
		{"entry -on Work", 0, "Work: asks for the script", 0x80000001},
		{"entry Work", 0, "Work: asks for the script", 0x80000001},
		{`entry -phonebook C:\other.pbk -off Work`, 0, "Work: does not ask for the script", 1},
		{"entry -on Home", 1, "error 623", 1},
		{`entry -phonebook C:\none.pbk Work`, 1, "error 2", 1},
		{"entry -on -off Work", 2, "usage", 1},
		{"", 2, "usage", 1},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := wine.Command(ctx, exe, strings.Fields(tt.args)...)
		cmd.Env = append(cmd.Env, "RASLINE_TESTBOOK="+windowsPath(book), "WINEDLLOVERRIDES=rasapi32=n;winedbg.exe=")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != tt.code || !strings.Contains(string(out), tt.says) {
			t.Errorf("rasdll %s: %v\n%swant %d and %q", tt.args, err, out, tt.code, tt.says)
		}
		var bits uint32
		if entry, err := os.ReadFile(book); err == nil && len(entry) >= 8 {
			bits = binary.LittleEndian.Uint32(entry[4:])
		}
		if bits != tt.bits {
			t.Errorf("rasdll %s: the phone book has the options %#x, want %#x", tt.args, bits, tt.bits)
		}
	}
}

// testCycles has one host load, use and free the DLL many times.
func (in *installed) testCycles(t *testing.T) {
	end, _ := in.dial(t, login, "-quiet", "-repeat", "1000", "-entry", "Work", "-user", "ann", "-password", "secret")
	var threads, handles, kib int
	if n, err := fmt.Sscanf(end, "threads %d handles %d memory %d", &threads, &handles, &kib); n != 3 || err != nil {
		t.Fatalf("the host ended with\n%s", end)
	}
	t.Logf("1000 cycles: %+d threads, %+d handles, %+d KiB", threads, handles, kib)
	if threads > 4 || handles > 20 || kib > 16<<10 { // the Go heap begins to collect at 4 MiB; 3000 cycles need no more
		t.Errorf("after 1000 cycles there are %d threads, %d handles and %d KiB more than after the tenth", threads, handles, kib)
	}
}

// The DLL for 32 bits exports the name without decoration.
func TestDLLFor32Bits(t *testing.T) {
	dir := t.TempDir()
	winetest.Compile(t, "386", filepath.Join(dir, "any.dll"), "../../testdata/dll/plain.c") // asks for the compiler
	dll := filepath.Join(dir, "rasline.dll")
	winetest.Go(t, "386", true, "build", "-buildmode=c-shared", "-o", dll, ".")
	f, err := os.Open(dll)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := rasdll.Inspect(f)
	if err != nil || img.Arch != "386" || !img.DLL || !img.Script {
		t.Errorf("Inspect = %+v, %v; want a script DLL of 32 bits", img, err)
	}
	checkExports(t, dll)
}
