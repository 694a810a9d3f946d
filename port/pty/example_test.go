//go:build linux

package pty_test

import (
	"context"
	"fmt"
	"io"
	"os/exec"

	"github.com/rasline/rasline/port/pty"
)

// The other end belongs to a shell script here, as it could to any program that
// wants a serial device.
func Example() {
	pair, err := pty.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pair.Close()

	cmd := exec.Command("sh", "-c", `exec <"$0" >"$0"; printf 'name? '; read -r name; printf 'hello %s' "$name"`, pair.Name)
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer cmd.Wait()

	prompt := make([]byte, len("name? "))
	io.ReadFull(pair.Port, prompt)
	fmt.Printf("%q\n", prompt)
	pair.Port.Write([]byte("ppp\n"))
	answer, err := io.ReadAll(pair.Port)
	fmt.Printf("%q\n%v\n", answer, err != nil)
	// Output:
	// "name? "
	// "hello ppp"
	// true
}
