package dll

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
)

// CrashError says that a DLL took its process down.
type CrashError struct {
	Path      string // of the DLL
	ExitCode  uint32 // of the process
	Exception uint32 // the Windows exception, such as 0xC0000005, or 0 if there was none
}

// Error tells an exit from a crash.
func (e *CrashError) Error() string {
	if e.Exception == 0 {
		return fmt.Sprintf("%s ended its process with exit code %d", e.Path, e.ExitCode)
	}
	return fmt.Sprintf("%s crashed: exception 0x%08x%s", e.Path, e.Exception, exceptionName(e.Exception))
}

// Unwrap returns ras.ErrUnknown, the code for a script that broke down.
func (e *CrashError) Unwrap() error { return ras.ErrUnknown }

func exceptionName(code uint32) string {
	switch code {
	case 0xC0000005:
		return " (access violation)"
	case 0xC00000FD:
		return " (stack overflow)"
	case 0xC0000094:
		return " (division by zero)"
	case 0xC000001D:
		return " (illegal instruction)"
	case 0xC0000374:
		return " (heap corruption)"
	}
	return ""
}

// killedError is the error of a run whose process was ended because the DLL did
// not return.
func killedError(ctx context.Context, path string, grace time.Duration) error {
	cause := context.Cause(ctx)
	return &ras.Error{Op: entryPoint, Code: ras.Cause(cause),
		Err: fmt.Errorf("%s did not return within %v of being cancelled and was ended: %w", path, grace, cause)}
}

// exceptionOf returns the exception that ended a process: it is the exit code
// where Windows ended it, and in the first line of what the Go runtime prints
// where that did.
func exceptionOf(code uint32, messages []byte) uint32 {
	if code >= 0xC0000000 {
		return code
	}
	for line := range bytes.Lines(messages) {
		if text, ok := bytes.CutPrefix(line, []byte("Exception 0x")); ok {
			number, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseUint(strings.TrimSpace(number), 16, 32)
			return uint32(n)
		}
	}
	return 0
}
