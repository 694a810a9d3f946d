package dialup_test

import (
	"context"
	"fmt"
	"os/exec"
	"sync"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// testLine is a modem, in the place of a real one, that reaches a host which lets
// guest in.
func testLine(context.Context, string, *portname.Config) (port.Port, error) {
	line, dce := virtual.Pair()
	scripttest.NewModem(dce, &scripttest.ModemConfig{Dial: func(ctx context.Context, number string) scripttest.Answer {
		near, far := virtual.Pair()
		host := scripttest.NewLogin(far, nil)
		context.AfterFunc(ctx, func() { host.Close() })
		return scripttest.Answer{Far: near}
	}})
	return line, nil
}

// quick is for the test modem, which needs no time.
var quick = &modem.Config{Quiet: 1, Settle: -1, DropTime: 1}

func Example() {
	ctx := context.Background()
	conn, err := dialup.Dial(ctx, &dialup.Entry{
		Port:   "/dev/ttyUSB0",
		Dialer: &modem.Dialer{Config: quick, Numbers: []string{"555-0100"}},
		Script: script.Login(&script.LoginConfig{Settle: 1}),
		Params: ras.DialParams{UserName: "guest", Password: "secret"},
	}, &dialup.Config{
		Open: testLine, // default: portname.Open
		OnState: func(s dialup.State) {
			if s.Conn == ras.StateDeviceConnected {
				fmt.Println(s.Text)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	first := make([]byte, 1)
	conn.Read(first)
	fmt.Printf("the peer's first byte is %q\n", first)
	rep, err := conn.HangUp(ctx)
	fmt.Println("hung up by", rep.Method, "proved:", rep.Proved, err)
	// Output:
	// 555-0100 CONNECT 115200
	// the peer's first byte is "~"
	// hung up by DTR proved: true <nil>
}

// pppd gets the line. With notty it reads standard input, so that it does not
// discard what has arrived before it has started.
func ExampleConn_Handover() {
	var conn *dialup.Conn // of Dial
	run := func(ctx context.Context) error {
		defer conn.Close()
		return conn.Handover(ctx, exec.Command("pppd", "notty", "nodetach", "noauth", "defaultroute"))
	}
	_ = run
}

// Forty calls over four modems.
func ExamplePool() {
	var lines []dialup.Line
	for i := range 4 {
		lines = append(lines, dialup.Line{Port: fmt.Sprintf("/dev/ttyS%d", i), Class: "analog", Dialer: &modem.Dialer{Config: quick}})
	}
	pool := dialup.NewPool(&dialup.PoolConfig{PerNumber: 1}, lines...)
	defer pool.Close()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			conn, err := pool.Dial(context.Background(), &dialup.Entry{
				Class:  "analog",
				Script: script.Login(&script.LoginConfig{Settle: 1}),
				Params: ras.DialParams{PhoneNumber: fmt.Sprint(5550100 + i), UserName: "guest", Password: "secret"},
			}, &dialup.Config{Open: testLine})
			if err != nil {
				fmt.Println(err)
				return
			}
			conn.Close() // the line is free for the next call
		})
	}
	wg.Wait()
	calls := 0
	for _, l := range pool.Stats().Lines {
		calls += l.Connects
	}
	fmt.Println(calls, "calls")
	// Output: 40 calls
}

// A connection that is kept.
func ExamplePersist() {
	entry := &dialup.Entry{Port: "/dev/ttyUSB0"}
	run := func(ctx context.Context) error {
		return dialup.Persist(ctx, entry, nil, func(ctx context.Context, conn *dialup.Conn) error {
			return conn.Handover(ctx, exec.Command("pppd", "notty", "nodetach", "noauth"))
		})
	}
	_ = run
}
