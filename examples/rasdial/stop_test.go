package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/examples/internal/demo"
)

// dialDemo dials the built-in modem on fake time and reports how the program
// ended, when, and whether a call was up by then.
func dialDemo(t *testing.T, stop time.Duration, args ...string) (status int, took time.Duration, leftUp bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		std := streams{in: null, out: null, err: null}
		opts, err := parseOptions(args, std.err)
		if err != nil {
			t.Fatal(err)
		}
		d := newDialer(opts, std)
		defer d.screen.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if stop > 0 {
			defer time.AfterFunc(stop, cancel).Stop()
		}
		start := time.Now()
		status = d.run(ctx)
		took, leftUp = time.Since(start), d.leftUp
	})
	return status, took, leftUp
}

// Whenever the program is stopped, at every tenth of a second of a call that
// fails, is dialled again and logs in, no call is left, and the end is near.
func TestStoppedAtEveryMomentOfACall(t *testing.T) {
	t.Parallel()
	args := []string{"-dial", "5550104", "-dial", demo.Number, "-redial", "3"}
	status, whole, leftUp := dialDemo(t, 0, args...)
	if status != exitOK || leftUp {
		t.Fatalf("the whole call: exit %d, a call left %v", status, leftUp)
	}
	for stop := 100 * time.Millisecond; stop < whole; stop += 100 * time.Millisecond {
		status, took, leftUp := dialDemo(t, stop, args...)
		if leftUp || took > stop+15*time.Second {
			t.Errorf("stopped after %v: exit %d after %v, a call left %v", stop, status, took, leftUp)
		}
	}
	t.Logf("stopped at every 100 ms of %v", whole)
}

// The limit of the run leaves no call either.
func TestTimeoutAtEveryMomentOfACall(t *testing.T) {
	t.Parallel()
	_, whole, _ := dialDemo(t, 0)
	for limit := 100 * time.Millisecond; limit < whole; limit += 100 * time.Millisecond {
		if status, took, leftUp := dialDemo(t, 0, "-timeout", limit.String()); leftUp || took > limit+15*time.Second {
			t.Errorf("-timeout %v: exit %d after %v, a call left %v", limit, status, took, leftUp)
		}
	}
}

// With -hangup none the call is the user's.
func TestHangupNoneLeavesTheCall(t *testing.T) {
	t.Parallel()
	if status, _, leftUp := dialDemo(t, 0, "-hangup", "none"); status != exitOK || !leftUp {
		t.Errorf("exit %d, a call left %v; want it left", status, leftUp)
	}
}

// -answer answers the call of the built-in modem.
func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, rings := range []string{"1", "2", "4"} {
		if status, _, leftUp := dialDemo(t, 0, "-answer", "-rings", rings); status != exitOK || leftUp {
			t.Errorf("-rings %s: exit %d, a call left %v", rings, status, leftUp)
		}
	}
	r := rasdial(t, t.Context(), "-answer", "-dial", "1")
	if r.status != exitUsage || !strings.Contains(r.stderr, "one of them") {
		t.Errorf("-answer with -dial: exit %d, %s", r.status, r.stderr)
	}
}
