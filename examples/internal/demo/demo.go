// Package demo is a modem that reaches a host, in memory, for programs that show
// what they do without a device.
package demo

import (
	"context"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// Name is the name of the modem's port. Number reaches a host that lets User in.
const (
	Name     = "built-in modem"
	Number   = "555-0100"
	User     = "guest"
	Password = "secret"
)

// The pace, slow enough to be watched, and the call that Config.Ring makes.
const (
	ringing   = 600 * time.Millisecond
	thinks    = 200 * time.Millisecond
	speed     = 960 // bytes a second: 9600 bit/s
	ringAfter = 2 * time.Second
	rings     = 5
)

// Failing are numbers that fail, and how.
var Failing = map[string]string{
	"5550101": "BUSY",
	"5550102": "NO ANSWER",
	"5550103": "NO DIALTONE",
	"5550104": "NO CARRIER",
	"5550105": "VOICE",
	"5550106": "DELAYED",
	"5550107": "BLACKLISTED",
}

// Modem is a modem at the other end of a virtual null-modem cable.
type Modem struct {
	Port port.Port // what the modem is connected to

	modem *scripttest.Modem
	far   port.Port
	stop  context.CancelFunc
}

// Open makes a modem. With ring the host calls it 2 s later.
func Open(ring bool) *Modem {
	dte, dce := virtual.Pair(virtual.Names(Name, "modem"))
	ctx, stop := context.WithCancel(context.Background())
	m := &Modem{Port: dte, far: dce, stop: stop}
	m.modem = scripttest.NewModem(dce, &scripttest.ModemConfig{
		Info: []string{"rasline built-in modem"},
		Dial: answer,
	})
	if ring {
		near := host(ctx)
		call := time.AfterFunc(ringAfter, func() { m.modem.Ring(near, rings) })
		context.AfterFunc(ctx, func() { call.Stop() })
	}
	return m
}

// Close ends the call and the modem. It reports whether a call was up.
func (m *Modem) Close() (leftUp bool) {
	leftUp = m.modem.Connected()
	m.stop()
	m.modem.Close()
	m.far.Close()
	return leftUp
}

// answer is what becomes of a call to the number.
func answer(ctx context.Context, number string) scripttest.Answer {
	if result := Failing[number]; result != "" {
		return scripttest.Answer{Result: result, After: ringing}
	}
	return scripttest.Answer{Far: host(ctx), After: ringing, Connect: "CONNECT 9600/V42"}
}

// host returns the line to a host that exists until ctx ends.
func host(ctx context.Context) port.Port {
	near, far := virtual.Pair(virtual.LineSpeed(speed))
	h := scripttest.NewLogin(far, &scripttest.LoginConfig{
		User:     User,
		Password: Password,
		Menu:     []string{"Telnet", "PPP", "Quit"},
		Delay:    thinks,
	})
	context.AfterFunc(ctx, func() { h.Close() })
	return near
}
