// Package dllexport makes a script.Executor a custom-scripting DLL that
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
// a ras.Call whose API is the host's own function pointers. The callbacks are
// made from threads of the Go runtime and not from the host's thread, which waits
// in RasCustomScriptExecute.
//
// # What follows the last match
//
// RAS offers no way to give received bytes back, so the call is exact: no Dialog
// reads a byte past its last match, and PPP finds the line where the script left
// it. While the executor has stated that it will send again
// (script.Dialog.SetReadAhead, which the script languages use), all that the host
// has is read, so that a long greeting needs no more completions of the host than
// it must.
//
// This rests on a host that grants buffers of the size that RasGetBuffer requests,
// or smaller ones, since the size of a buffer is all that limits a receive. The
// documentation permits larger ones. With such a host the bytes after the last
// match are lost: PPP sends its first packets again after some seconds, so that
// the connection mostly succeeds. Result.Lost and the log report it. A host needs
// to have one buffer at a time.
//
// # Parameters and results
//
// dwSize of RASDIALPARAMS may be that of any Windows since NT 4. Only user name,
// password and domain must be text; a phone number that is none is empty.
//
// User name, password and domain go back to RAS when the executor succeeds, and
// only those of them that it changed. A text that does not fit is refused with
// ERROR_INVALID_PARAMETER. If RAS gives no user name, the executor gets that of
// the Windows user, as the documentation of RasCustomScriptExecute requires.
//
// An error of the executor is returned as ras.CodeOf gives it, and a panic as
// ERROR_UNKNOWN. IDCANCEL, sent to a hidden window that the DLL makes where the
// host gives it a window of its own, cancels the executor's context, and every
// callback then fails with ERROR_USER_DISCONNECTION. So does a WM_QUIT that arrives
// meanwhile, which is posted again for the host's own loop. Without a window of
// the host, or without a desktop, there is no cancel.
//
// The module is pinned in memory when it is loaded, since the Go runtime cannot
// be unloaded (golang.org/issue/11100): a host that frees and loads it again
// finds it running, and the file is in use until the host's process ends.
//
// On other systems, and without cgo, the package builds and Register returns an
// error that matches errors.ErrUnsupported.
package dllexport
