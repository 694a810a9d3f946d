// Package tlstest makes certificates for tests of ports over TLS.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Certificate is a certificate that signs itself, with its key. A server and a
// client may both prove themselves with it.
type Certificate struct {
	Pair tls.Certificate
	Pool *x509.CertPool // trusts the certificate alone
	Cert []byte         // PEM
	Key  []byte         // PEM, PKCS #8
}

// New makes a certificate for a host, which is a name or an address. It is valid
// from two days ago until notAfter.
func New(t testing.TB, host string, notAfter time.Time) *Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              notAfter,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	c := &Certificate{
		Pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private},
		Pool: x509.NewCertPool(),
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}
	if !c.Pool.AppendCertsFromPEM(c.Cert) {
		t.Fatal("the certificate cannot be read back")
	}
	return c
}

// Local returns a certificate of 127.0.0.1 that is valid for an hour.
func Local(t testing.TB) *Certificate {
	t.Helper()
	return New(t, "127.0.0.1", time.Now().Add(time.Hour))
}

// Files writes the certificate and the key to a file each.
func (c *Certificate) Files(t testing.TB) (cert, key string) {
	t.Helper()
	return write(t, c.Cert), write(t, c.Key)
}

// File writes the certificate and the key to one file.
func (c *Certificate) File(t testing.TB) string {
	t.Helper()
	return write(t, slices.Concat(c.Cert, c.Key))
}

// write returns the name of a new file that is removed when the test ends.
func write(t testing.TB, text []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tls.pem")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Server returns the configuration of a server that demands this certificate of
// its clients.
func (c *Certificate) Server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.Pair}, ClientCAs: c.Pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// Client returns the configuration of a client that proves itself with the
// certificate and accepts no other server.
func (c *Certificate) Client() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.Pair}, RootCAs: c.Pool}
}
