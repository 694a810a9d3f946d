package portname

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/rfc2217"
)

// Config holds what Open does to ports of each kind. The zero Config and a nil
// one work.
type Config struct {
	// Port is for devices of this machine. Its Mode is for ports on other hosts
	// too, unless Remote has one. Default: the zero port.Config.
	Port *port.Config

	// Remote is for ports on other hosts. Options in the name override it.
	// Default: the zero rfc2217.Config.
	Remote *rfc2217.Config

	// TLS is for ports with TLS. Options in the name override its fields.
	// Default: the certificate authorities of the system, no client
	// certificate.
	TLS *tls.Config

	// Replay is how recordings are played. What follows # in the name is its
	// Port. Default: the zero capture.PlayConfig.
	Replay *capture.PlayConfig

	// Timeout bounds the connection to a port on another host. 0: 30 seconds;
	// negative: none but the context's.
	Timeout time.Duration
}

const defaultTimeout = 30 * time.Second

// ErrBadName matches the errors of names that cannot be understood.
var ErrBadName = errors.New("bad port name")

// Opener opens the ports of a scheme. It gets the whole name and a copy of the
// Config that Open got, which is never nil and whose Port and Remote are not nil
// either.
type Opener func(ctx context.Context, name string, cfg *Config) (port.Port, error)

var (
	openersMu sync.RWMutex // guards openers
	openers   = map[string]Opener{
		"usb":     openUSB,
		"tcp":     openTCP,
		"unix":    openUnix,
		"telnet":  openTelnet,
		"rfc2217": openTelnet,
		"replay":  openReplay,

		"rfc2217+tls":  openTLS,
		"rfc2217+unix": openUnixServer,
	}
)

var schemeForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]+$`)

// Register makes Open call open for names that begin with scheme and a colon. A
// scheme has two or more lower-case letters, digits, '+', '.' and '-', the first
// one a letter. Register panics if it has not, or if the scheme is registered already.
func Register(scheme string, open Opener) {
	openersMu.Lock()
	defer openersMu.Unlock()
	switch {
	case !schemeForm.MatchString(scheme):
		panic(fmt.Sprintf("portname: %q is not a scheme", scheme))
	case openers[scheme] != nil:
		panic(fmt.Sprintf("portname: the scheme %q is registered already", scheme))
	}
	openers[scheme] = open
}

// Schemes returns the registered schemes in alphabetical order.
func Schemes() []string {
	openersMu.RLock()
	defer openersMu.RUnlock()
	return slices.Sorted(maps.Keys(openers))
}

// Open opens the port with the given name; see the package comment for the
// forms. A nil cfg means the zero Config. The context bounds the opening alone.
func Open(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	var local port.Config
	if c.Port != nil {
		local = *c.Port
	}
	var remote rfc2217.Config
	if c.Remote != nil {
		remote = *c.Remote
	}
	if remote.Mode == (port.Mode{}) {
		remote.Mode = local.Mode
	}
	c.Port, c.Remote = &local, &remote
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	p, err := open(ctx, name, &c)
	var op *port.OpError
	isOp := errors.As(err, &op)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		const advice = "check the address, and that the server runs"
		if isOp {
			err = &port.OpError{Op: op.Op, Port: op.Port, Err: fmt.Errorf("%w; %s", op.Err, advice)}
		} else {
			err = fmt.Errorf("%w; %s", err, advice)
		}
	}
	if err != nil && !isOp {
		err = &port.OpError{Op: "open", Port: name, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func open(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	if name == "" {
		return nil, badName("it is empty")
	}
	if scheme, rest, ok := strings.Cut(name, ":"); ok {
		openersMu.RLock()
		open := openers[strings.ToLower(scheme)]
		openersMu.RUnlock()
		switch {
		case open != nil:
			return open(ctx, name, cfg)
		case strings.HasPrefix(rest, "//"):
			var list []string
			for _, s := range Schemes() {
				switch s {
				case "usb":
					s = "usb:VID:PID"
				case "replay":
					s += ":FILE"
				case "unix", "rfc2217+unix":
					s += ":/PATH"
				default:
					s += "://HOST:PORT"
				}
				list = append(list, s)
			}
			return nil, badName("there is no scheme %q: use a device, %s", scheme, strings.Join(list, ", "))
		}
	}
	p, err := port.Open(ctx, name, cfg.Port)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, explainMissing(ctx, name, err)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func badName(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadName, fmt.Sprintf(format, args...))
}

var hostAndPort = regexp.MustCompile(`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]+$`)

// explainMissing adds to the error of a device that does not exist what its name
// may have been meant as.
func explainMissing(ctx context.Context, name string, err error) error {
	var op *port.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if hostAndPort.MatchString(name) {
		return fmt.Errorf("%w; a port on another host is tcp://%s, telnet://%s or rfc2217://%s", err, name, name, name)
	}
	ports, lerr := port.List(ctx)
	if lerr != nil {
		return err
	}
	var names []string
	for _, p := range ports {
		if runtime.GOOS != "windows" && filepath.Base(p.Name) == name {
			return fmt.Errorf("%w; the device is %s", err, p.Name)
		}
		names = append(names, p.Name)
	}
	const most = 8 // names in the message
	switch n := len(names); {
	case n == 0:
		return fmt.Errorf("%w; this machine has no serial ports", err)
	case n > most:
		names = append(names[:most], fmt.Sprintf("and %d more", n-most))
	}
	return fmt.Errorf("%w; this machine has %s", err, strings.Join(names, ", "))
}
