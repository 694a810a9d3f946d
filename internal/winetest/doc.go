// Package winetest lets tests on Linux run Windows programs under wine.
//
// A test process makes one wine prefix, in a temporary directory, at its first
// call of [Start], and perhaps another for 32-bit programs at that of [Start32];
// [Main] removes them. The prefix has no display and no
// debugger, so that a crash ends its program immediately, and a
// bcryptprimitives.dll, which Go programs need and wine 8 lacks.
//
// Where wine or the cross compiler is missing, tests are skipped with the
// reason; with RASLINE_PEERS=required in the environment they fail.
//
// On Debian the packages are wine, wine64 and gcc-mingw-w64-x86-64, and for 32
// bits wine32:i386 and gcc-mingw-w64-i686. Where the i386 packages cannot be
// installed beside those of the system, RASLINE_WINE32_ROOT names the root of an
// i386 system that has wine, as .ci/wine32 makes one.
package winetest
