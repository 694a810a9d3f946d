package script_test

import (
	"os/exec"
	"testing"

	"github.com/rasline/rasline/internal/peertest"
)

// TestSoak runs many sessions for a minute, or for half an hour in the gate
// before a release.
func TestSoak(t *testing.T) {
	peertest.Heavy(t, "a minute of 500 sessions")
	length := "1m"
	if peertest.Long() {
		length = "30m"
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "../script/internal/soak", "-sessions", "500", "-for", length).CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Error(err)
	}
}
