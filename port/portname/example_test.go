package portname_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
)

// A program has one flag for every kind of port.
func ExampleOpen() {
	cfg := &portname.Config{Port: &port.Config{Mode: port.Mode{Baud: 115200}}}
	p, err := portname.Open(context.Background(), "udp://modem:2217", cfg)
	if errors.Is(err, portname.ErrBadName) {
		fmt.Println("check the name of the port")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	// Output: check the name of the port
}
