package main

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// TestLoginOverTLS logs in at a host whose line a server with TLS shares, with
// client certificates.
func TestLoginOverTLS(t *testing.T) {
	t.Parallel()
	own := tlstest.Local(t)
	cert := own.File(t)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shared, far := virtual.Pair()
	login := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "joe", Password: password})
	server := &rfc2217.Server{Port: shared, KeepState: true} // the host has sent its prompt already
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(tls.NewListener(l, own.Server()))
	}()
	t.Cleanup(func() { server.Close(); <-served; login.Close() })

	name := "rfc2217+tls://" + l.Addr().String()
	pw := file(t, "pw", password+"\n")
	rasdial(t, t.Context(), "-port", name+"?ca="+cert, "-user", "joe", "-password-file", pw).
		expect(t, exitNotOpen, "certificate required.*cert=FILE")
	rasdial(t, t.Context(), "-port", name+"?ca="+cert+"&cert="+cert, "-user", "joe", "-password-file", pw, "-mode", "9600", "-v").
		expect(t, exitOK, "RASCS_Connected")
}
