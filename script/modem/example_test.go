package modem_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// exchange is a telephone exchange: one number is busy, the others are hosts.
func exchange(_ context.Context, number string) scripttest.Answer {
	if number == "5551234" {
		return scripttest.Answer{Result: "BUSY"}
	}
	inside, outside := virtual.Pair()
	scripttest.NewLogin(outside, nil)
	return scripttest.Answer{Far: inside, Connect: "CONNECT 33600/V34/LAPM"}
}

// greet waits for a host's prompt.
var greet = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	_, err := d.WaitFor(ctx, 10*time.Second, script.Text("login: "))
	return err
})

// A Dialer goes in front of a login script; the second number answers.
func ExampleDialer() {
	p, line := virtual.Pair()
	defer p.Close()
	far := scripttest.NewModem(line, &scripttest.ModemConfig{Dial: exchange})
	defer far.Close()

	dial := &modem.Dialer{
		Numbers: []string{"555-1234", "555-5678"},
		Redial:  modem.Redial{Pause: time.Millisecond},
		OnState: func(p script.State) {
			fmt.Printf("%v %s %s\n", p.Conn, p.Number, p.Text)
		},
	}
	login := modem.WatchCarrier(greet, &modem.CarrierConfig{Step: "login"})
	_, err := script.Run(context.Background(), p, script.Sequence(dial, login), nil)
	fmt.Println(err)
	hung, err := modem.HangUp(context.Background(), p, &modem.Config{DropTime: time.Millisecond}, modem.DTR)
	fmt.Println(hung.Method, hung.Proved, err)
	// Output:
	// RASCS_ConnectDevice  setting up the modem
	// RASCS_ConnectDevice 555-1234 dialling
	// RASCS_ConnectDevice 555-1234 BUSY
	// RASCS_ConnectDevice 555-5678 dialling
	// RASCS_DeviceConnected 555-5678 CONNECT 33600/V34/LAPM
	// RASCS_AllDevicesConnected 555-5678 CONNECT 33600/V34/LAPM
	// <nil>
	// DTR true <nil>
}

// A Modem is the typed API on a Dialog.
func ExampleModem() {
	p, line := virtual.Pair()
	defer p.Close()
	far := scripttest.NewModem(line, &scripttest.ModemConfig{Dial: exchange})
	defer far.Close()

	script.Run(context.Background(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		m := modem.New(d, nil)

		answer, err := m.Command(ctx, "ATI3")
		fmt.Println(answer.Lines, err)

		_, err = m.Command(ctx, "ATY9")
		fmt.Println(err)

		_, err = m.Dial(ctx, "555-1234")
		fmt.Println(modem.OutcomeOf(err), errors.Is(err, ras.ErrLineBusy))

		connect, err := m.Dial(ctx, "555-5678")
		fmt.Println(connect.Rate, connect.Protocols, m.State(), err)
		return err
	}), nil)
	// Output:
	// [rasline test modem] <nil>
	// ATY9: ERROR: the modem refuses the command
	// BUSY true
	// 33600 [V34 LAPM] online <nil>
}

func ExampleParseResult() {
	for _, line := range []string{"CONNECT 33600/ARQ/V34", "7", "NO CARRIER", "HELLO"} {
		r, ok := modem.ParseResult(line)
		fmt.Println(r.Outcome, r.Outcome.Code().Name(), r.Rate, r.Protocols, ok)
	}
	// Output:
	// CONNECT ERROR_SUCCESS 33600 [ARQ V34] true
	// BUSY ERROR_LINE_BUSY 0 [] true
	// NO CARRIER ERROR_NO_CARRIER 0 [] true
	// UNKNOWN ERROR_UNRECOGNIZED_RESPONSE 0 [] false
}

// A phone book cannot give the modem commands of its own.
func ExampleCheckNumber() {
	number, err := modem.CheckNumber("+49 (30) 555-1234")
	fmt.Println(number, err)
	_, err = modem.CheckNumber("5551234;H")
	fmt.Println(err)
	// Output:
	// +49305551234 <nil>
	// phone number, character 8: ';' is no digit and no dial modifier: remove it
}
