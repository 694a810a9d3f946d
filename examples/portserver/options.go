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
	"strings"
	"time"

	"github.com/rasline/rasline/port"
)

// options is what the command line says.
type options struct {
	port      string
	mode      port.Mode
	addr      *net.TCPAddr
	loopback  bool // addr is out of reach of other hosts
	cert, key string
	clientCA  string
	plain     bool
	allow     networks
	idle      time.Duration
	keepLines bool
}

// parseOptions reads the command line, and says on stderr what is wrong with it.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("portserver", flag.ContinueOnError)
	fs.SetOutput(stderr)
	listen := fs.String("listen", "127.0.0.1:2217", "the `address` to listen on; port 0 is any that is free")
	fs.StringVar(&o.port, "port", "", "the `device` to share, such as /dev/ttyUSB0 or COM3")
	fs.Func("mode", "set the line's `mode` first, such as 115200,8N1,rtscts (default: as it is)", func(s string) (err error) {
		o.mode, err = port.ParseMode(s)
		return err
	})
	fs.StringVar(&o.cert, "cert", "", "serve TLS with the certificates in this PEM `file`")
	fs.StringVar(&o.key, "key", "", "the PEM `file` of the certificate's private key")
	fs.StringVar(&o.clientCA, "client-ca", "", "demand a client certificate that one in this PEM `file` has signed")
	fs.BoolVar(&o.plain, "plain", false, "listen without TLS even where other hosts can reach it")
	fs.Var(&o.allow, "allow", "serve only clients in this `network`, such as 192.0.2.0/24; may be repeated")
	fs.DurationVar(&o.idle, "idle", 0, "hang up after this `time` without a byte (default: never)")
	fs.BoolVar(&o.keepLines, "keep-lines", false, "leave DTR and RTS alone when clients come and go")
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
	if o.addr, err = net.ResolveTCPAddr("tcp", listen); err != nil {
		return fmt.Errorf("-listen %s: %w", listen, err)
	}
	o.loopback = o.addr.IP.IsLoopback()
	if !o.loopback && o.cert == "" && !o.plain {
		return fmt.Errorf("%s can be reached from other hosts: give -cert and -key for TLS, or -plain to share the port with everybody there", listen)
	}
	return nil
}

// open listens.
func (o *options) open() (net.Listener, error) { return net.ListenTCP("tcp", o.addr) }

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

// contains reports whether a is in one of the networks, or there are none.
func (n networks) contains(a netip.Addr) bool {
	for _, p := range n {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return len(n) == 0
}
