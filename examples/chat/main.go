// Chat talks to a modem, or to whatever else is at the other end of its
// standard input and output, by a chat script. It does what chat(8) of the ppp
// package does, for pppd's connect option and for others:
//
//	pppd /dev/ttyS0 115200 connect 'chat -v -f /etc/chatscripts/provider' …
//
// Usage:
//
//	chat [-e] [-E] [-v] [-V] [-s] [-S] [-t timeout] [-r report-file]
//	     [-T phone-number] [-U phone-number2] {-f chat-file | chat-script}
//
//	-f FILE   read the script from FILE
//	-t N      timeout in seconds for waits and sends, 45 if not given, 0 for none
//	-r FILE   append reports to FILE instead of writing them to the standard error
//	-e        show what is received on the standard error, until ECHO OFF
//	-E        replace $NAME by values of the environment
//	-v        log the conversation
//	-V        show what is received on the standard error, always
//	-s        log to the standard error, besides the system's log
//	-S        do not log to the system's log
//	-T, -U    texts for \T, which is shown, and \U, which is a secret
//
// The exit status is 0 when the script has ended, 1 for bad options,
// a bad script or a send that failed, 2 after a signal, 3 when an awaited text
// did not arrive, and 4 and up for the abort strings.
//
// Not one byte is taken past the last match, so that PPP gets its first frame
// whole. The terminal's settings are put back on every way out but SIGKILL.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a write fails as well, and leaves time to clean up
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
