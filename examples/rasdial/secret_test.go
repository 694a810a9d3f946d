package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/echo"
)

// TestNoEchoOfASecretIsPrinted logs in at hosts that echo the password in every
// form of package echo, and looks for it in all that the program prints, in
// every form of the log.
func TestNoEchoOfASecretIsPrinted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the end of each login in real time")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "login.scp")
	text := "proc main\n  waitfor \"ogin: \"\n  transmit $USERID\n  transmit \"^M\"\n  waitfor \"word: \"\n" +
		"  transmit $PASSWORD\n  transmit \"^M\"\n  waitfor \"PPP\" until 3\nendproc\n"
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	chat := filepath.Join(dir, "login.chat")
	if err := os.WriteFile(chat, []byte("TIMEOUT 3 ogin: \\T word: \\q\\U PPP ''\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var logins sync.WaitGroup
	defer logins.Wait()
	for i, secret := range echo.Secrets {
		file := filepath.Join(dir, fmt.Sprint("password", i))
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		recording := filepath.Join(dir, fmt.Sprint("recording", i))
		for _, args := range [][]string{{}, {"-record", recording}, {"-log", "text"}, {"-log", "json"}, {"-script", script}, {"-script", chat}, {"-script", script, "-terminal"}} {
			logins.Go(func() { // in parallel: each waits most of the time
				host := echoingHost(t, secret)
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				r := rasdial(t, ctx, append([]string{"-v", "-port", "tcp://" + host, "-user", "joe", "-password-file", file, "-timeout", "10s"}, args...)...)
				if piece := echo.Leak(r.stdout+r.stderr, secret); piece != "" {
					t.Errorf("secret of %d bytes, %v: %q shows", len(secret), args, piece)
				}
				if len(args) == 0 || args[0] != "-record" {
					return
				}
				if written, err := os.ReadFile(recording); err != nil || len(written) < 1000 {
					t.Errorf("the recording has %d bytes, %v", len(written), err)
				} else if bytes.Contains(written, []byte(secret)) {
					t.Errorf("secret of %d bytes is in the recording", len(secret))
				}
				// Without the times: the seconds 6b 07 b7 a3 are "k7#" with parity bits.
				noted, data := notes(t, recording)
				if piece := echo.Leak(strings.Join(append(noted, data...), "\n"), secret); piece != "" {
					t.Errorf("secret of %d bytes: %q is in the recording", len(secret), piece)
				}
			})
		}
	}
}

// echoingHost returns the address of a host that prompts for a name and a password,
// echoes the password in every way and refuses it.
func echoingHost(t *testing.T, secret string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		fmt.Fprint(c, "login: ")
		if _, err := r.ReadString('\r'); err != nil {
			return
		}
		fmt.Fprint(c, "Password: ")
		if _, err := r.ReadString('\r'); err != nil {
			return
		}
		for _, e := range echo.Of(secret) {
			if e.Pause <= 0 {
				fmt.Fprintf(c, "%s\r\n", bytes.TrimRight(e.Bytes, "\r\n"))
			}
		}
		for _, b := range []byte(secret + "\r\n") { // byte by byte
			c.Write([]byte{b})
			<-time.After(5 * time.Millisecond)
		}
		fmt.Fprint(c, "Login incorrect\r\n")
		r.ReadByte()
	}()
	return l.Addr().String()
}
