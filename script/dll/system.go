package dll

// system is what a bridge needs from Windows: memory that the DLL sees, access
// to addresses that it passes, and its events. Tests have a system of their
// own.
type system interface {
	// alloc returns zeroed memory of size bytes, 1 or more, at an address that
	// is a multiple of 16, as heap memory has it. It ends at most 15 bytes
	// before a page that cannot be accessed; a strict system lets it end there
	// exactly, whatever the address.
	alloc(size int) (addr uintptr, mem []byte, err error)

	// intact reports whether the bytes between the memory at addr, which alloc
	// returned, and the page behind it are as alloc left them.
	intact(addr uintptr) bool

	// free makes the memory at addr, which alloc returned, inaccessible. The
	// address is not allocated again soon.
	free(addr uintptr)

	// load and store copy from and to an address of the DLL's, and writable
	// reports whether store would. An address that is not mapped, or not for
	// that access, makes them fail and changes nothing.
	load(addr uintptr, b []byte) error
	store(addr uintptr, b []byte) error
	writable(addr uintptr, n int) bool

	// event duplicates an event handle of the DLL's and resets the event.
	event(handle uintptr) (signal, error)
}

// signal is the event of one receive. Exactly one of its methods is called,
// once.
type signal interface {
	set()  // the receive has a result
	drop() // the DLL has returned, or the receive was not posted
}
