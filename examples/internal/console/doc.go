// Package console is the terminal of a program's user: the lines and the progress
// line on standard error, the keyboard one key at a time, and a password that is
// typed without an echo.
package console
