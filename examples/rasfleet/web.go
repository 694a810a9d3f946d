package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rasline/rasline/port/capture"
)

//go:embed page.html
var page string

// web serves the page of a board.
type web struct {
	b     *board
	token string // wanted from every request; empty: requests must name a loopback host
}

// serveWeb serves the page on l until ctx ends.
func serveWeb(ctx context.Context, l net.Listener, w *web) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.page)
	mux.HandleFunc("GET /events", w.events)
	mux.HandleFunc("GET /live/{id}", w.live)
	mux.HandleFunc("GET /timeline/{name}", w.timeline)
	mux.HandleFunc("GET /metrics", w.metrics)
	server := &http.Server{Handler: w.guard(mux), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// guard refuses requests without the token, or, on a loopback address, those that
// name another host: a page of another site whose name leads here (DNS rebinding)
// must not read the board.
func (w *web) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		out.Header().Set("Cache-Control", "no-store")
		out.Header().Set("X-Content-Type-Options", "nosniff")
		out.Header().Set("Referrer-Policy", "no-referrer")
		if w.token == "" {
			host, _, err := net.SplitHostPort(req.Host)
			if err != nil {
				host = req.Host
			}
			if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); host != "localhost" && (err != nil || !ip.IsLoopback()) {
				http.Error(out, "this page is served on a loopback address alone", http.StatusForbidden)
				return
			}
			next.ServeHTTP(out, req)
			return
		}
		if given := req.URL.Query().Get("token"); given != "" && w.matches(given) {
			http.SetCookie(out, &http.Cookie{Name: "rasfleet", Value: given, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(out, req, path.Clean(req.URL.EscapedPath()), http.StatusSeeOther) // on this host: //other/ is another one
			return
		}
		given := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		if c, err := req.Cookie("rasfleet"); err == nil {
			given = c.Value
		}
		if !w.matches(given) {
			http.Error(out, "the token is needed: open the address that rasfleet serve has printed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(out, req)
	})
}

func (w *web) matches(given string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(w.token)) == 1
}

func (w *web) page(out http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	h := out.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; frame-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "+
		"style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+"'")
	fmt.Fprint(out, strings.ReplaceAll(page, "{{NONCE}}", nonce))
}

// eventStream begins a stream of server-sent events. send reports whether the
// client is still there.
func eventStream(out http.ResponseWriter) (send func(data []byte) bool) {
	h := out.Header()
	h.Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(out)
	control.Flush()
	return func(data []byte) bool {
		control.SetWriteDeadline(time.Now().Add(30 * time.Second))
		if _, err := fmt.Fprintf(out, "data: %s\n\n", data); err != nil {
			return false
		}
		return control.Flush() == nil
	}
}

// events sends the board, and then its changes, at most five times a second.
func (w *web) events(out http.ResponseWriter, req *http.Request) {
	send := eventStream(out)
	var version uint64
	for {
		change, next := w.b.since(version)
		body, err := json.Marshal(change)
		if err != nil || !send(body) {
			return
		}
		version = change.Version
		select {
		case <-next:
		case <-time.After(15 * time.Second): // so that a client that has disconnected is detected
		case <-req.Context().Done():
			return
		}
		pause(req.Context(), 200*time.Millisecond)
	}
}

// live sends the conversation of a call while it is under way.
func (w *web) live(out http.ResponseWriter, req *http.Request) {
	id := req.PathValue("id")
	if !nameRule.MatchString(id) {
		http.NotFound(out, req)
		return
	}
	lines := make(chan *nats.Msg, 256)
	sub, err := w.b.q.nc.ChanSubscribe("LIVE."+id, lines)
	if err != nil {
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer sub.Unsubscribe()
	send := eventStream(out)
	ask := time.NewTicker(time.Second)
	defer ask.Stop()
	w.b.q.nc.Publish("WATCH."+id, nil)
	for {
		select {
		case m := <-lines:
			body, err := json.Marshal(string(m.Data))
			if err != nil || !send(body) {
				return
			}
		case <-ask.C:
			w.b.q.nc.Publish("WATCH."+id, nil)
		case <-req.Context().Done():
			return
		}
	}
}

// timeline shows the recording of a call.
func (w *web) timeline(out http.ResponseWriter, req *http.Request) {
	name := req.PathValue("name")
	file, err := w.b.q.captures.GetBytes(req.Context(), name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		http.NotFound(out, req)
		return
	} else if err != nil {
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
		return
	}
	r, err := capture.NewReader(bytes.NewReader(file))
	var text bytes.Buffer
	if err == nil {
		err = capture.WriteHTML(&text, r, &capture.HTMLConfig{Title: "Call " + name})
	}
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	h := out.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "frame-ancestors 'self'")
	out.Write(text.Bytes())
}

func (w *web) metrics(out http.ResponseWriter, _ *http.Request) {
	out.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprint(out, w.b.metrics())
}
