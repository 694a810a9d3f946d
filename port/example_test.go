package port_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

func ExampleParseMode() {
	m, err := port.ParseMode("7E1,xonxoff")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.DataBits, m.Parity, m.StopBits, m.Flow)
	fmt.Println(m.Merge(port.Mode{Baud: 9600}))
	// Output:
	// 7 E 1 xonxoff
	// 9600,7E1,xonxoff
}

func ExampleOpen() {
	_, err := port.Open(context.Background(), "/dev/ttyNoSuchPort", &port.Config{
		Mode:    port.Mode{Baud: 115200, Flow: port.FlowRTSCTS},
		Carrier: port.CarrierWatch,
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Println("is the adapter plugged in?")
	case errors.Is(err, port.ErrBusy):
		fmt.Println("somebody else has it:", err)
	}
	// Output: is the adapter plugged in?
}

// A timeout is an error like any other, and the port can be used after it.
func ExamplePort_deadline() {
	p, far := virtual.Pair()
	defer p.Close()
	defer far.Close()

	p.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	buf := make([]byte, 80)
	_, err := p.Read(buf)
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))

	p.SetReadDeadline(time.Time{})
	far.Write([]byte("login: "))
	n, err := p.Read(buf)
	fmt.Printf("%q %v\n", buf[:n], err)
	// Output:
	// true
	// "login: " <nil>
}

// Modem lines are asked for with a type assertion. On a null-modem cable our
// DTR is the peer's DSR and DCD.
func ExampleLineController() {
	var p, far port.Port = virtual.Pair()
	defer p.Close()
	defer far.Close()

	lines, ok := p.(port.LineController)
	if !ok {
		fmt.Println("this port has no modem lines")
		return
	}
	for _, dtr := range []port.Lines{port.DTR, 0} {
		if err := lines.SetLines(port.DTR, dtr); err != nil {
			fmt.Println(err)
			return
		}
		seen, _ := far.(port.LineController).Lines()
		fmt.Println("carrier at the peer:", seen.Has(port.DCD))
	}
	// Output:
	// carrier at the peer: true
	// carrier at the peer: false
}

func ExampleList() {
	ports, err := port.List(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range ports {
		fmt.Println(p.Name, p.Description, p.VID, p.PID, p.SerialNumber)
	}
}

// A program that pppd runs with its connect option finds the line on its
// standard input and output.
func ExampleStdio() {
	p, err := port.Stdio(os.Stdin, os.Stdout, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer p.Close()
	p.Write([]byte("ATZ\r"))
}
