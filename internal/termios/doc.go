// Package termios reads and changes the settings of Linux terminals, on kernels
// and emulators with and without the calls that know arbitrary bit rates. On
// other systems it is empty.
package termios
