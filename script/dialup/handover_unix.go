//go:build unix

package dialup

import (
	"os"
	"syscall"
)

// noControllingTerminal keeps a terminal that is opened from becoming the
// controlling terminal of this program.
const noControllingTerminal = syscall.O_NOCTTY

// signalNone checks whether a process exists.
const signalNone = syscall.Signal(0)

func hangUpProcess(p *os.Process) error { return p.Signal(syscall.SIGHUP) }
