// Package modem dials, answers and hangs up an AT modem (ITU-T V.250, the
// Hayes commands) on the line of a call, and reports why it failed.
//
// A [Dialer] is a [script.Executor] with initial commands, several numbers and a
// redial policy, to be run before a login script; an [Answerer] waits for a
// call instead:
//
//	dial := &modem.Dialer{Numbers: []string{"5551234", "5555678"}, Redial: modem.Redial{Attempts: 4}}
//	login := modem.WatchCarrier(myLogin, nil)
//	result, err := script.Run(ctx, p, script.Sequence(dial, login), nil)
//	…
//	_, err = modem.HangUp(ctx, p, nil)
//
// A [Modem] is the typed API on a [script.Dialog], for everything else:
// commands and their answers, escape to command mode, online again, hang-up
// with proof, cellular modules.
//
// # No call stays up
//
// A run that fails, is cancelled or panics hangs up the call that it has made,
// and one that is still being made, before script.Run returns; see
// [Config].KeepCall. [HangUp] ends the call of a run that has succeeded, and works
// with a context that has ended. It returns nil only if DCD has fallen or the
// modem has confirmed that the call is over; silence is no proof.
//
// # An answer belongs to its command
//
// Where the modem echoes, only what follows the echo of a command is its answer.
// A result that was received before it, a command that got none and a call that
// failed leave the modem unsynchronised, and the next command first makes sure that
// no answer is outstanding; see [Modem.Sync]. What a modem sends unasked (RING,
// +CREG: …) is kept out of answers. Texts from a phone book are checked before they
// are sent, so that none of them can contain a second command.
//
// # Failures
//
// They carry a RAS code: ras.ErrLineBusy, ras.ErrNoAnswer, ras.ErrNoCarrier,
// ras.ErrNoDialtone and so on; see [Outcome.Code].
//
// Other programs that probe modems, such as ModemManager, must be configured to
// ignore the device; the port's lock excludes only programs that check locks.
package modem
