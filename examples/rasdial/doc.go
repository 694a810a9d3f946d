// Rasdial dials a modem, logs in and hands the line over, with the phone books and
// scripts that people have: wvdial.conf, pppd's peers files, rasphone.pbk; .scp,
// SWITCH.INF, chat(8), minicom's runscript, old DLLs on Windows, or none at all.
//
//	rasdial [flags] [ENTRY]
//
// With no port it dials a modem and a login server that are built in, over a
// virtual null-modem cable, and shows what happens. Every other flag works there
// too, so that a script can be tried before the phone rings.
//
//	-port P           /dev/ttyUSB0, COM3, usb:VID:PID[:SERIAL], tcp://host:port,
//	                  unix:/path, telnet://host:port, rfc2217://host:port,
//	                  rfc2217+tls://host:port, replay:file for the recording of
//	                  a line, or - for standard input and output, as pppd's
//	                  connect option gives them
//	-mode M           bit rate, format and flow control: 115200,8N1,rtscts
//	-dial NUMBER      dial through an AT modem first (repeatable): a number, or a
//	                  host and a port for a modem in software
//	-answer           wait for a call instead; -rings N answers it at that ring
//	-init COMMAND     command for the modem before dialling (repeatable)
//	-redial N         further attempts after a failed one
//	-hangup HOW       dtr, ath, both or none. Without it a call is hung up both
//	                  ways, also when it is still being made and the program is
//	                  stopped, and a line that failed by DTR
//	-script FILE      .scp, .inf (with -section), .chat, .runscript, .dll (Windows)
//	-section NAME     the section of an .inf file
//	-lang L           scp, switchinf, chat, runscript or dll, whatever the file's name
//	-list             name the sections of an .inf file and stop
//	-list-ports       list the serial ports of this machine and stop
//	-check            check the script or the entries and stop
//	-user U           user name
//	-password-file F  file whose first line is the password; - for standard input
//	-no-password      there is no password
//	-domain D         domain
//	-phonebook FILE   wvdial.conf, rasphone.pbk, or a peers file of pppd, whose name
//	                  alone is looked up in /etc/ppp/peers. ENTRY, or -entry NAME,
//	                  names the entry: several words and KEY=VALUE with
//	                  wvdial.conf. Other flags take precedence over the entry
//	-list-entries     list the entries of the phone book and stop
//	-map COM3=PORT    port of this machine for one of the phone book (repeatable)
//	-script-dir D     directory with the scripts of the phone book, besides its own
//	-location L       dialling rules of this place: 49,30,0,00
//	-phone N          number to dial instead of the entry's
//	-shell            let a shell run the commands of a peers file and of -exec
//	-exec COMMAND     after the login, run COMMAND on the line and hang up when it
//	                  ends: its standard input and output are the line, and {} is
//	                  the path of it
//	-interact         after the login, or instead of one if there is no -user, talk
//	                  to the peer; Ctrl-] leaves
//	-persist          dial again when the connection ends: 5 s to 600 s later
//	-timeout D        limit for the login, such as 90s (0: none)
//	-terminal         give the script the user's terminal, one key at a time
//	-record FILE      record the line, without its passwords, in a new file that
//	                  Wireshark reads and that -port replay:FILE plays back
//	-log text|json    log to standard error in this format, states and the final
//	                  error included
//	-v                show the conversation
//
// A password is never read from the command line, where other users can read
// it.
//
// A name, a password or a number that the script sends and that is not given is
// known before anything is opened: a password is prompted for if standard input is a
// terminal, and otherwise the program ends with status 2.
//
// With -terminal what the peer sends reaches the terminal as it is, sequences that
// clear the screen or set its title included. Without it, what a script shows has
// the control characters as ^[ and the like.
//
// In a chat script \T is the user name and \U the password.
//
// With -port rfc2217://host:port, options follow a question mark, joined by &:
// ack=5s bounds each acknowledgement, ignoreacks accepts a server that gives none,
// keepalive=30s bounds how long a dead connection is kept, and plain accepts a
// server without the COM-PORT option. With rfc2217+tls://, ca=FILE is the
// certificate authority of the server, and cert=FILE&key=FILE the client's
// certificate.
//
// # Exit status
//
//	0  the script succeeded, and the command of -exec
//	1  the script, the line or the command failed; the last line on standard error reads
//	   "rasdial: error 638 ERROR_REQUEST_TIMEOUT: …"
//	2  flags, a script, a phone book or an entry that cannot be used, or a value
//	   that is missing; nothing was opened
//	3  the port cannot be opened
package main
