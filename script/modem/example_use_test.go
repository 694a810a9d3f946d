package modem_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// use runs f with a Modem on a test modem.
func use(cfg *scripttest.ModemConfig, own *modem.Config, f func(ctx context.Context, m *modem.Modem) error) {
	line, far := virtual.Pair()
	defer line.Close()
	tm := scripttest.NewModem(far, cfg)
	defer tm.Close()
	config := *quick
	if own != nil {
		config = *own
		config.Quiet, config.Settle = quick.Quiet, quick.Settle
	}
	_, err := script.Run(context.Background(), line, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		return f(ctx, modem.New(d, &config))
	}), nil)
	if err != nil {
		fmt.Println(err)
	}
}

// quick is for the test modem, which needs no time.
var quick = &modem.Config{Quiet: 20 * time.Millisecond, Settle: -1, DropTime: 10 * time.Millisecond}

// answered is a call that is taken.
func answered(text string) scripttest.Answer {
	near, far := virtual.Pair()
	far.Write([]byte(text))
	return scripttest.Answer{Far: near, Connect: "CONNECT"}
}

// A cellular module goes online by a command of its own.
func ExampleModem_Connect() {
	cfg := &scripttest.ModemConfig{Connects: map[string]scripttest.Answer{`+CGDATA="PPP",1`: answered("~")}}
	use(cfg, nil, func(ctx context.Context, m *modem.Modem) error {
		r, err := m.Connect(ctx, `AT+CGDATA="PPP",1`)
		fmt.Println(r.Outcome, m.State())
		return err
	})
	// Output: CONNECT online
}

// A message is sent to the prompt of its command, and Ctrl-Z ends it.
func ExampleModem_Prompt() {
	cfg := &scripttest.ModemConfig{Prompts: map[string]string{"+CMGS=": "+CMGS: 7"}}
	use(cfg, nil, func(ctx context.Context, m *modem.Modem) error {
		r, err := m.Prompt(ctx, `AT+CMGS="+49123456"`, "> ", []byte("the pump is on"), 0x1A)
		fmt.Println(r.Values("+CMGS"))
		return err
	})
	// Output: [[7]]
}

// Values divides the lines of an answer; what other commands would answer is not
// among them.
func ExampleResponse_Values() {
	cfg := &scripttest.ModemConfig{Extended: map[string]string{"+CSQ": "^RSSI:20\r\n+CSQ: 20,99"}}
	use(cfg, nil, func(ctx context.Context, m *modem.Modem) error {
		r, err := m.Command(ctx, "AT+CSQ")
		fmt.Println(r.Values("+CSQ"), r.Unasked)
		return err
	})
	// Output: [[20 99]] [^RSSI:20]
}

// A SIM is asked first whether it wants its PIN, and is given it once.
func ExampleModem_Unlock() {
	left := 3
	cfg := &scripttest.ModemConfig{Obey: func(command string) (info, result string, ok bool) {
		switch command {
		case "+CPIN?":
			return "+CPIN: SIM PIN", "OK", true
		case `+CPINR="SIM PIN"`:
			return fmt.Sprintf("+CPINR: SIM PIN,%d,3", left), "OK", true
		case `+CPIN="1234"`:
			left--
			return "", "+CME ERROR: 16", true
		}
		return "", "", false
	}}
	use(cfg, nil, func(ctx context.Context, m *modem.Modem) error {
		err := m.Unlock(ctx, ras.Secret("1234"))
		var pin *modem.PINError
		var cme *modem.CMEError
		if errors.As(err, &pin) && errors.As(err, &cme) {
			fmt.Println(pin.State, pin.Left, cme)
		}
		return nil
	})
	// Output: SIM PIN 2 +CME ERROR: incorrect password (16)
}

// A Dialer waits for the network before each attempt.
func ExampleModem_WaitRegistered() {
	cfg := &scripttest.ModemConfig{Extended: map[string]string{
		"+CREG?": "+CREG: 0,5", `+CGDCONT=1,"IP","NET"`: "",
	}, Dial: func(context.Context, string) scripttest.Answer { return answered("~") }}
	line, far := virtual.Pair()
	defer line.Close()
	tm := scripttest.NewModem(far, cfg)
	defer tm.Close()
	dial := &modem.Dialer{
		Config:  quick,
		Numbers: []string{"*99#"},
		Before: func(ctx context.Context, m *modem.Modem) error {
			where, err := m.WaitRegistered(ctx, time.Minute)
			if err != nil {
				return err
			}
			fmt.Println("network:", where)
			_, err = m.Command(ctx, `AT+CGDCONT=1,"IP","net"`)
			return err
		},
		Redial: modem.Redial{Attempts: -1, RoundPause: time.Minute},
	}
	_, err := script.Run(context.Background(), line, dial, nil)
	fmt.Println(err, tm.Connected())
	// Output:
	// network: roaming
	// <nil> true
}

// Modems in software dial a host and a port.
func ExampleCheckAddress() {
	software, _ := scripttest.PersonalityOf("tcpser")
	cfg := &scripttest.ModemConfig{Personality: software, Numbers: map[string]scripttest.Answer{"bbs.example:23": answered("hello")}}
	use(cfg, &modem.Config{Addresses: true}, func(ctx context.Context, m *modem.Modem) error {
		r, err := m.Dial(ctx, "bbs.example:23")
		fmt.Println(r.Outcome)
		return err
	})
	_, err := modem.CheckAddress("bbs.example:23;H")
	fmt.Println(err)
	// Output:
	// CONNECT
	// address, character 15: ';' is no part of a host or a port: remove it
}

// An Answerer takes the calls of one number. Most networks send it between the
// first ring and the second, hence Rings; this one sends it before.
func ExampleAnswerer() {
	line, far := virtual.Pair()
	defer line.Close()
	tm := scripttest.NewModem(far, nil)
	defer tm.Close()
	caller, outside := virtual.Pair()
	defer outside.Close()
	ring := time.AfterFunc(500*time.Millisecond, func() {
		tm.Inject("\r\nNMBR = 5551234\r\n")
		tm.Ring(caller, 4)
	})
	defer ring.Stop()
	answer := &modem.Answerer{
		Config:  quick,
		Rings:   1,
		Accept:  func(c modem.IncomingCall) bool { return c.Number == "5551234" },
		OnRing:  func(c modem.IncomingCall) { fmt.Println("ring", c.Count, "of", c.Number) },
		Timeout: time.Minute,
	}
	_, err := script.Run(context.Background(), line, answer, nil)
	fmt.Println(err, tm.Connected())
	// Output:
	// ring 1 of 5551234
	// <nil> true
}

// FindRate leaves the port at the bit rate at which the modem answers.
func ExampleFindRate() {
	line, far := virtual.Pair(virtual.Mode(port.Mode{Baud: 9600}))
	defer line.Close()
	tm := scripttest.NewModem(far, nil)
	defer tm.Close()
	rate, err := modem.FindRate(context.Background(), line, nil)
	fmt.Println(rate, err)
	// Output: 9600 <nil>
}

// Listen hands on what the modem reports between commands, with the lines that
// belong to it.
func ExampleModem_Listen() {
	line, far := virtual.Pair()
	defer line.Close()
	tm := scripttest.NewModem(far, nil)
	defer tm.Close()
	ctx, stop := context.WithCancel(context.Background())
	cfg := &modem.Config{Quiet: 20 * time.Millisecond, Indications: []modem.Indication{{
		Prefix: "+CMT:", Lines: 1,
		Handle: func(text string) { fmt.Printf("%q\n", text); stop() },
	}}}
	report := time.AfterFunc(100*time.Millisecond, func() { tm.Inject("\r\n+CMT: \"+49123\"\r\nthe pump is on\r\n") })
	defer report.Stop()
	_, err := script.Run(context.Background(), line, script.ExecutorFunc(func(_ context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		return modem.New(d, cfg).Listen(ctx)
	}), nil)
	fmt.Println(err)
	// Output:
	// "+CMT: \"+49123\"\nthe pump is on"
	// <nil>
}

// The true answer of some commands follows OK.
func ExampleModem_CommandThen() {
	cfg := &scripttest.ModemConfig{
		Extended: map[string]string{"+CMQTTSTART": ""},
		Faults:   []scripttest.Fault{{Command: "AT+CMQTT", Then: "\r\n+CMQTTSTART: 0\r\n", ThenAfter: 100 * time.Millisecond}},
	}
	use(cfg, nil, func(ctx context.Context, m *modem.Modem) error {
		_, line, err := m.CommandThen(ctx, "AT+CMQTTSTART", "+CMQTTSTART:", 10*time.Second)
		fmt.Println(line)
		return err
	})
	// Output: +CMQTTSTART: 0
}

// Makers number their results in their own ways, and some devices want another
// end of a command than CR.
func ExampleConfig() {
	courier, _ := scripttest.PersonalityOf("usr")
	cfg := &scripttest.ModemConfig{Personality: courier, Profile: "V0", Dial: func(context.Context, string) scripttest.Answer {
		a := answered("")
		a.Connect = "CONNECT 28800"
		return a
	}}
	use(cfg, &modem.Config{Codes: modem.CodesUSR, End: "\r\n"}, func(ctx context.Context, m *modem.Modem) error {
		r, err := m.Dial(ctx, "5551234")
		fmt.Println(r.Text, r.Rate)
		return err
	})
	// Output: CONNECT 28800 28800
}

// After a login that fails nothing has to be done: the run has hung up. After one
// that succeeds HangUp ends the call, also when the context has ended.
func ExampleHangUp() {
	line, far := virtual.Pair()
	defer line.Close()
	tm := scripttest.NewModem(far, &scripttest.ModemConfig{Dial: func(context.Context, string) scripttest.Answer { return answered("") }})
	defer tm.Close()
	ctx, cancel := context.WithCancel(context.Background())
	dial := &modem.Dialer{Config: quick, Numbers: []string{"5551234"}}

	_, err := script.Run(ctx, line, script.Sequence(dial, script.ExecutorFunc(func(context.Context, *ras.Call) error {
		return ras.ErrAuthenticationFailure
	})), nil)
	fmt.Println(errors.Is(err, ras.ErrAuthenticationFailure), tm.Connected())

	_, err = script.Run(ctx, line, dial, nil)
	fmt.Println(err, tm.Connected())
	cancel()
	report, err := modem.HangUp(ctx, line, quick)
	fmt.Println(report.Method, report.Proved, err, tm.Connected())
	// Output:
	// true false
	// <nil> true
	// DTR true <nil> false
}

// A host that calls back: dial, ask for it, hang up, and wait for its call.
func ExampleEndCall() {
	line, far := virtual.Pair()
	defer line.Close()
	tm := scripttest.NewModem(far, &scripttest.ModemConfig{Dial: func(context.Context, string) scripttest.Answer { return answered("") }})
	defer tm.Close()
	ask := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		return d.Send(ctx, []byte("callback 5551234\r"))
	})
	hostCalls := script.ExecutorFunc(func(context.Context, *ras.Call) error {
		time.AfterFunc(500*time.Millisecond, func() { tm.Ring(answered("").Far, 5) })
		return nil
	})
	_, err := script.Run(context.Background(), line, script.Sequence(
		&modem.Dialer{Config: quick, Numbers: []string{"5550000"}},
		ask,
		modem.EndCall(quick),
		hostCalls,
		&modem.Answerer{Config: quick, Timeout: time.Minute},
	), nil)
	fmt.Println(err, tm.Connected())
	// Output: <nil> true
}
