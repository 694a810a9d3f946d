package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/rasline/rasline/port/capture"
)

// serve shows the page on a loopback address until the program is stopped. The
// recording is read anew for each request, so that a reload shows what a running
// program has recorded meanwhile.
func (p *program) serve() error {
	if p.file == "-" {
		return errors.New("serve needs the name of a file")
	}
	if _, done, err := p.open(); err != nil { // before anything listens
		return err
	} else if err := done(); err != nil {
		return err
	}
	addr, err := net.ResolveTCPAddr("tcp", p.listen)
	if err != nil {
		return fmt.Errorf("-listen %s: %w", p.listen, err)
	}
	if !addr.IP.IsLoopback() {
		return fmt.Errorf("-listen %s: a recording is shown on a loopback address alone, such as 127.0.0.1:8080", p.listen)
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(p.servePage), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(p.out, "http://%s/\n", l.Addr())
	stopped := context.AfterFunc(p.ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// servePage answers requests that name a loopback address as the host: a page of
// another site whose name leads here (DNS rebinding) must not read the recording.
func (p *program) servePage(w http.ResponseWriter, req *http.Request) {
	host, _, err := net.SplitHostPort(req.Host)
	if err != nil {
		host = req.Host
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		http.Error(w, "this page is served on a loopback address alone", http.StatusForbidden)
		return
	}
	if req.URL.Path != "/" {
		http.NotFound(w, req)
		return
	}
	r, done, err := p.open()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer done()
	var page bytes.Buffer
	if err := capture.WriteHTML(&page, r, &capture.HTMLConfig{Title: p.title(), Port: p.port}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(page.Bytes())
}
