package main

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

func TestRefusedFlags(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	tests := []struct {
		args   string
		status int
		text   string
	}{
		{"", exitUsage, "-port"},
		{"-port x extra", exitUsage, `"extra"`},
		{"-port x -mode fast", exitUsage, `"fast"`},
		{"-port x -listen nowhere", exitUsage, "nowhere"},
		{"-port x -listen :2217", exitUsage, "can be reached from other hosts"},
		{"-port x -listen 0.0.0.0:0", exitUsage, "-plain"},
		{"-port x -listen 192.0.2.1:0", exitUsage, "-cert"},
		{"-port x -raw", exitUsage, "-raw"},
		{"-port x -allow everybody", exitUsage, `"everybody" is no network`},
		{"-port x -cert a", exitUsage, "go together"},
		{"-port x -client-ca a", exitUsage, "needs TLS"},
		{"-port x -cert " + missing + " -key " + missing, exitUsage, "-cert and -key"},
		{"-port " + missing, exitNotOpen, "missing"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		got := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr)
		if got != tt.status || !strings.Contains(stderr.String(), tt.text) {
			t.Errorf("portserver %s: status %d, stderr %q; want %d and %q", tt.args, got, stderr.String(), tt.status, tt.text)
		}
		if stdout.Len() > 0 {
			t.Errorf("portserver %s: stdout %q, want none", tt.args, stdout.String())
		}
	}
}

func TestNetworks(t *testing.T) {
	tests := []struct {
		allow, addr string
		want        bool
	}{
		{"", "203.0.113.9", true},
		{"192.0.2.0/24", "192.0.2.77", true},
		{"192.0.2.0/24", "192.0.3.77", false},
		{"192.0.2.0/24", "::ffff:192.0.2.77", true},
		{"192.0.2.9/24", "192.0.2.77", true},
		{"127.0.0.1,::1", "::1", true},
		{"127.0.0.1,::1", "127.0.0.2", false},
		{"2001:db8::/32", "2001:db8:1::2", true},
		{"fe80::/10", "fe80::1%eth0", true},
	}
	for _, tt := range tests {
		var n networks
		if tt.allow != "" {
			if err := n.Set(tt.allow); err != nil {
				t.Fatal(err)
			}
		}
		if got := n.contains(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s in %q = %v, want %v", tt.addr, tt.allow, got, tt.want)
		}
	}
}
