// Package scp runs scripts in Microsoft's Dial-Up Scripting Command Language,
// the .scp files of Windows 95 and its successors.
//
//	prog, err := scp.Parse("isp.scp", src)
//	if err != nil {
//		// a *lint.ParseError with every error and its place
//	}
//	res, err := script.Run(ctx, p, prog, cfg)
//
// The language is that of Microsoft's document "Dial-Up Scripting Command
// Language" (script.doc, 1995). What the document leaves open is decided as
// follows.
//
// # Text
//
// A script is a sequence of bytes in any 8-bit code page. Bytes above 0x7F pass
// through comments and strings unchanged and are errors elsewhere. Lines end
// with CR, LF or CR LF; a Ctrl-Z outside quotes ends the file, a UTF-8 byte
// order mark is skipped, UTF-16 is refused. Words and names ignore letter
// case.
//
// # Strings
//
// A string keeps its codes as they are written. They are replaced at use, once
// and from left to right: by transmit without raw, and by waitfor. Codes are ^@
// to ^_, ^a to ^z, <cr>, <lf> and \" \^ \< \\. Everything else is itself, so
// that DOMAIN\user is sent unchanged. Joining, comparing, assigning and "set
// ipaddr" see the text as written.
//
// # Numbers
//
// An integer has 32 bits with a sign. A result that does not fit and a division
// by zero end the script; division drops the fraction. The operator ! flips
// the bits of an integer and negates a boolean. Operators group to the left;
// "and" and "or" stop when the result is known.
//
// # Variables
//
// A variable without a value is 0, "" or FALSE, and keeps what it has when a
// goto leads over its declaration again; a value in the declaration is assigned
// each time. $SUCCESS and $FAILURE are TRUE and FALSE until the first waitfor or
// getip.
//
// # Waiting
//
// Received bytes form one queue from the start of the call. Waitfor and getip
// take them from its front, and stop after the byte that completes a match; no
// other command drops input. The text that is complete first wins, of two at
// the same byte the one written first. Letters A to Z match either case unless
// "matchcase" is given. A limit counts from the start of the command; when it
// passes, the bytes seen are lost. "until 0" examines what has arrived already.
// An empty text matches immediately.
//
// Getip takes four groups of one to three digits with single dots between
// them, each up to 255, that touch no other digit, letter or dot. The address
// is complete when another byte follows or when the line has been silent for a
// second. Its operand must begin on the line of the word.
//
// # The end
//
// A script that reaches the end of main has succeeded. The error of a halt
// matches [ErrHalted], that of a refused script is a *lint.ParseError, and any
// other failure is a *script.RunError with a ras.Code. After halt, the user's
// terminal decides: see [Program.Execute].
//
// # Limits
//
// Files have at most 1 MiB, blocks and parentheses at most 200 levels. Strings
// and the commands between two waits are limited as the fields of [Config]
// specify. A script can thus neither hang its host without waiting nor eat its
// memory; a time limit for its waits is the context's.
package scp
