// Package runscript runs the scripts of minicom's runscript(1).
//
//	print Trying to log in
//	loop:
//	inc n
//	if n > 3 exit 1
//	expect {
//	    "ogin:"      break
//	    "NO CARRIER" exit 2
//	    timeout 20   goto loop
//	}
//	send "$(LOGIN)"
//	expect "assword:"
//	send "$(PASS)"
//
// [Parse] reads a script and reports what is wrong with it, and a [Script] is a
// script.Executor. The language is that of the manual page of minicom 2.8, and
// where page and program differ that of the program: \n in a send is a carriage
// return; an expect without a timeout has only the limit of the whole script, 120
// seconds unless the script sets another; a pattern with a command does not end
// an expect; exit without a value is success; and a pattern may begin in what an
// earlier expect has consumed, if nothing was sent in between.
//
// $(LOGIN) and $(PASS) are the user name and the password of the call, and a
// script that uses one that is not given is refused before anything is sent.
// Other names are those of [Config].Env, never of the process.
//
// # Differences from the program
//
//   - A file is read and checked as a whole before the first byte is sent.
//   - A carriage return before a line feed does not belong to the line.
//   - Text after a label is an error; the program drops it.
//   - \0377 is sent. An expect may be inside another one, through gosub or as
//     the command of a pattern. Patterns and lines may be of any length.
//   - The end of the input is a failure; the program waits on and burns the
//     processor.
//   - Commands of the shell, call and log are off unless the Config has what they
//     need.
//   - There is no pause before a send unless Config.SendPause asks for it.
package runscript
