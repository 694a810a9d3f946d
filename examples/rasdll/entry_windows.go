package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/ras"
)

var (
	rasapi             = windows.NewLazySystemDLL("rasapi32.dll")
	getEntryProperties = rasapi.NewProc("RasGetEntryPropertiesW")
	setEntryProperties = rasapi.NewProc("RasSetEntryPropertiesW")
)

// The first two fields of RASENTRY are dwSize and dwfOptions.
const (
	offOptions        = 4
	raseoCustomScript = 0x80000000
)

// entryScript reports whether an entry of a phone book uses the script, after
// setting that as set specifies, if it is not nil. An empty phone book is the
// default one.
func entryScript(phonebook, entry string, set *bool) (on bool, err error) {
	for _, proc := range []*windows.LazyProc{getEntryProperties, setEntryProperties} {
		if err := proc.Find(); err != nil {
			return false, fmt.Errorf("this Windows has no RAS: %w", err)
		}
	}
	var book *uint16
	if phonebook != "" {
		if book, err = windows.UTF16PtrFromString(phonebook); err != nil {
			return false, err
		}
	}
	name, err := windows.UTF16PtrFromString(entry)
	if err != nil {
		return false, err
	}
	// The properties of no entry have the size of RASENTRY in this version of
	// Windows, and those of the entry its lists of numbers besides.
	none := uint16(0)
	version, err := entrySize(book, &none)
	if err != nil {
		return false, err
	}
	size, err := entrySize(book, name)
	if err != nil {
		return false, err
	}
	size = max(size, version)
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, version)
	code, _, _ := getEntryProperties.Call(uintptr(unsafe.Pointer(book)), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0, 0)
	if code != 0 {
		return false, &ras.Error{Op: "RasGetEntryProperties", Code: ras.Code(code)}
	}
	options := binary.LittleEndian.Uint32(b[offOptions:])
	if set == nil {
		return options&raseoCustomScript != 0, nil
	}
	options &^= raseoCustomScript
	if *set {
		options |= raseoCustomScript
	}
	binary.LittleEndian.PutUint32(b[offOptions:], options)
	code, _, _ = setEntryProperties.Call(uintptr(unsafe.Pointer(book)), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&b[0])), uintptr(size), 0, 0)
	if code != 0 {
		return false, &ras.Error{Op: "RasSetEntryProperties", Code: ras.Code(code)}
	}
	return *set, nil
}

// entrySize returns how many bytes the properties of an entry need.
func entrySize(book, name *uint16) (uint32, error) {
	var size uint32
	code, _, _ := getEntryProperties.Call(uintptr(unsafe.Pointer(book)), uintptr(unsafe.Pointer(name)), 0, uintptr(unsafe.Pointer(&size)), 0, 0)
	switch {
	case code != 0 && ras.Code(code) != ras.ErrBufferTooSmall:
		return 0, &ras.Error{Op: "RasGetEntryProperties", Code: ras.Code(code)}
	case size < offOptions+4:
		return 0, errors.New("RasGetEntryProperties: this Windows gives no size of RASENTRY")
	}
	return size, nil
}
