package dialup

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// descendants returns the processes that a process has started, and those that they
// have, as far as their parents live. Each is known by a descriptor where the kernel
// has those, so that a number that is used again is no other process.
func descendants(pid int) (all []*os.Process) {
	children := make(map[int][]int)
	list, _ := filepath.Glob("/proc/[0-9]*/stat") // no error but for the pattern
	for _, name := range list {
		if child, parent, state := readStat(name); state != 0 && state != 'Z' {
			children[parent] = append(children[parent], child)
		}
	}
	for next := children[pid]; len(next) > 0; {
		child := next[0]
		next = slices.Concat(next[1:], children[child])
		if p, err := os.FindProcess(child); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// readStat reads a file /proc/PID/stat (proc(5)). The state is 0 if it cannot be
// read.
func readStat(name string) (pid, parent int, state byte) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, 0, 0
	}
	// The name of the program may have spaces and parentheses.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	first, _, _ := bytes.Cut(text, []byte(" "))
	if len(fields) < 2 {
		return 0, 0, 0
	}
	pid, _ = strconv.Atoi(string(first))
	parent, _ = strconv.Atoi(string(fields[1]))
	return pid, parent, fields[0][0]
}

// lives reports whether a process has not ended.
func lives(p *os.Process) bool {
	if p.Signal(signalNone) != nil {
		return false
	}
	_, _, state := readStat("/proc/" + strconv.Itoa(p.Pid) + "/stat")
	return state != 0 && state != 'Z'
}
