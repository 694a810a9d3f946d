// Package rasline holds no code. It is the root of a library for dial-up and
// serial login scripts; import the packages below it.
//
//	port       serial devices, pseudo-terminals, remote ports, virtual pairs
//	ras        the callbacks that Windows RAS gives a custom-scripting DLL
//	script     running scripts: Go functions, .scp, SWITCH.INF, chat(8), runscript, DLLs
//
// Bytes walk from port through ras to script, and a package imports only
// packages to its left. The programs under examples show the use: rasdial
// first.
package rasline
