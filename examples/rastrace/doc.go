// Rastrace shows recordings of serial lines, as rasdial -record and package
// capture make them, and makes drafts of scripts of them.
//
//	rastrace text FILE          one line for each event
//	rastrace stats FILE         what passed, how long, how often
//	rastrace html FILE          a page, to standard output
//	rastrace serve FILE         the page on a loopback address
//	rastrace scp FILE           a script that holds the recorded conversation, in
//	rastrace chat FILE          the language of .scp files or of chat(8)
//
// Flags precede FILE:
//
//	-port NAME     the port of a recording of several; without it text, stats,
//	               html and serve show all
//	-hex           text: with the bytes in hexadecimal as well
//	-listen ADDR   serve: the address, which must be of the loopback
//	               (default 127.0.0.1:0, a free port)
//
// FILE may be - for standard input, but for serve. A recording that is cut off
// is used up to there, with a warning.
//
// A draft waits for the end of what the peer had sent before each answer. It is
// a start: a password is that of the caller (scp) or has to be inserted (chat),
// and an answer that depends on what was received is for the author to see.
//
// # Exit status
//
//	0  success
//	1  the recording cannot be read, or has nothing to make a script of
//	2  bad flags or commands
package main
