package main

import (
	"context"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// What the built-in modem reaches: a host that lets this user in.
const (
	demoNumber   = "555-0100"
	demoUser     = "guest"
	demoPassword = "secret"
)

// The pace of the demonstration, slow enough to be watched.
const (
	demoRinging = 600 * time.Millisecond
	demoThinks  = 200 * time.Millisecond
	demoSpeed   = 960 // bytes a second: 9600 bit/s
)

// demo is a modem at the other end of a virtual null-modem cable, with a login
// server at the far end of its telephone line.
type demo struct {
	modem  *scripttest.Modem
	far    port.Port
	leftUp bool // whether a call was up when the port was closed
}

// openDemo sets the modem up and returns the port it is connected to.
func (d *dialer) openDemo(ctx context.Context) port.Port {
	dte, dce := virtual.Pair(virtual.Names("built-in modem", "modem"))
	d.demo = &demo{far: dce, modem: scripttest.NewModem(dce, &scripttest.ModemConfig{
		Info: []string{"rasline built-in modem"},
		Dial: callDemo,
	})}
	if d.opts.answer {
		near, far := virtual.Pair(virtual.LineSpeed(demoSpeed))
		host := demoHost(far)
		ring := time.AfterFunc(demoRingAfter, func() { d.demo.modem.Ring(near, demoRings) })
		context.AfterFunc(ctx, func() { ring.Stop(); host.Close() })
	}
	return dte
}

// A call to the built-in modem: when it begins and how often it rings.
const (
	demoRingAfter = 2 * time.Second
	demoRings     = 5
)

// demoHost is the host that the built-in modem reaches.
func demoHost(far port.Port) *scripttest.Login {
	return scripttest.NewLogin(far, &scripttest.LoginConfig{
		User:     demoUser,
		Password: demoPassword,
		Menu:     []string{"Telnet", "PPP", "Quit"},
		Delay:    demoThinks,
	})
}

// callDemo answers the built-in modem's calls. The numbers of the directory
// fail as real ones do.
func callDemo(ctx context.Context, number string) scripttest.Answer {
	for _, n := range demoNumbers {
		if n.number == number {
			return scripttest.Answer{Result: n.result, After: demoRinging}
		}
	}
	near, far := virtual.Pair(virtual.LineSpeed(demoSpeed))
	host := demoHost(far)
	context.AfterFunc(ctx, func() { host.Close() })
	return scripttest.Answer{Far: near, After: demoRinging, Connect: "CONNECT 9600/V42"}
}

// demoNumbers fail, so that one can see what that looks like.
var demoNumbers = []struct{ number, result string }{
	{"5550101", "BUSY"},
	{"5550102", "NO ANSWER"},
	{"5550103", "NO DIALTONE"},
	{"5550104", "NO CARRIER"},
	{"5550105", "VOICE"},
	{"5550106", "DELAYED"},
	{"5550107", "BLACKLISTED"},
}

func (d *demo) close() {
	d.leftUp = d.modem.Connected()
	d.modem.Close()
	d.far.Close()
}
