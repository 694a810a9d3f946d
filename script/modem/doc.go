// Package modem dials, answers and hangs up an AT modem (ITU-T V.250, the
// Hayes commands) on the line of a call, and tells why it failed.
//
// There are two ways to use it. A [Dialer] is a [script.Executor] with initial
// commands, several numbers and a redial policy, to be put in front of a login
// script:
//
//	dial := &modem.Dialer{Numbers: []string{"5551234", "5555678"}, Redial: modem.Redial{Attempts: 4}}
//	login := modem.WatchCarrier(myLogin, nil)
//	result, err := script.Run(ctx, p, script.Sequence(dial, login), nil)
//	modem.HangUp(ctx, p, nil)
//
// A [Modem] is the typed API on a [script.Dialog], for everything else:
// commands and their answers, escape to command mode, online again, hang-up
// with proof.
//
// Three things are kept with care. An answer belongs to its command: after a
// time-out the modem counts as unsynchronised, and the next command first makes
// sure that no answer is outstanding. What a modem says unasked (RING, +CREG: …)
// never ends up in an answer. And texts from a phone book are checked before
// they are sent, so that none of them can smuggle a second command in.
//
// Failures carry a RAS code: ras.ErrLineBusy, ras.ErrNoAnswer,
// ras.ErrNoCarrier, ras.ErrNoDialtone and so on; see [Outcome.Code].
//
// Other programs that probe modems, such as ModemManager, must be told to leave
// the device alone; the port's lock keeps only those out that look at locks.
package modem
