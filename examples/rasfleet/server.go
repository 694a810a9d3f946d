package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// embedded is a JetStream server in this process.
type embedded struct {
	ns    *server.Server
	lock  *os.File
	creds string // path of the seed that clients need
}

// embeddedConfig is how a server is started.
type embeddedConfig struct {
	store  string // directory; made if it is missing
	listen string // host:port; port 0: a free one
	always bool   // fsync after every write

	// Members of a cluster in tests.
	name, cluster string
	routes        []*url.URL
	route         int // port
	creds         string
}

// startServer starts a server. The store is locked, since two servers on one store
// would start without an error and destroy it.
func startServer(cfg embeddedConfig) (_ *embedded, err error) {
	if cfg.store, err = filepath.Abs(cfg.store); err != nil { // the path of the credentials is printed
		return nil, err
	}
	if err := os.MkdirAll(cfg.store, 0o700); err != nil {
		return nil, err
	}
	e := new(embedded)
	if e.lock, err = lockStore(filepath.Join(cfg.store, "lock")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	e.creds = cfg.creds
	if e.creds == "" {
		e.creds = filepath.Join(cfg.store, "client.nk")
	}
	public, err := publicKey(e.creds)
	if err != nil {
		return nil, err
	}
	host, number, err := net.SplitHostPort(cfg.listen)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", cfg.listen, err)
	}
	p, err := net.LookupPort("tcp", number)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", cfg.listen, err)
	}
	last := filepath.Join(cfg.store, "port")
	chosen := p == 0
	if chosen {
		p = lastPort(last, host)
	} else if err := canListen(host, p); err != nil { // of which the server does not report the reason
		return nil, fmt.Errorf("-listen %s: %w", cfg.listen, err)
	}
	o := &server.Options{JetStream: true, StoreDir: filepath.Join(cfg.store, "jetstream"), Host: host, Port: p,
		NoSigs: true, NoLog: true, SyncAlways: cfg.always, Nkeys: []*server.NkeyUser{{Nkey: public}},
		MaxPayload: 1 << 20, ServerName: cfg.name}
	if cfg.cluster != "" {
		o.Cluster = server.ClusterOpts{Name: cfg.cluster, Host: host, Port: cfg.route}
		o.Routes = cfg.routes
	}
	if e.ns, err = server.NewServer(o); err != nil {
		return nil, err
	}
	e.ns.Start()
	if !e.ns.ReadyForConnections(20 * time.Second) {
		return nil, fmt.Errorf("the server is not ready after 20 s; is another program listening on %s?", cfg.listen)
	}
	if a, ok := e.ns.Addr().(*net.TCPAddr); ok && chosen {
		if err := os.WriteFile(last, []byte(strconv.Itoa(a.Port)+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// lastPort returns the port that the server of a store chose at its last start, if
// it is free: the workers connect to it again. Otherwise a free port is to be chosen.
func lastPort(file, host string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return server.RANDOM_PORT
	}
	p, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16)
	if err != nil || p == 0 {
		return server.RANDOM_PORT
	}
	if canListen(host, int(p)) != nil {
		return server.RANDOM_PORT
	}
	return int(p)
}

func canListen(host string, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// publicKey returns the public key of the clients, whose seed is in a file that is made
// if it is missing.
func publicKey(path string) (string, error) {
	seed, err := loadSeed(path)
	if err != nil {
		return "", err
	}
	user, err := nkeys.FromSeed(seed)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return user.PublicKey()
}

// loadSeed reads the seed of the clients, or makes one.
func loadSeed(path string) ([]byte, error) {
	seed, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		return seed, err
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	if seed, err = user.Seed(); err != nil {
		return nil, err
	}
	return seed, os.WriteFile(path, seed, 0o600)
}

// url is where clients connect to.
func (e *embedded) url() string { return e.ns.ClientURL() }

// stop ends the server, and unlocks its store.
func (e *embedded) stop() {
	if e.ns != nil {
		e.ns.Shutdown()
		e.ns.WaitForShutdown()
	}
	if e.lock != nil {
		e.lock.Close()
	}
}

// startQueue starts a server with the queue set up.
func startQueue(ctx context.Context, cfg embeddedConfig, qc queueConfig) (*embedded, *nats.Conn, error) {
	e, err := startServer(cfg)
	if err != nil {
		return nil, nil, err
	}
	nc, err := connect("", e.creds, nats.InProcessServer(e.ns))
	if err == nil {
		if err = setUp(ctx, nc, qc); err == nil {
			return e, nc, nil
		}
		nc.Close()
	}
	e.stop()
	return nil, nil, err
}
