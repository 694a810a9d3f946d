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
// returns an error that matches errors.ErrUnsupported. [Inspect], which tells
// what a DLL file is made for, works everywhere.
//
// # A process of its own
//
// A DLL that crashes, that ends its process or that never returns must not take
// the program along. By default each Execute therefore runs the DLL in a child
// process: the same program, started again, in which [Main] takes over and
// never returns. That is why a program has to call Main before it does anything
// else. The callbacks come back to the program through a pair of pipes that
// only the two processes have. A crash, an exit or a limit becomes an error
// with a RAS code, and what the DLL leaks, threads included, goes with the
// child. [Config.InProcess] does without all that.
//
// A DLL and the program that loads it must be of the same architecture: DLLs of
// the period are 32-bit ones and need a program that is built with GOARCH=386.
// [Config.Program] lets a 64-bit program use such a build for its children.
//
// # What the DLL sees
//
// The memory of a buffer ends at a page that cannot be touched, so that a DLL
// that writes past its end crashes at once and not somewhere else later; so
// does the memory of a buffer that was freed. Addresses that come from the DLL
// are looked up and never followed, but for the sizes and structures that it
// passes, which are read and written in a way that a wild address only makes
// the callback fail with ERROR_INVALID_PARAMETER.
//
// The event of a receive is duplicated when the receive is posted: a DLL that
// gives up closes its event, whose number then soon belongs to something else.
// Sizes and data are written inside the call that returns them and at no other
// time.
//
// After the DLL has returned 0, its user name, password and domain go to the
// parameters of the call; changes to other fields are ignored. Text that is not
// terminated is refused with ras.ErrInvalidParameter and never cut.
package dll
