package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// TestLoginOverTLS logs in at a host whose line a server with TLS shares, with
// client certificates.
func TestLoginOverTLS(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	cert := file(t, "both.pem", string(text)+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pair, err := tls.LoadX509KeyPair(cert, cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shared, far := virtual.Pair()
	login := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "joe", Password: password})
	server := &rfc2217.Server{Port: shared, KeepState: true} // the host has sent its prompt already
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}))
	}()
	t.Cleanup(func() { server.Close(); <-served; login.Close() })

	name := "rfc2217+tls://" + l.Addr().String()
	pw := file(t, "pw", password+"\n")
	rasdial(t, t.Context(), "-port", name+"?ca="+cert, "-user", "joe", "-password-file", pw).
		expect(t, exitNotOpen, "certificate required.*cert=FILE")
	rasdial(t, t.Context(), "-port", name+"?ca="+cert+"&cert="+cert, "-user", "joe", "-password-file", pw, "-mode", "9600", "-v").
		expect(t, exitOK, "RASCS_Connected")
}
