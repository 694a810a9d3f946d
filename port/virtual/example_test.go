package virtual_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

func ExamplePair() {
	computer, server := virtual.Pair()
	defer computer.Close()

	go func() {
		defer server.Close()
		fmt.Fprint(server, "login: ")
		name, _ := bufio.NewReader(server).ReadString('\r')
		fmt.Fprintf(server, "welcome, %s", strings.TrimSpace(name))
	}()

	prompt := make([]byte, len("login: "))
	io.ReadFull(computer, prompt)
	fmt.Printf("%q\n", prompt)
	fmt.Fprint(computer, "guest\r")
	rest, err := io.ReadAll(computer)
	fmt.Printf("%q\n", rest)
	fmt.Println(errors.Is(err, port.ErrCarrierLost))
	// Output:
	// "login: "
	// "welcome, guest"
	// true
}

// A peer can play a modem: DSR is up as long as it has power, DCD while it
// has a connection, RI when it is called.
func ExamplePort_Drive() {
	computer, modem := virtual.Pair(virtual.Names("ttyS0", "modem"))
	modem.Drive(port.DSR|port.DCD, port.DSR)
	show := func() {
		lines, err := computer.Lines()
		fmt.Println(lines&port.Inputs, err)
	}
	show()
	modem.Ring(true)
	show()
	modem.Ring(false)
	modem.Drive(port.DCD, port.DCD)
	show()
	// Output:
	// CTS|DSR <nil>
	// CTS|DSR|RI <nil>
	// CTS|DSR|DCD <nil>
}

// What had arrived before the carrier was lost can still be read.
func ExamplePort_HangUp() {
	computer, modem := virtual.Pair(virtual.Names("ttyS0", "modem"))
	fmt.Fprint(modem, "NO CARRIER")
	modem.HangUp()
	text, err := io.ReadAll(computer)
	fmt.Printf("%q\n%v\n", text, err)
	// Output:
	// "NO CARRIER"
	// read ttyS0: carrier lost
}

func ExamplePort_SendBreak() {
	terminal, host := virtual.Pair()
	ctx := context.Background()
	if err := terminal.SendBreak(ctx, time.Millisecond); err != nil {
		fmt.Println(err)
	}
	n, err := host.AwaitBreak(ctx, 0)
	fmt.Println(n, err)
	// Output: 1 <nil>
}

// With StrictModes a host that sends 7 bits with even parity looks garbled to
// a terminal that expects 8 bits without, until the terminal sets the same.
func ExampleStrictModes() {
	terminal, host := virtual.Pair(virtual.StrictModes())
	host.SetMode(port.Mode{DataBits: 7, Parity: port.ParityEven})
	buf := make([]byte, 8)

	fmt.Fprint(host, "login:")
	n, _ := terminal.Read(buf)
	fmt.Printf("%q\n", buf[:n])

	terminal.SetMode(port.Mode{DataBits: 7, Parity: port.ParityEven})
	fmt.Fprint(host, "login:")
	n, _ = terminal.Read(buf)
	fmt.Printf("%q\n", buf[:n])
	// Output:
	// "lo\xe7i\xee:"
	// "login:"
}

// dial is a small dial script, of the kind that the next test is about: it
// gives a modem 45 seconds to connect.
func dial(p port.Port) error {
	p.SetReadDeadline(time.Now().Add(45 * time.Second))
	fmt.Fprint(p, "ATDT5551234\r")
	for r := bufio.NewReader(p); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("waiting for the modem: %w", err)
		}
		if strings.HasPrefix(line, "CONNECT") {
			return nil
		}
	}
}

// TestDialGivesUp tests the script on fake time: 45 seconds pass as soon as
// nobody has anything else to do.
func TestDialGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		computer, modem := virtual.Pair(virtual.LineSpeed(2400))
		go func() { // a modem that hears the number, and then nothing more
			bufio.NewReader(modem).ReadString('\r')
			fmt.Fprint(modem, "RINGING\r\n")
		}()
		begin := time.Now()
		err := dial(computer)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("dial: %v, want a timeout", err)
		}
		if took := time.Since(begin); took != 45*time.Second {
			t.Errorf("dial took %v, want 45s", took)
		}
	})
}

func TestDialConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		computer, modem := virtual.Pair(virtual.LineSpeed(2400))
		go func() {
			bufio.NewReader(modem).ReadString('\r')
			<-time.After(44 * time.Second) // the far modem is slow to answer
			fmt.Fprint(modem, "\r\nCONNECT 2400\r\n")
		}()
		if err := dial(computer); err != nil {
			t.Error(err)
		}
	})
}
