package guest

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// inGuestEnv is set for the test program when it runs in the guest.
const inGuestEnv = "RASLINE_GUEST"

// TestMain makes the test program the guest's init(8) if it is the first one.
func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		runGuest()
	}
	os.Exit(m.Run())
}

// inGuest skips a test outside the guest.
func inGuest(t *testing.T) {
	t.Helper()
	if os.Getenv(inGuestEnv) == "" {
		t.Skip("runs in the guest that the test of internal/integration boots")
	}
}

// mark begins what is not a test's output, as package integration reads it.
const mark = "\x16"

// host is where requests to the host go and its answers come from.
var host struct {
	sync.Mutex
	answers *bufio.Reader
}

// ask has the host do something and returns when it is done.
func ask(t *testing.T, request string) {
	t.Helper()
	host.Lock()
	defer host.Unlock()
	if host.answers == nil {
		host.answers = bufio.NewReader(os.Stdin)
	}
	fmt.Fprintf(os.Stdout, "%s=== HOST %s\n", mark, request)
	answer, err := host.answers.ReadString('\n')
	if answer = strings.TrimSpace(answer); err != nil || answer != "done" {
		t.Fatalf("host: %s: %s (%v)", request, answer, err)
	}
}
