// Package script runs dial-up login scripts on serial lines.
//
// A script is an [Executor]: it gets the callbacks of package ras in a
// [ras.Call] and returns nil when PPP may start. [Run] runs one on a port:
//
//	res, err := script.Run(ctx, p, script.Login(nil), &script.Config{
//		Params: &ras.DialParams{UserName: "joe", Password: "…"},
//	})
//	ppp(res.Port()) // gets every byte that the script did not use
//
// The packages below make Executors of scripts that people have: scp, switchinf,
// chat, dll; and modem dials. [Login] needs no script, and [Sequence] runs
// several Executors on one call.
//
// # Dialogs
//
// A [Dialog] is how a script written in Go talks: [Dialog.Send] and
// [Dialog.WaitFor], built on the six callbacks alone. A wait searches for several
// texts and regular expressions in one pass over the bytes and consumes nothing
// beyond the match, so that the result does not depend on how the stream is cut.
// Its limit runs from its start; traffic does not extend it. [Dialog.Watch] adds
// texts for which every wait searches as well, such as NO CARRIER.
//
// # Secrets
//
// Passwords are of type [ras.Secret] and are sent with [Dialog.SendSecret]. No
// log and no error of this package shows them, nor their echo.
//
// # Testing scripts
//
// Package scripttest has peers to run scripts against, a login server and an AT
// modem, and port/virtual the cable between. With testing/synctest a timeout of
// 45 seconds passes in microseconds.
package script
