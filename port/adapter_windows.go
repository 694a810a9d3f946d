package port

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/windows"
)

// freesReads says whether discarding the input makes a blocked read return:
// the library asks for PURGE_RXABORT.
const freesReads = true

// underWine: Wine's serial ports hold a read of several bytes until all of them
// have come, whatever the timeouts say.
var underWine = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil

// readSome reads at least one byte.
func readSome(lib serial.Port, b []byte) (int, error) {
	if !underWine {
		return lib.Read(b)
	}
	return readSingly(lib, b)
}

// readSingly waits for one byte and takes those that are there already, one at
// a time.
func readSingly(lib serial.Port, b []byte) (int, error) {
	n, err := lib.Read(b[:1])
	if err != nil || len(b) == 1 {
		return n, err
	}
	if lib.SetReadTimeout(time.Millisecond) != nil {
		return n, nil
	}
	defer lib.SetReadTimeout(serial.NoTimeout)
	for n < len(b) {
		k, err := lib.Read(b[n : n+1])
		if err != nil || k == 0 {
			break // an error comes again with the next read
		}
		n += k
	}
	return n, nil
}

func openGuarded(name string, mode *serial.Mode) (serial.Port, error) { return serial.Open(name, mode) }

func isPseudoName(string) bool { return false }

func isThere(name string) bool {
	names, err := serial.GetPortsList()
	return err != nil || slices.ContainsFunc(names, func(n string) bool {
		return strings.EqualFold(n, strings.TrimPrefix(name, devicePrefix))
	})
}

const devicePrefix = `\\.\`

// meansGone reports whether a system call answered that the device is gone.
func meansGone(err error) bool {
	for _, e := range []error{
		windows.ERROR_DEVICE_NOT_CONNECTED, windows.ERROR_GEN_FAILURE, windows.ERROR_BAD_COMMAND,
		windows.ERROR_NO_SUCH_DEVICE, windows.ERROR_DEVICE_REMOVED, windows.ERROR_INVALID_HANDLE,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// checkNode has nothing to look at on Windows.
func checkNode(string) error { return nil }

// explainOpen adds what to do about err.
func explainOpen(_ string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no such port: check the name and the plug: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not use it: run as one who may: %w", err)
	}
	return err
}
