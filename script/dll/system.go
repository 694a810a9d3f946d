package dll

// system is what a bridge needs from Windows: memory that the DLL sees, access
// to addresses that it passes, and its events. Tests have a system of their
// own.
type system interface {
	// alloc returns zeroed memory of size bytes, 1 or more, that ends at a
	// page which cannot be touched.
	alloc(size int) (addr uintptr, mem []byte, err error)

	// free makes the memory at addr, which alloc returned, untouchable. The
	// address is not given out again soon.
	free(addr uintptr)

	// load and store copy from and to an address of the DLL's. A wild address
	// makes them fail and does nothing else.
	load(addr uintptr, b []byte) error
	store(addr uintptr, b []byte) error

	// event duplicates an event handle of the DLL's and resets the event.
	event(handle uintptr) (signal, error)

	// release gives all memory back.
	release()
}
