package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
