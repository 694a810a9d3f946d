// Package chat runs the scripts of chat(8), the conversation program of pppd.
//
//	s, err := chat.ParseFile("provider.chat", src)
//	…
//	e := s.Executor(&chat.Config{Timeout: 10 * time.Second})
//	result, err := script.Run(ctx, line, e, nil)
//
// A script is a list of words, taken in pairs: a text to wait for, and a text to
// send.
//
//	ABORT BUSY  ABORT 'NO CARRIER'
//	''          ATZ
//	OK          ATDT5551212
//	CONNECT     ''
//	ogin:--ogin: ppp
//	ssword:     '\qhello2u2'
//
// [Parse] takes the words as arguments, as the command line gives them, and
// [ParseFile] reads them from a file with quotes and comments. The language is
// that of the manual page chat(8), and where page and program differ that of
// the program, with the exceptions below.
//
// # Results
//
// A script that fails returns an [*ExitError] with the exit status that chat(8)
// would give: 1 for a send that failed, 2 for an end from outside, 3 for a text
// that was not received in time, and 4 and up for the strings of ABORT, counted as
// they are in the list at that moment. It also matches a ras.Code with
// errors.Is: ras.ErrLineBusy for an abort on BUSY, ras.ErrRequestTimeout for
// status 3.
//
// # Secrets
//
// A send with \q in it, the text of an @file and the text for \U are secrets; the
// text for \T, a phone number or a name, is not. They are shown in no log, no error and no report, and neither is
// their echo: "***" replaces them, and "??????" in the log of a send.
//
// # Differences from the program
//
//   - A file is read and checked as a whole before the first byte is sent.
//   - A carriage return before a line feed does not belong to the word.
//   - Strings and lines may be of any length, and the lists of ABORT and REPORT
//     hold 1,000 strings each, not 50.
//   - \p pauses for the tenth of a second that the manual page promises;
//     see [Config].ShortPause.
//   - CLR_REPORT is safe after a report string has been found, and CLR_ABORT
//     removes every equal string.
//   - A send whose timeout has passed fails immediately, not after its pauses, and
//     a script that is ended from outside does not read on for the rest of a
//     report.
//   - Received bytes that could be the start of a secret are shown when it is
//     known that they are not, so a report can precede the echo of its end.
//   - A file to send that can be opened and not read is a failure, and so is a
//     directory.
//   - Control characters of an abort string are written as ^X in the message
//     about it.
//   - The high bit is cleared in what a wait reads and in nothing else, so that
//     what follows the last match is left as it arrived.
package chat
