package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a start leaves behind when it fails must not keep the next one from the store.
func TestFailedStart(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, listen := range []string{"foo", "127.0.0.1:nope", taken.Addr().String()} {
		if _, err := startServer(embeddedConfig{store: dir, listen: listen}); err == nil || !strings.Contains(err.Error(), listen) {
			t.Errorf("a server on %s: %v", listen, err)
		}
	}
	seed := filepath.Join(dir, "client.nk")
	if err := os.Rename(seed, seed+".good"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(seed, []byte("no seed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := startServer(embeddedConfig{store: dir, listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), seed) {
		t.Errorf("a server with a broken seed: %v", err)
	}
	if err := os.Rename(seed+".good", seed); err != nil {
		t.Fatal(err)
	}
	e, err := startServer(embeddedConfig{store: dir, listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	e.stop()
}

// Workers that wait for a server which has been restarted look for it on its port.
func TestPortIsKept(t *testing.T) {
	dir := t.TempDir()
	start := func() string {
		t.Helper()
		e, err := startServer(embeddedConfig{store: dir, listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		defer e.stop()
		return e.ns.Addr().String()
	}
	first := start()
	if second := start(); second != first {
		t.Errorf("the server was on %s, and is on %s after a restart", first, second)
	}
	taken, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if third := start(); third == first {
		t.Errorf("the server is on %s, which is in use", third)
	}
}

// lineWriter passes on what is written.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	select {
	case w <- string(p):
	default:
	}
	return len(p), nil
}

func TestWorkBeforeServe(t *testing.T) {
	dir := t.TempDir()
	e, err := startServer(embeddedConfig{store: dir, listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	url, creds := e.url(), e.creds
	e.stop()
	lines := filepath.Join(t.TempDir(), "lines.json")
	if err := os.WriteFile(lines, []byte(`[{"name": "l", "port": "sim:l", "class": "modem"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, log, status := make(lineWriter, 16), make(lineWriter, 16), make(chan int, 1)
	p := &program{ctx: ctx, in: new(bytes.Buffer), out: out, errOut: log}
	go func() { status <- p.run([]string{"work", "-nats", url, "-creds", creds, "-lines", lines}) }()
	wait := func(from <-chan string, want string) {
		t.Helper()
		select {
		case text := <-from:
			if !strings.Contains(text, want) {
				t.Fatalf("the worker writes %q, want %q", text, want)
			}
		case s := <-status:
			t.Fatalf("the worker ended with status %d", s)
		case <-time.After(20 * time.Second):
			t.Fatalf("the worker does not write %q", want)
		}
	}
	wait(log, "not there yet")
	serving, stop := context.WithCancel(t.Context())
	served := make(chan int, 1)
	go func() {
		served <- (&program{ctx: serving, out: io.Discard, errOut: io.Discard}).run([]string{"serve", "-store", dir, "-http", "none"})
	}()
	wait(out, "1 lines")
	cancel()
	if s := <-status; s != exitOK {
		t.Errorf("an interrupted worker has status %d", s)
	}
	stop()
	if s := <-served; s != exitOK {
		t.Errorf("an interrupted server has status %d", s)
	}
}
