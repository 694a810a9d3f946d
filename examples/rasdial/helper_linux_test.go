package main

import (
	"context"
	"os"
	"testing"

	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// modemPort is a modem on a pseudo-terminal that reaches a host, which answers every
// call. It returns the path of the line.
func modemPort(t *testing.T, host *scripttest.LoginConfig) (path string, m *scripttest.Modem) {
	t.Helper()
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m = scripttest.NewModem(pair.Port, &scripttest.ModemConfig{Dial: func(ctx context.Context, number string) scripttest.Answer {
		near, far := virtual.Pair()
		h := scripttest.NewLogin(far, host)
		context.AfterFunc(ctx, func() { h.Close() })
		return scripttest.Answer{Far: near}
	}})
	t.Cleanup(func() { m.Close() })
	return pair.Name, m
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
