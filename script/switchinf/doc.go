// Package switchinf runs the device scripts of Windows NT's Remote Access
// Service: the sections of SWITCH.INF, which log in before or after dialling,
// and those of PAD.INF, which dial through an X.25 PAD. MODEM.INF is read and
// listed, not run.
//
//	[Example ISP]
//	COMMAND=
//	OK=<match>"ogin:"
//	LOOP=<ignore>
//	COMMAND=<username><cr>
//	OK=<match>"assword:"
//	COMMAND=<password><cr>
//	CONNECT=<match>"PPP"
//	ERROR_AUTHENTICATION_FAILURE=<match>"incorrect"
//
// [Parse] reads a file and specifies what is wrong with it, and [File.Script] makes
// a script.Executor of a section. The language is that of Microsoft's articles
// Q125975, Q154629, Q126382 and Q129984 and of the help pages of Windows 2000
// and Server 2003 on Switch.inf.
//
// # What they leave open
//
// The articles speak of whole responses, but a line delivers a stream. Here
//
//   - the lines of a step are tried after every byte, in the order of the file,
//     and the first that fits wins. Lines that end in <ignore> or <diagnostics>
//     are tried only when the line has been quiet for a second, so that
//     LOOP=<ignore> cannot steal half a prompt;
//   - a pattern fits the start of the response, a <match> anywhere in it. What
//     follows a fit is left for the next step, or for PPP;
//   - bytes right after a command that repeat it may be its echo or the response,
//     and nothing shows which. Both readings are tried: the response begins with
//     the first byte, or after what is equal to the command (with the LF after a
//     CR or without it), and the first line that fits in either reading counts.
//     What repeats all of a command that has more than line ends is its echo, so a
//     line that fits there alone waits for the first byte that differs. A silence
//     completes nothing that may be an echo;
//   - LOOP drops the response and waits for another without sending anything;
//   - a step waits a minute for a response that fits, and then the script fails.
//     It does not move on, as that would send a password to the wrong prompt;
//   - a script that sends <username> or <password> is refused before anything
//     is sent if there is none, since an empty name locks accounts;
//   - where no CONNECT= ends it, a script has succeeded after its last OK= or
//     NoResponse.
//
// The times can be set in [Config].
package switchinf
