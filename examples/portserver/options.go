package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
)

// options is what the command line specifies.
type options struct {
	port      string
	mode      port.Mode
	addr      net.Addr // a *net.TCPAddr or a *net.UnixAddr
	local     bool     // addr is out of reach of other hosts
	cert, key string
	clientCA  string
	plain     bool
	raw       bool
	allow     networks
	handshake time.Duration
	idle      time.Duration
	drain     time.Duration
	keepLines bool
	keepState bool
}

// parseOptions reads the command line, and reports on stderr what is wrong with it.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("portserver", flag.ContinueOnError)
	fs.SetOutput(stderr)
	listen := fs.String("listen", "127.0.0.1:2217", "the `address` to listen on, or unix:PATH; port 0 is any that is free")
	fs.StringVar(&o.port, "port", "", "the `device` to share, such as /dev/ttyUSB0 or COM3")
	fs.Func("mode", "the line's `mode` for each client, such as 115200,8N1,rtscts (default: as it is at the start)", func(s string) (err error) {
		o.mode, err = port.ParseMode(s)
		return err
	})
	fs.StringVar(&o.cert, "cert", "", "serve TLS with the certificates in this PEM `file`")
	fs.StringVar(&o.key, "key", "", "the PEM `file` of the certificate's private key")
	fs.StringVar(&o.clientCA, "client-ca", "", "demand a client certificate that one in this PEM `file` has signed")
	fs.BoolVar(&o.plain, "plain", false, "listen without TLS even where other hosts can reach it")
	fs.Var(&o.allow, "allow", "serve only clients in this `network`, such as 192.0.2.0/24; may be repeated")
	fs.BoolVar(&o.raw, "raw", false, "serve clients without Telnet; bytes pass unchanged")
	fs.DurationVar(&o.handshake, "handshake", 0, "the `time` for a client's TLS handshake and its first answer in Telnet (default 10s)")
	fs.DurationVar(&o.drain, "drain", 0, "drop what a client has sent when the line accepts none of it for this `time` (default 10s)")
	fs.DurationVar(&o.idle, "idle", 0, "hang up after this `time` without a byte (default: never)")
	fs.BoolVar(&o.keepLines, "keep-lines", false, "do not change DTR and RTS when clients connect and disconnect")
	fs.BoolVar(&o.keepState, "keep-state", false, "keep mode and queues from one client to the next")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	err := o.check(fs.Args(), *listen)
	if err != nil {
		fmt.Fprintf(stderr, "portserver: %v\n", err)
	}
	return o, err
}

// check finds what single flags cannot show.
func (o *options) check(rest []string, listen string) (err error) {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: name the device with -port", rest[0])
	case o.port == "":
		return errors.New("no device: name one with -port")
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key go together")
	case o.clientCA != "" && o.cert == "":
		return errors.New("-client-ca needs TLS: give -cert and -key as well")
	}
	if path, ok := strings.CutPrefix(listen, "unix:"); ok {
		o.addr, o.local = &net.UnixAddr{Name: path, Net: "unix"}, true
		return nil
	}
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return fmt.Errorf("-listen %s: %w", listen, err)
	}
	o.addr, o.local = addr, addr.IP.IsLoopback()
	switch {
	case o.cert != "" || o.plain:
	case !o.local:
		return fmt.Errorf("%s can be reached from other hosts: give -cert and -key for TLS, or -plain to share the port with everybody there", listen)
	case o.raw:
		return errors.New("-raw gives the port to every program of this host without an answer: give -cert and -key, -listen unix:PATH, or -plain as well")
	}
	return nil
}

// open listens. A socket file gets the mode 0600, and one that no process
// listens on any more is replaced.
func (o *options) open() (net.Listener, error) {
	unix, ok := o.addr.(*net.UnixAddr)
	if !ok {
		return net.Listen("tcp", o.addr.String())
	}
	if info, err := os.Stat(unix.Name); err == nil && info.Mode()&os.ModeSocket != 0 {
		if c, err := net.DialUnix("unix", nil, unix); err == nil {
			c.Close()
			return nil, fmt.Errorf("-listen unix:%s: another process listens there", unix.Name)
		}
		os.Remove(unix.Name)
	}
	// The file must not be open to others for a moment, so it is made in a
	// directory that is not.
	dir, err := os.MkdirTemp(filepath.Dir(unix.Name), ".portserver")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	hidden := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(hidden, 0o600), os.Rename(hidden, unix.Name)); err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{l, unix}, nil
}

// unixListener is a listener on a socket file that was renamed.
type unixListener struct {
	net.Listener
	addr *net.UnixAddr
}

// Addr returns the address that clients use.
func (l *unixListener) Addr() net.Addr { return l.addr }

// Close removes the file and closes the listener.
func (l *unixListener) Close() error {
	os.Remove(l.addr.Name)
	return l.Listener.Close()
}

// tls returns the configuration for TLS, or nil without.
func (o *options) tls() (*tls.Config, error) {
	if o.cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, fmt.Errorf("-cert and -key: %w", err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}}
	if o.clientCA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(o.clientCA)
	if err != nil {
		return nil, fmt.Errorf("-client-ca: %w", err)
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-client-ca: %s holds no certificate in PEM", o.clientCA)
	}
	return cfg, nil
}

// networks is a list of networks as a flag.
type networks []netip.Prefix

// String lists the networks.
func (n networks) String() string {
	var list []string
	for _, p := range n {
		list = append(list, p.String())
	}
	return strings.Join(list, ",")
}

// Set adds networks, or single addresses, separated by commas.
func (n *networks) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(part)
		if a, aerr := netip.ParseAddr(part); aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is no network: write it as 192.0.2.0/24", part)
		}
		*n = append(*n, p.Masked())
	}
	return nil
}

// authorize refuses clients whose address is not allowed.
func (o *options) authorize(conn net.Conn) error {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err == nil && !o.allow.contains(from.Addr()) {
		return errors.New("this address is not allowed to use the port")
	}
	return nil
}

// contains reports whether a is in one of the networks, or there are none.
func (n networks) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("") // a network contains no address with a zone
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return len(n) == 0
}
