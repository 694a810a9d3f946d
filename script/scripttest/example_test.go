package scripttest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// logIn is the script under test.
var logIn = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	for _, step := range []struct{ prompt, answer string }{
		{"ogin:", call.Params.UserName},
		{"assword:", call.Params.Password.Reveal()},
	} {
		if _, err := d.WaitFor(ctx, 10*time.Second, script.Text(step.prompt)); err != nil {
			return err
		}
		if err := d.SendSecret(ctx, ras.Secret(step.answer+"\r")); err != nil {
			return err
		}
	}
	_, err := d.WaitFor(ctx, 10*time.Second, script.Text("Welcome.\r\n"))
	return err
})

// A script logs in to a host, and the host's first PPP frame is not lost.
func ExampleNewLogin() {
	client, line := virtual.Pair()
	defer client.Close()
	host := scripttest.NewLogin(line, &scripttest.LoginConfig{User: "guest", Password: "secret"})
	defer host.Close()

	params := &ras.DialParams{UserName: "guest", Password: "secret"}
	result, err := script.Run(context.Background(), client, logIn, &script.Config{Params: params})
	fmt.Println(err, host.LoggedIn())

	first := make([]byte, 6)
	_, err = result.Port().Read(first)
	fmt.Printf("% X %v\n", first, err)
	// Output:
	// <nil> true
	// 7E FF 7D 23 C0 21 <nil>
}

// The modem answers commands and connects the terminal to a peer.
func ExampleNewModem() {
	terminal, line := virtual.Pair()
	defer terminal.Close()
	modem := scripttest.NewModem(line, &scripttest.ModemConfig{
		Profile: "E0",
		Numbers: map[string]scripttest.Answer{"5551234": {Result: "BUSY"}},
		Dial: func(ctx context.Context, number string) scripttest.Answer {
			inside, outside := virtual.Pair()
			scripttest.NewLogin(outside, &scripttest.LoginConfig{Banner: "this is " + number + "\r\n"})
			return scripttest.Answer{Far: inside, Connect: "CONNECT 33600"}
		},
	})
	defer modem.Close()

	_, err := script.Run(context.Background(), terminal, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		d.Send(ctx, []byte("ATDT555-1234\r"))
		m, err := d.WaitFor(ctx, time.Minute, script.Text("CONNECT"), script.Text("BUSY"))
		fmt.Printf("%s %v\n", m.Text, err)
		d.Send(ctx, []byte("ATDT555-5678\r"))
		m, err = d.WaitFor(ctx, time.Minute, script.Text("login: "))
		fmt.Printf("%q\n", m.Before)
		return err
	}), nil)
	fmt.Println(err)
	// Output:
	// BUSY <nil>
	// "\r\n\r\nCONNECT 33600\r\nthis is 5555678\r\n"
	// <nil>
}
