//go:build linux || darwin || freebsd || openbsd

package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is a UUCP lock file of ours (Filesystem Hierarchy Standard, 5.9):
// LCK.. and the device's name, holding our process number. We keep an flock on
// it as well, so that a file which names a process with our number from an
// earlier life of the machine is known as stale.
//
// The nil lockFile is no lock at all.
type lockFile struct {
	f    *os.File
	path string
}

const lockTries = 5

// takeLockFile takes the lock of device in dir, or none if dir is "". A stale
// one is taken over in place, under its flock, so that two who find it at the
// same time do not both get it.
func takeLockFile(dir, device string) (*lockFile, error) {
	if dir == "" {
		return nil, nil
	}
	path := filepath.Join(dir, lockName(device))
	for range lockTries {
		l, err := createLock(path)
		if errors.Is(err, fs.ErrExist) {
			if l, err = takeOver(path); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if err != nil && !errors.Is(err, ErrBusy) {
			err = fmt.Errorf("no lock file could be made in %s: set LockDir to a directory that this user may write to: %w", dir, err)
		}
		return l, err
	}
	return nil, fmt.Errorf("%w: the lock file %s comes and goes; try again", ErrBusy, path)
}

// lockName returns the name of the lock file: the device's path below /dev,
// links resolved, with slashes as underscores.
func lockName(device string) string {
	if resolved, err := filepath.EvalSymlinks(device); err == nil {
		device = resolved
	}
	device = strings.TrimPrefix(device, "/dev/")
	return "LCK.." + strings.ReplaceAll(strings.TrimPrefix(device, "/"), "/", "_")
}

// createLock makes the file whole under another name first, so that no process
// ever sees it empty.
func createLock(path string) (*lockFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "LTMP.*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	err = errors.Join(f.Chmod(0o644), flock(f), writePID(f))
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &lockFile{f: f, path: path}, nil
}

// takeOver makes a stale lock file ours. Its error matches fs.ErrNotExist if
// the file went away meanwhile.
func takeOver(path string) (*lockFile, error) {
	if fi, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is in the way of the lock file, and is no regular file (%s): remove it", ErrBusy, path, fi.Mode().Type())
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		pid := 0
		if f, err := os.Open(path); err == nil {
			pid, _ = readPID(f)
			f.Close()
		}
		return nil, fmt.Errorf("%w: %s holds the lock file %s; if that is a leftover, its owner has to remove it",
			ErrBusy, processName(pid), path)
	}
	if err != nil {
		return nil, err
	}
	pid, err := readPID(f)
	switch {
	case err != nil:
	case pid == 0:
		err = fmt.Errorf("%w: the lock file %s names no process; remove it if no program uses the port", ErrBusy, path)
	case pid != os.Getpid() && alive(pid), flock(f) != nil:
		err = fmt.Errorf("%w: %s holds the lock file %s; end that program first", ErrBusy, processName(pid), path)
	case !isAt(f, path):
		err = fs.ErrNotExist
	default:
		err = writePID(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &lockFile{f: f, path: path}, nil
}

func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || err == unix.EPERM
}

// flock takes the lock of f if no process holds it.
func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
	return errors.Join(cerr, err)
}

// isAt reports whether f is still the file that path leads to.
func isAt(f *os.File, path string) bool {
	a, aerr := f.Stat()
	b, berr := os.Lstat(path)
	return aerr == nil && berr == nil && os.SameFile(a, b)
}

func writePID(f *os.File) error {
	line := fmt.Appendf(nil, "%10d\n", os.Getpid())
	if _, err := f.WriteAt(line, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(line)))
}

func readPID(f *os.File) (int, error) {
	var b [32]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	return parsePID(b[:n]), nil
}

// release removes the file, unless another one has replaced it.
func (l *lockFile) release() {
	if l == nil {
		return
	}
	if isAt(l.f, l.path) {
		os.Remove(l.path)
	}
	l.f.Close()
}

// parsePID reads the process number in a UUCP lock file: a line of decimal
// digits (the HDB format), or four bytes in the machine's order (the format of
// Version 2). It returns 0 if the text is neither.
func parsePID(b []byte) int {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if fields := bytes.Fields(line); len(fields) > 0 {
		if n, err := strconv.ParseInt(string(fields[0]), 10, 32); err == nil && n > 0 {
			return int(n)
		}
	}
	if len(b) == 4 {
		return int(max(0, int32(binary.NativeEndian.Uint32(b))))
	}
	return 0
}

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
