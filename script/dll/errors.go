package dll

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/rasline/rasline/ras"
)

// CrashError means that a DLL ended its process.
type CrashError struct {
	Path      string // of the DLL
	ExitCode  uint32 // of the process
	Exception uint32 // the Windows exception, such as 0xC0000005, or 0 if there was none
}

// Error distinguishes an exit from a crash, and names the exception.
func (e *CrashError) Error() string {
	if e.Exception == 0 {
		return fmt.Sprintf("%s ended its process with exit code %d", e.Path, int32(e.ExitCode))
	}
	name := exceptions[e.Exception]
	if name != "" {
		name = " (" + name + ")"
	}
	return fmt.Sprintf("%s crashed: exception 0x%08x%s", e.Path, e.Exception, name)
}

// Unwrap returns ras.ErrUnknown, the code for a script that broke down.
func (e *CrashError) Unwrap() error { return ras.ErrUnknown }

// exceptions names the exceptions that end processes; see EXCEPTION_RECORD.
var exceptions = map[uint32]string{
	0x80000002: "misaligned data",
	0x80000003: "breakpoint: an assertion, or DebugBreak, without a debugger",
	0x80000004: "single step",
	0xC0000005: "access violation",
	0xC0000006: "a page could not be read",
	0xC0000008: "invalid handle",
	0xC000001D: "illegal instruction",
	0xC0000025: "an exception that cannot be continued",
	0xC000008C: "array bounds exceeded",
	0xC000008E: "floating-point division by zero",
	0xC0000090: "invalid floating-point operation",
	0xC0000094: "division by zero",
	0xC0000095: "integer overflow",
	0xC0000096: "privileged instruction",
	0xC00000FD: "stack overflow",
	0xC0000135: "a DLL was not found",
	0xC0000139: "a function was not found in a DLL",
	0xC0000142: "initialization of a DLL failed",
	0xC0000374: "heap corruption",
	0xC0000409: "stack buffer overrun, or abort",
	0xE0434352: "an exception of .NET",
	0xE06D7363: "an exception of C++ that was not caught",
}

// exceptionOf returns the exception that ended a process: it is the exit code
// where Windows ended it, and in the first line of what the Go runtime prints
// where that did. The codes of exceptions begin with 8 (warnings), C (errors) or E
// (errors that programs define); exit(-1) is none.
func exceptionOf(code uint32, messages []byte) uint32 {
	if top := code >> 28; top == 0x8 || top == 0xC || top == 0xE {
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
