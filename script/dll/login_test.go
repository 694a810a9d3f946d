package dll

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"
)

// loginHost is the peer of testdata/dll/login.c. Everything it sends between
// two answers goes out in one write, so that the trace of a login is always the
// same. Its user is ann, her password is "secret".
func loginHost(line io.ReadWriteCloser) {
	defer line.Close()
	in := bufio.NewReader(line)
	ask := func(prompt string) string {
		io.WriteString(line, prompt)
		answer, _ := in.ReadString('\r')
		return strings.TrimSuffix(answer, "\r")
	}
	user := ask("\r\nhost\r\nlogin: ")
	password := ask("\r\nPassword: ")
	if user != "ann" || password != "secret" {
		ask("\r\nLogin incorrect\r\n")
		return
	}
	if ask("\r\nmenu> ") == "ppp" {
		ask("\r\nEntering PPP\r\n")
	}
}

// goldenTrace returns the callbacks of a login, one line each.
func goldenTrace(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../testdata/dll/login.trace")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}
