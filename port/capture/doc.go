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
// script that made the recording runs against it.
package capture
