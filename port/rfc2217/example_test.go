package rfc2217_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// A server shares one end of a null-modem cable, and a client sets its mode and
// talks to the other end.
func Example() {
	shared, device := virtual.Pair()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &rfc2217.Server{Port: shared}
	go server.Serve(l)
	defer server.Close()

	p, err := rfc2217.Dial(context.Background(), l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	if err := p.SetMode(port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven}); err != nil {
		log.Fatal(err)
	}
	mode, err := p.Mode()
	fmt.Println(mode, err)

	fmt.Fprint(p, "ATZ\r")
	command := make([]byte, 4)
	io.ReadFull(device, command)
	fmt.Printf("%q\n", command)
	// Output:
	// 9600,7E1,none <nil>
	// "ATZ\r"
}

// A console server that speaks TLS and wants to know who calls.
func ExampleDial_tls() {
	pair, err := tls.LoadX509KeyPair("client.pem", "client.key")
	if err != nil {
		log.Fatal(err)
	}
	dialer := &tls.Dialer{Config: &tls.Config{Certificates: []tls.Certificate{pair}}}
	p, err := rfc2217.Dial(context.Background(), "console.example.net:2217", &rfc2217.Config{Dial: dialer.DialContext})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// A terminal server without RFC 2217 still carries data.
func ExampleDial_plain() {
	shared, _ := virtual.Pair()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &rfc2217.Server{Port: shared}
	go server.Serve(l)
	defer server.Close()

	p, err := rfc2217.Dial(context.Background(), l.Addr().String(), &rfc2217.Config{Plain: rfc2217.PlainOnly})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = p.Mode()
	fmt.Println(p.ComPort(), errors.Is(err, errors.ErrUnsupported))
	// Output: false true
}

// Two ports at two addresses, by one server.
func ExampleServer_ServePort() {
	server := new(rfc2217.Server)
	defer server.Close()
	for range 2 {
		shared, device := virtual.Pair(virtual.NoLines())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		go server.ServePort(l, shared)
		p, err := rfc2217.Dial(context.Background(), l.Addr().String(), nil)
		if err != nil {
			log.Fatal(err)
		}
		go io.WriteString(device, "login: ")
		prompt := make([]byte, 7)
		io.ReadFull(p, prompt)
		fmt.Printf("%q\n", prompt)
		p.Close()
	}
	// Output:
	// "login: "
	// "login: "
}

// The server reports which modem lines change; nothing is polled.
func ExamplePort_WaitLines() {
	shared, modem := virtual.Pair()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &rfc2217.Server{Port: shared}
	go server.Serve(l)
	defer server.Close()
	p, err := rfc2217.Dial(context.Background(), l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	rung := make(chan port.Lines)
	go func() {
		lines, err := p.WaitLines(context.Background(), port.RI)
		if err != nil {
			log.Print(err)
		}
		rung <- lines
	}()
	ring := time.NewTicker(10 * time.Millisecond)
	defer ring.Stop()
	for bell := port.RI; ; bell ^= port.RI {
		select {
		case <-rung:
			fmt.Println("the telephone rings")
			return
		case <-ring.C:
			modem.Drive(port.RI, bell)
		}
	}
	// Output: the telephone rings
}
