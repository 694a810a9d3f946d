package dll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// vendor loads one of the DLLs of testdata/dll.
func vendor(t *testing.T, name string, cfg *Config) *DLL {
	t.Helper()
	dir := os.Getenv(dllsEnv)
	if dir == "" {
		t.Skipf("no DLLs to test with: set %s", dllsEnv)
	}
	d, err := Load(filepath.Join(dir, name), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// lines are the transports on which the login DLL has to behave alike.
var lines = map[string]func(t *testing.T) (near, far port.Port){
	"virtual": func(t *testing.T) (port.Port, port.Port) {
		a, b := virtual.Pair()
		return a, b
	},
	"tcp": func(t *testing.T) (port.Port, port.Port) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		near, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return near, far
	},
}

func TestWindowsLogin(t *testing.T) {
	want := goldenTrace(t)
	for name, open := range lines {
		t.Run(name, func(t *testing.T) {
			near, far := open(t)
			defer near.Close()
			go loginHost(far)
			var trace traceLog
			d := vendor(t, "login.dll", &Config{Log: slog.New(&debugOnly{&trace})})
			params := &ras.DialParams{UserName: "ann", Password: "secret"}
			res, err := script.Run(t.Context(), near, d, &script.Config{Params: params, Timeout: time.Minute})
			if err != nil || res.Params.Domain != "EXAMPLE" || res.Params.Password != "secret" || res.Leaks != 0 {
				t.Fatalf("Run = %+v, %v; want a login into EXAMPLE", res, err)
			}
			if got := trace.String(); got != want {
				t.Errorf("trace:\n%sunder the C host:\n%s", got, want)
			}
		})
	}
}

// debugOnly keeps warnings out of a trace.
type debugOnly struct{ *traceLog }

func (h *debugOnly) Handle(ctx context.Context, r slog.Record) error {
	if r.Level != slog.LevelDebug {
		return nil
	}
	return h.traceLog.Handle(ctx, r)
}

func TestWindowsWrongPassword(t *testing.T) {
	near, far := virtual.Pair()
	defer near.Close()
	go loginHost(far)
	params := &ras.DialParams{UserName: "ann", Password: "guess"}
	res, err := script.Run(t.Context(), near, vendor(t, "login.dll", nil), &script.Config{Params: params, Timeout: time.Minute})
	if !errors.Is(err, ras.ErrAuthenticationFailure) || res.Params.Domain != "" {
		t.Errorf("Run = %+v, %v; want %v", res.Params, err, ras.ErrAuthenticationFailure)
	}
}

// answering is the peer of misbehave.c.
func answering(line io.ReadWriteCloser) {
	defer line.Close()
	b := make([]byte, 4096)
	for {
		n, err := line.Read(b)
		if err != nil {
			return
		}
		switch string(b[:n]) {
		case "bye":
			return
		case "echo":
			line.Write([]byte("echo"))
		case "more":
			line.Write([]byte(strings.Repeat("abcdefghijklmnopqrstuvwxyz", 4)[:100]))
		}
	}
}

var misbehaviour = []struct {
	entry string
	want  ras.Code
}{
	{"double free", 610}, {"foreign free", 610}, {"null free", 610}, {"interior free", 610},
	{"foreign send", 610}, {"send too much", 603}, {"oversize request", 0}, {"zero request", 0},
	{"null get", 87}, {"wild get", 87}, {"leak", 0}, {"exhaust", 614}, {"churn", 0},
	{"wrong port", 601}, {"wrong port first", 601}, {"retrieve early", 600}, {"retrieve unposted", 87},
	{"second receive", 616}, {"free pending", 616}, {"send pending", 0},
	{"null event", 6}, {"stale event", 6}, {"file as event", 6}, {"null size", 87},
	{"time-out", 638}, {"live on", 0}, {"hang up", 629}, {"small buffer", 0}, {"manual event", 0},
	{"size later", 0}, {"event closed", 0}, {"leave pending", 0}, {"threads", 0}, {"print", 0},
	{"comm good", 0}, {"comm size", 632}, {"comm values", 604}, {"comm pair", 604},
	{"comm reserved", 87}, {"comm null", 87}, {"comm port", 601},
	{"unterminated", 87}, {"own code", 700}, {"credentials failed", 691}, {"windows code", 3},
	{"constant size", 87}, {"constant pointer", 87}, {"code pointer", 87}, {"aligned", 0}, {"lose size", 0},
	{"windows 2000", 632}, {"shown", 0},
}

// misbehave runs a case of misbehave.c.
func misbehave(ctx context.Context, d *DLL, entry string, cfg script.Config) (*script.Result, error) {
	near, far := virtual.Pair()
	defer near.Close()
	go answering(far)
	cfg.Entry = entry
	return script.Run(ctx, near, d, &cfg)
}

func TestWindowsMisbehaviour(t *testing.T) {
	d := vendor(t, "misbehave.dll", nil)
	for _, tt := range misbehaviour {
		t.Run(tt.entry, func(t *testing.T) {
			t.Parallel()
			if _, err := misbehave(t.Context(), d, tt.entry, script.Config{Timeout: time.Minute}); ras.CodeOf(err) != tt.want {
				t.Errorf("Run = %v, want %v", err, tt.want)
			}
		})
	}
}

// What a DLL does to its process is its own loss, or none.
func TestWindowsRoughDLLs(t *testing.T) {
	d := vendor(t, "rough.dll", &Config{Timeout: 20 * time.Second, Grace: time.Second})
	for _, tt := range []struct {
		entry     string
		want      ras.Code
		exception uint32
	}{
		{"exit process", ras.ErrUnknown, 0}, {"exit", ras.ErrUnknown, 0}, {"terminate", ras.ErrUnknown, 0}, {"abort", ras.ErrUnknown, 0},
		{"illegal instruction", ras.ErrUnknown, 0xC000001D}, {"division", ras.ErrUnknown, 0xC0000094},
		{"own exception", ras.ErrUnknown, 0xE0424242}, {"stack overflow", ras.ErrUnknown, 0xC00000FD},
		{"big stack", 0, 0}, {"small stack", 0, 0}, {"vectored handler", 0, 0}, {"debug output", 0, 0}, {"bad pointers", 0, 0},
		{"floating point", 0, 0}, {"noise", 0, 0}, {"hogs", 0, 0}, {"busy threads", 0, 0}, {"not events", 0, 0}, {"late reset", 0, 0},
		{"guarded size", ras.ErrInvalidParameter, 0}, {"size inside", 0, 0}, {"detach hang", 0, 0}, {"detach crash", 0, 0},
		{"pipe junk", ras.ErrUnknown, 0},
	} {
		t.Run(tt.entry, func(t *testing.T) {
			t.Parallel()
			_, err := misbehave(t.Context(), d, tt.entry, script.Config{})
			if ras.CodeOf(err) != tt.want {
				t.Errorf("Run = %v, want %v", err, tt.want)
			}
			var crash *CrashError
			if errors.As(err, &crash) && crash.Exception != tt.exception {
				t.Errorf("Run = %v, want exception %#x", err, tt.exception)
			}
		})
	}
	for _, entry := range []string{"spin", "close handles"} {
		start := time.Now()
		_, err := misbehave(t.Context(), vendor(t, "rough.dll", &Config{Timeout: time.Second, Grace: time.Second}), entry, script.Config{})
		if took := time.Since(start); err == nil || took > 20*time.Second {
			t.Errorf("%s: Run = %v after %v, want an error soon", entry, err, took)
		}
	}
}

func TestWindowsStrict(t *testing.T) {
	var log bytes.Buffer
	mild := vendor(t, "misbehave.dll", &Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	strict := vendor(t, "misbehave.dll", &Config{Strict: true})
	for _, tt := range []struct {
		entry, says string
		want        ras.Code
	}{
		{"send pending", "the buffer of the receive", ras.ErrAsyncRequestPending},
		{"small overrun", "past the end of buffers", ras.ErrUnknown},
		{"aligned", "", ras.ErrUnknown},
	} {
		log.Reset()
		if _, err := misbehave(t.Context(), mild, tt.entry, script.Config{}); err != nil || !strings.Contains(log.String(), tt.says) {
			t.Errorf("%s: Run = %v, log %q; want success and a warning of %q", tt.entry, err, log.String(), tt.says)
		}
		if _, err := misbehave(t.Context(), strict, tt.entry, script.Config{}); ras.CodeOf(err) != tt.want {
			t.Errorf("%s: Run with Strict = %v, want %v", tt.entry, err, tt.want)
		}
	}
	if !strings.Contains(log.String(), "buffers=") {
		misbehave(t.Context(), mild, "small overrun", script.Config{})
		if !strings.Contains(log.String(), "buffers=2") {
			t.Errorf("log %q, want 2 buffers that were written past their end", log.String())
		}
	}
}

func TestWindowsHeader(t *testing.T) {
	for _, tt := range []struct {
		entry  string
		header Header
		want   ras.Code
	}{
		{"windows 2000", HeaderWindows2000, 0},
		{"windows nt4", HeaderWindowsNT4, 0},
		{"windows nt4", HeaderWindows8, ras.ErrInvalidSize},
		{"credentials", HeaderWindowsNT4, 0},
		{"params overrun", HeaderWindowsNT4, ras.ErrUnknown},
	} {
		res, err := misbehave(t.Context(), vendor(t, "misbehave.dll", &Config{Header: tt.header}), tt.entry, script.Config{})
		if ras.CodeOf(err) != tt.want || tt.want == ras.ErrInvalidSize && !strings.Contains(err.Error(), "Config.Header") {
			t.Errorf("%s with header %d: Run = %v, want %v", tt.entry, tt.header, err, tt.want)
		}
		if tt.entry == "credentials" && res.Params.Domain != "NEW" {
			t.Errorf("%s with header %d left %+v", tt.entry, tt.header, res.Params)
		}
	}
}

func TestWindowsLeaks(t *testing.T) {
	res, err := misbehave(t.Context(), vendor(t, "misbehave.dll", nil), "leak", script.Config{})
	if err != nil || res.Leaks != 5 {
		t.Errorf("Run = %d leaks, %v; want 5", res.Leaks, err)
	}
}

func TestWindowsCrashes(t *testing.T) {
	d := vendor(t, "misbehave.dll", &Config{Grace: 200 * time.Millisecond})
	for _, tt := range []struct {
		entry     string
		exit      uint32 // 0: any, since Windows and wine differ
		exception uint32
	}{
		{"crash", 0, 0xC0000005},
		{"overrun", 0, 0xC0000005},
		{"use after free", 0, 0xC0000005},
		{"params overrun", 0, 0xC0000005},
		{"exit", 3, 0},
		{"exit -1", 0xFFFFFFFF, 0},
		{"breakpoint", 0, 0x80000003},
	} {
		t.Run(tt.entry, func(t *testing.T) {
			params := &ras.DialParams{UserName: "ann", Password: "correct horse"}
			_, err := misbehave(t.Context(), d, tt.entry, script.Config{Params: params})
			var crash *CrashError
			if !errors.As(err, &crash) || crash.Exception != tt.exception || !errors.Is(err, ras.ErrUnknown) {
				t.Fatalf("Run = %v, want exception %#x", err, tt.exception)
			}
			if tt.exit != 0 && crash.ExitCode != tt.exit {
				t.Errorf("exit code %d, want %d", crash.ExitCode, tt.exit)
			}
			if strings.Contains(fmt.Sprint(err), "horse") {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestWindowsHangs(t *testing.T) {
	start := time.Now()
	d := vendor(t, "misbehave.dll", &Config{Timeout: 500 * time.Millisecond, Grace: 200 * time.Millisecond})
	if _, err := misbehave(t.Context(), d, "hang", script.Config{}); !errors.Is(err, ras.ErrRequestTimeout) {
		t.Errorf("Run with a limit = %v, want a time-out", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	near, far := virtual.Pair()
	defer near.Close()
	go func() {
		far.Read(make([]byte, 64)) // "hanging"
		cancel()
	}()
	d = vendor(t, "misbehave.dll", &Config{Grace: 200 * time.Millisecond})
	if _, err := script.Run(ctx, near, d, &script.Config{Entry: "say hang"}); !errors.Is(err, ras.ErrUserDisconnection) {
		t.Errorf("Run with a cancel = %v, want a user cancel", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("two DLLs that hang took %v", took)
	}
}

// Windows get IDCANCEL, whenever and on whatever thread the DLL opens them.
func TestWindowsCancelReachesWindows(t *testing.T) {
	for _, entry := range []string{"window", "late window", "thread window"} {
		t.Run(entry, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			near, far := virtual.Pair()
			defer near.Close()
			go func() {
				far.Read(make([]byte, 64)) // "window"
				cancel()
			}()
			d := vendor(t, "misbehave.dll", &Config{Grace: 20 * time.Second})
			_, err := script.Run(ctx, near, d, &script.Config{Entry: entry})
			if !errors.Is(err, ras.ErrCancelled) {
				t.Errorf("Run = %v, want the DLL's own %v", err, ras.ErrCancelled)
			}
		})
	}
}

func TestWindowsCredentials(t *testing.T) {
	d := vendor(t, "misbehave.dll", nil)
	before := &ras.DialParams{UserName: "old", PhoneNumber: "555"}
	res, err := misbehave(t.Context(), d, "credentials", script.Config{Params: before})
	want := ras.DialParams{UserName: "new name", Password: "new password", Domain: "NEW", PhoneNumber: "555"}
	if err != nil || res.Params != want {
		t.Errorf("Run = %+v, %v; want %+v", res.Params, err, want)
	}
}

// A DLL may return any code of winerror.h, and end its thread.
func TestWindowsEndsThatNeedWords(t *testing.T) {
	d := vendor(t, "misbehave.dll", nil)
	for entry, want := range map[string]string{
		"windows code": windows.ERROR_PATH_NOT_FOUND.Error(),
		"exit thread":  `misbehave.dll ended its thread with exit code 5 instead of returning`,
		"exit -1":      "exit code -1",
		"breakpoint":   "breakpoint",
	} {
		start := time.Now()
		_, err := misbehave(t.Context(), d, entry, script.Config{Timeout: 50 * time.Second})
		if err == nil || !strings.Contains(err.Error(), want) || time.Since(start) > 30*time.Second {
			t.Errorf("%s: Run = %v after %v, want %q", entry, err, time.Since(start), want)
		}
	}
}

// A DLL that cannot be loaded is named, with what is wrong.
func TestWindowsLoadFailures(t *testing.T) {
	for name, want := range map[string]string{
		"needs.dll":  "needs missing.dll, which is neither beside it nor in Windows",
		"refuse.dll": "DllMain refused",
		"crash.dll":  "crash",
	} {
		_, err := misbehave(t.Context(), vendor(t, name, nil), "", script.Config{Timeout: time.Minute})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: Run = %v, want the name and %q", name, err, want)
		}
	}
	_, err := misbehave(t.Context(), vendor(t, "hang.dll", &Config{Timeout: time.Second, Grace: time.Second}), "", script.Config{})
	if !errors.Is(err, ras.ErrRequestTimeout) {
		t.Errorf("hang.dll: Run = %v, want %v", err, ras.ErrRequestTimeout)
	}
}

func TestWindowsLoadRefusals(t *testing.T) {
	dir := os.Getenv(dllsEnv)
	if dir == "" {
		t.Skipf("no DLLs to test with: set %s", dllsEnv)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want ras.Code
	}{
		{filepath.Join(dir, "no such.dll"), ras.ErrFileNotFound},
		{filepath.Join(dir, "plain.dll"), ras.ErrProcNotFound},
		{self, ras.ErrModNotFound},
		{filepath.Join(dir, "text.dll"), ras.ErrModNotFound},
	} {
		if _, err := Load(tt.path, nil); !errors.Is(err, tt.want) {
			t.Errorf("Load(%s) = %v, want %v", tt.path, err, tt.want)
		}
	}
}
