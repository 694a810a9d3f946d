// Package dialup makes a whole connection: it opens the line, runs the scripts of
// an entry, dials, logs in, and gives the result as a net.Conn.
//
//	conn, err := dialup.Dial(ctx, &dialup.Entry{
//		Port:   "/dev/ttyUSB0",
//		Dialer: &modem.Dialer{Numbers: []string{"555-0100"}},
//		Script: script.Login(nil),
//		Params: ras.DialParams{UserName: "joe", Password: "…"},
//	}, nil)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//
// The first bytes of the Conn are those that the scripts have received and not
// used. It ends by itself when the carrier is lost, when a limit passes and when
// the port fails; Done and Err report that, as a context does. Close hangs up,
// whatever has happened before.
//
// A connection is handed to another program with [Conn.Handover], which waits for
// the program, or with [Conn.Detach]:
//
//	err = conn.Handover(ctx, exec.Command("pppd", "nodetach", "noauth"))
//
// Persist dials again when a connection has ended, and a Pool shares several
// lines among many dials.
//
// # What is checked before the telephone rings
//
// Dial refuses an entry that cannot succeed before it opens the port: a script
// that needs a name, a password or a number that is not there (script.Checker), a
// number that a modem must not get. What the port lacks, such as modem lines for
// a hang-up by DTR alone, is refused before anything is sent.
//
// # No call is left up
//
// A dial that fails, is cancelled or panics hangs up the call that it has made,
// within a time of its own, before Dial returns, and closes the port. So do HangUp
// and Close of a Conn, also with a context that has ended.
package dialup
