//go:build cgo

package dllexport

// The linker exports from a DLL what cgo exports, and a placeholder if that is
// nothing. A custom-scripting DLL has one export, whose C function is in
// glue_windows.c, where it can have the calling convention of Windows. So its name
// is exported from Go as well, and the C function that cgo makes for that is named
// otherwise and not marked for export, which the two macros do.

/*
#define RasCustomScriptExecute rasline_placeholder
#define dllexport unused
*/
import "C"

//export RasCustomScriptExecute
func RasCustomScriptExecute() {}
