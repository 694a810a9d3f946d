package scp

import (
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// TestOverAKernelTerminal logs in over a pseudo-terminal, which takes line
// settings although no bit of it is timed by them.
func TestOverAKernelTerminal(t *testing.T) {
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host := scripttest.NewLogin(pair.Port, &scripttest.LoginConfig{User: "guest", Password: "secret", ServicePrompt: "$ "})
	defer host.Close()
	line, err := port.Open(t.Context(), pair.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	prog, err := Parse("t.scp", []byte(read(t, cases+"/kernel.scp")))
	if err != nil {
		t.Fatal(err)
	}
	res, err := script.Run(t.Context(), line, prog, &script.Config{
		Params: &ras.DialParams{UserName: "guest", Password: "secret"},
	})
	if err != nil || !host.LoggedIn() {
		t.Fatalf("the script ended with %v, logged in: %v; transcript:\n%v", err, host.LoggedIn(), host.Transcript())
	}
	if res.Leaks != 0 {
		t.Errorf("%d buffers leaked", res.Leaks)
	}
}
