package dll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
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
		for _, inProcess := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/in process %v", name, inProcess), func(t *testing.T) {
				near, far := open(t)
				defer near.Close()
				go loginHost(far)
				var trace traceLog
				d := vendor(t, "login.dll", &Config{InProcess: inProcess, Log: slog.New(&debugOnly{&trace})})
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

// answering is the far end of misbehave.c.
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
	{"second receive", 616}, {"free pending", 616}, {"send pending", 616},
	{"null event", 6}, {"stale event", 6}, {"file as event", 6}, {"null size", 87},
	{"time-out", 638}, {"live on", 0}, {"hang up", 629}, {"small buffer", 0}, {"manual event", 0},
	{"size later", 0}, {"event closed", 0}, {"leave pending", 0}, {"threads", 0}, {"print", 0},
	{"comm good", 0}, {"comm size", 632}, {"comm values", 604}, {"comm pair", 604},
	{"comm reserved", 87}, {"comm null", 87}, {"comm port", 601},
	{"unterminated", 87}, {"own code", 700}, {"credentials failed", 691},
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
	for _, inProcess := range []bool{false, true} {
		d := vendor(t, "misbehave.dll", &Config{InProcess: inProcess})
		for _, tt := range misbehaviour {
			t.Run(fmt.Sprintf("in process %v/%s", inProcess, tt.entry), func(t *testing.T) {
				if _, err := misbehave(t.Context(), d, tt.entry, script.Config{Timeout: time.Minute}); ras.CodeOf(err) != tt.want {
					t.Errorf("Run = %v, want %v", err, tt.want)
				}
			})
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

func TestWindowsCancelReachesWindows(t *testing.T) {
	for _, inProcess := range []bool{false, true} {
		t.Run(fmt.Sprint("in process ", inProcess), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			near, far := virtual.Pair()
			defer near.Close()
			go func() {
				far.Read(make([]byte, 64)) // "window"
				cancel()
			}()
			d := vendor(t, "misbehave.dll", &Config{InProcess: inProcess, Grace: 20 * time.Second})
			_, err := script.Run(ctx, near, d, &script.Config{Entry: "window"})
			if !errors.Is(err, ras.ErrCancelled) {
				t.Errorf("Run = %v, want the DLL's own %v", err, ras.ErrCancelled)
			}
		})
	}
}

func TestWindowsCredentials(t *testing.T) {
	for _, inProcess := range []bool{false, true} {
		d := vendor(t, "misbehave.dll", &Config{InProcess: inProcess})
		before := &ras.DialParams{UserName: "old", PhoneNumber: "555"}
		res, err := misbehave(t.Context(), d, "credentials", script.Config{Params: before})
		want := ras.DialParams{UserName: "new name", Password: "new password", Domain: "NEW", PhoneNumber: "555"}
		if err != nil || res.Params != want {
			t.Errorf("Run = %+v, %v; want %+v", res.Params, err, want)
		}
	}
}

func TestWindowsLateCallbacks(t *testing.T) {
	d := vendor(t, "misbehave.dll", &Config{InProcess: true})
	for _, tt := range []struct {
		entry string
		want  ras.Code
	}{{"late", 601}, {"late get", 614}} {
		if _, err := misbehave(t.Context(), d, "stash", script.Config{}); err != nil {
			t.Fatal(err)
		}
		if _, err := misbehave(t.Context(), d, tt.entry, script.Config{}); ras.CodeOf(err) != tt.want {
			t.Errorf("%s = %v, want %v", tt.entry, err, tt.want)
		}
	}
}

func TestWindowsRunsAtOnce(t *testing.T) {
	for _, inProcess := range []bool{false, true} {
		d := vendor(t, "misbehave.dll", &Config{InProcess: inProcess})
		runs := 3
		if inProcess {
			runs = slotCount + 2 // two have to wait for a slot
		}
		var wg sync.WaitGroup
		for range runs {
			wg.Go(func() {
				if _, err := misbehave(t.Context(), d, "small buffer", script.Config{Timeout: time.Minute}); err != nil {
					t.Errorf("in process %v: %v", inProcess, err)
				}
			})
		}
		wg.Wait()
	}
}

func TestWindowsReload(t *testing.T) {
	d := vendor(t, "misbehave.dll", &Config{InProcess: true})
	for range 3 {
		if _, err := misbehave(t.Context(), d, "live on", script.Config{}); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
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

// A program that does not call Main cannot be the child.
func TestWindowsProgramWithoutMain(t *testing.T) {
	d := vendor(t, "misbehave.dll", &Config{Program: filepath.Join(os.Getenv("windir"), "system32", "hostname.exe")})
	_, err := misbehave(t.Context(), d, "leak", script.Config{Timeout: time.Minute})
	if !errors.Is(err, ras.ErrUnknown) || !strings.Contains(err.Error(), "dll.Main") {
		t.Errorf("Run = %v, want an error that mentions dll.Main", err)
	}
}

func TestWindowsMainNotCalled(t *testing.T) {
	mainCalled.Store(false)
	defer mainCalled.Store(true)
	_, err := misbehave(t.Context(), vendor(t, "misbehave.dll", nil), "leak", script.Config{})
	if !errors.Is(err, ras.ErrNotSupported) {
		t.Errorf("Run = %v, want %v", err, ras.ErrNotSupported)
	}
}
