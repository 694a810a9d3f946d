// Package capture records what passes over a serial port, reads recordings and
// plays them back.
//
// A recording is a pcapng file (draft-ietf-opsawg-pcapng) of link type 250,
// LINKTYPE_RTAC_SERIAL, which Wireshark and tshark read: one packet for each
// event, with its time, direction and modem lines, and comments for what a
// script waited for. Passwords are not in it: see [Writer.Hide].
//
//	f, err := os.OpenFile("line.pcapng", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
//	…
//	w, err := capture.NewWriter(f, nil)
//	…
//	p = capture.Record(p, w)
//	result, err := script.Run(ctx, p, login, &script.Config{Log: slog.New(w.Handler())})
//	…
//	err = w.Close()
//
// [Reader] reads it again and [Play] plays the part of the peer, so that the
// script that made the recording runs against it. [WriteHTML] shows it as a page.
//
// # The file
//
// Each port is an interface, with its name and its mode at the start. Each packet
// has the RTAC serial header of 12 bytes: the time in seconds and microseconds
// since 1970, the event type, the modem lines, and two bytes of zero; then the
// bytes, if any. The time of the block itself is in nanoseconds. A packet's
// comments are notes, or mark what was hidden: "rasline:hidden OFFSET LENGTH".
//
// Events are written 100 ms after they arrived at the latest, or, where bytes may
// be the beginning of a secret, 200 ms. So a program that is killed leaves a file
// that ends a moment before, maybe in the middle of a block; Reader gives all
// whole ones.
//
// # Secrets
//
// What is given to Hide is masked in both directions and in notes, in whatever
// form a peer or a program repeats it, as [github.com/rasline/rasline/ras.Call]
// masks it in logs. script.Run passes the password and what scripts declare
// secret to a recorded port, which is a port.Hider. A secret is always eight
// asterisks, and bytes that continue it in a later read or write are dropped
// with their event, so that its length does not show either. Two secrets with
// nothing in between are one.
package capture
