//go:build unix

package port

import (
	"fmt"
	"os"
	"strings"
)

// processName describes a process for an error message.
func processName(pid int) string {
	if pid <= 0 {
		return "another program"
	}
	if pid == os.Getpid() {
		return "this program itself"
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(comm)))
}
