// Package dll runs custom-scripting DLLs that were written for Windows RAS, on
// any port and without RAS.
//
// [Load] gives a script.Executor. Its Execute calls the DLL's
// RasCustomScriptExecute with C function pointers for the six callbacks, which
// go to the ras.API of the call:
//
//	func main() {
//		dll.Main()
//		…
//		old, err := dll.Load(`C:\vendor\login.dll`, nil)
//		…
//		result, err := script.Run(ctx, port, old, &script.Config{Params: &params})
//
// The package builds on every system. Load works on Windows; elsewhere it
// returns an error that matches errors.ErrUnsupported. [Inspect], which reports
// what a DLL file is made for, works everywhere.
//
// # A process of its own
//
// A DLL that crashes, that ends its process or that never returns must not take
// the program along. Each Execute therefore runs the DLL in a child process: the
// same program, started again, in which [Main] takes over and never returns. That
// is why a program has to call Main before it does anything else. The callbacks
// travel to the program through a pair of pipes that only the two processes have;
// the child translates C, and the program answers. A crash, an exit or a timeout
// becomes an error with a RAS code. What the DLL leaks, threads included, ends
// with the child, and so do the programs that it has started: the child is in a
// job object, which Windows ends also when the program itself is killed.
//
// The child has no console, as the programs of Windows that load such DLLs have
// none. The windows that the DLL opens are shown. When the run is cancelled, each
// of them gets IDCANCEL.
//
// A DLL and the program that loads it must be of the same architecture: legacy
// DLLs are 32-bit ones and need a program that is built with GOARCH=386.
// [Config.Program] lets a 64-bit program use such a build for its children.
//
// # What the DLL gets
//
// Buffers have addresses that are multiples of 16, as heap memory has, and end
// less than 16 bytes before a page that cannot be accessed. A DLL that writes past
// the end of its buffer crashes there and not somewhere else later, and so does
// one that uses a buffer after it was freed; a write that reaches only the bytes
// between is reported with a warning. [Config.Strict] closes that gap.
//
// Addresses that the DLL passes are looked up, checked for the access that is
// needed, and then read and written by the kernel: one that is not mapped, or is
// that of constants or code, makes the callback fail with ERROR_INVALID_PARAMETER
// and changes nothing. Memory that is the DLL's own and writable cannot be distinguished
// from the right one.
//
// The event of a receive is duplicated when the receive is posted: a DLL that
// gives up closes its event, whose number then soon belongs to another object.
// Sizes and data are written inside the call that returns them and at no other
// time.
//
// After the DLL has returned 0, its user name, password and domain are stored in
// the parameters of the call; changes to other fields are ignored. Text that is
// not terminated is refused with ras.ErrInvalidParameter and never cut.
package dll
