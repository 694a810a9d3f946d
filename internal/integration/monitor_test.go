package integration

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
)

// newQEMU returns a monitor whose peer greets and then answers each line
// with the next text.
func newQEMU(t *testing.T, answers ...string) *Monitor {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Fprintln(far, `{"QMP": {"version": {}, "capabilities": []}}`)
		in := bufio.NewScanner(far)
		for in.Scan() && len(answers) > 0 {
			fmt.Fprintln(far, answers[0])
			answers = answers[1:]
		}
	}()
	t.Cleanup(func() {
		near.Close()
		far.Close()
		<-done
	})
	return newMonitor(near)
}

func TestMonitor(t *testing.T) {
	m := newQEMU(t, `{"return": {}}`,
		`{"event": "OTHER"} {"event": "DEVICE_DELETED"} {"return": {}}`,
		`{"error": {"class": "GenericError", "desc": "Device 'x' not found"}}`)
	if err := m.Run(t.Context(), "device_del", map[string]any{"id": "x"}); err != nil {
		t.Fatal(err)
	}
	if err := m.Await(t.Context(), "DEVICE_DELETED"); err != nil {
		t.Error(err)
	}
	err := m.Run(t.Context(), "device_del", map[string]any{"id": "x"})
	if err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a command that failed: %v", err)
	}
}

func TestMonitorEndsWithItsContext(t *testing.T) {
	m := newQEMU(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx, "stop", nil); err == nil {
		t.Error("a command without an answer succeeded")
	}
}
