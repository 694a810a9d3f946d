package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// defaultHTTP is where the page is unless -http has another address.
const defaultHTTP = "127.0.0.1:8222"

// serve is the command serve.
func (p *program) serve(args []string) error {
	f := p.flags("serve")
	var c client
	c.flags(f)
	store := f.String("store", "", "`directory` of the embedded server; without it -nats is needed")
	listen := f.String("listen", "127.0.0.1:0", "`address` of the embedded server; port 0 is a free one")
	httpAddr := f.String("http", defaultHTTP, "`address` of the page; none: no page")
	sync := f.String("sync", "default", "default, or always: fsync after every write, for those who fear power cuts")
	replicas := f.Int("replicas", 1, "`number` of servers of a cluster that keep the queue: 1, 3 or 5")
	lease := f.Duration("lease", 30*time.Second, "`duration` after which a worker that is not heard of has lost its lines")
	if err := p.parse(f, args, false); err != nil {
		return err
	}
	switch {
	case (*store == "") == (c.url == ""):
		return usageError{errors.New("one of -store DIR and -nats URL is needed")}
	case *sync != "default" && *sync != "always":
		return usageError{fmt.Errorf("-sync %q: default and always are accepted", *sync)}
	case *lease < time.Second:
		return usageError{fmt.Errorf("-lease %v: at least 1s is accepted", *lease)}
	case *replicas != 1 && *replicas != 3 && *replicas != 5:
		return usageError{fmt.Errorf("-replicas %d: 1, 3 and 5 are accepted", *replicas)}
	case *replicas > 1 && *store != "":
		return usageError{errors.New("-replicas is for a cluster, which -nats names; the embedded server is one alone")}
	}
	err := checkAddress("-listen", *listen)
	if err == nil && *httpAddr != "none" {
		err = checkAddress("-http", *httpAddr)
	}
	if err != nil {
		return err
	}
	qc := queueConfig{replicas: *replicas, lease: *lease}
	var nc *nats.Conn
	if *store != "" {
		var e *embedded
		if e, nc, err = startQueue(p.ctx, embeddedConfig{store: *store, listen: *listen, always: *sync == "always"}, qc); err != nil {
			return err
		}
		defer e.stop()
		fmt.Fprintf(p.out, "-nats %s -creds %s\n", e.url(), e.creds)
	} else {
		if nc, err = connect(c.url, c.creds); err != nil {
			return connectError(c.url, err)
		}
		if err := setUp(p.ctx, nc, qc); err != nil {
			nc.Close()
			return err
		}
	}
	defer nc.Close()
	q, err := openQueue(p.ctx, nc)
	if err != nil {
		return err
	}
	if *httpAddr == "none" {
		<-p.ctx.Done()
		return nil
	}
	return p.servePage(p.ctx, q, *httpAddr)
}

// checkAddress returns what is wrong with the address of a flag, or nil.
func checkAddress(flag, addr string) error {
	_, number, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", number)
	}
	if err != nil {
		return usageError{fmt.Errorf("%s %s: host:port is needed: %w", flag, addr, err)}
	}
	return nil
}

// servePage prints the address of the page and serves it until ctx ends. An address
// that other hosts reach wants a token, which is new at every start.
func (p *program) servePage(ctx context.Context, q *Queue, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("-http %s: %w", addr, err)
	}
	w := &web{b: newBoard(q)}
	place := "http://" + l.Addr().String() + "/"
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		w.token = rand.Text()
		place += "?token=" + w.token
	}
	fmt.Fprintln(p.out, place)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	boardErr := make(chan error, 1)
	tasks.Go(func() { boardErr <- w.b.run(ctx); cancel() })
	if err := serveWeb(ctx, l, w); err != nil {
		return err
	}
	return <-boardErr
}
