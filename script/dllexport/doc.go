// Package dllexport turns a script.Executor into a custom-scripting DLL that
// Windows RAS loads, or any host that follows ras.h.
//
// The DLL is a main package, built as a C shared library, that registers its
// executor when it is loaded:
//
//	package main
//
//	import "github.com/rasline/rasline/script/dllexport"
//
//	func init() { dllexport.Register(login, nil) }
//
//	func main() {} // never runs in a DLL
//
// It is built with cgo and a C compiler for Windows, from any system:
//
//	CGO_ENABLED=1 GOOS=windows GOARCH=amd64 CC=x86_64-w64-mingw32-gcc \
//		go build -buildmode=c-shared -o login.dll
//
// RAS calls its one export, RasCustomScriptExecute, which runs the executor with
// a ras.Call whose API is the host's own function pointers. RAS offers no way to
// give received bytes back, so the call is exact: no Dialog takes a byte past
// its last match, and PPP finds the line where the script left it.
//
// User name, password and domain go back to RAS when the executor succeeds, and
// only those of them that it changed. A text that does not fit is refused with
// ERROR_INVALID_PARAMETER. If RAS gives no user name, the executor sees that of
// the Windows user, as the documentation of RasCustomScriptExecute asks for.
//
// An error of the executor is returned as ras.CodeOf tells it, and a panic as
// ERROR_UNKNOWN. IDCANCEL, sent to a hidden window that the DLL makes where the
// host gives it a window of its own, cancels the executor's context, and every
// callback then fails with ERROR_USER_DISCONNECTION.
//
// The module stays in memory after its first use, since the Go runtime cannot be
// unloaded: a host that frees and loads it again finds it running.
//
// On other systems, and without cgo, the package builds and Register returns an
// error that matches errors.ErrUnsupported.
package dllexport
