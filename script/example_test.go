package script_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// A script written in Go: it waits for prompts, answers them, and gives up as
// soon as the host refuses.
func Example() {
	p, far := virtual.Pair()
	defer p.Close()
	host := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "joe", Password: "hunter2"})
	defer host.Close()

	login := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		d.Watch(script.Fold("incorrect"), func(script.Match) error { return ras.ErrAuthenticationFailure })
		if _, err := d.WaitFor(ctx, 30*time.Second, script.Text("login: ")); err != nil {
			return err
		}
		if err := d.Send(ctx, []byte(call.Params.UserName+"\r")); err != nil {
			return err
		}
		if _, err := d.WaitFor(ctx, 30*time.Second, script.Text("Password: ")); err != nil {
			return err
		}
		if err := d.SendSecret(ctx, call.Params.Password+"\r"); err != nil {
			return err
		}
		_, err := d.WaitFor(ctx, 30*time.Second, script.Text("Welcome.\r\n"))
		return err
	})

	res, err := script.Run(context.Background(), p, login, &script.Config{
		Params:  &ras.DialParams{UserName: "joe", Password: "hunter2"},
		Timeout: 2 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in as", res.Params.UserName)
	frame := make([]byte, 2)
	io.ReadFull(res.Port(), frame) // PPP's first frame is not lost
	fmt.Printf("%q\n", frame)
	// Output:
	// in as joe
	// "~\xff"
}

// Without a script: Login finds prompts, menus and PPP by itself.
func ExampleLogin() {
	p, far := virtual.Pair()
	defer p.Close()
	host := scripttest.NewLogin(far, &scripttest.LoginConfig{Menu: []string{"Telnet", "PPP"}})
	defer host.Close()

	params := &ras.DialParams{UserName: "guest", Password: "wrong"}
	_, err := script.Run(context.Background(), p, script.Login(nil), &script.Config{Params: params})
	fmt.Println(ras.CodeOf(err).Name(), errors.Is(err, ras.ErrAuthenticationFailure))
	// Output: ERROR_AUTHENTICATION_FAILURE true
}

// What follows a match stays for the next wait, and a timeout reports what was received
// instead.
func ExampleDialog_WaitFor() {
	p, far := virtual.Pair()
	defer p.Close()
	defer far.Close()
	io.WriteString(far, "CONNECT 33600/V42\r\nUsername: ")

	_, err := script.Run(context.Background(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		m, err := d.WaitFor(ctx, time.Second,
			script.Text("NO CARRIER"),
			script.Regexp(regexp.MustCompile(`CONNECT (\d+)[^\r]*\r\n`)))
		if err != nil {
			return err
		}
		fmt.Printf("%d: %q\n", m.Index, m.Text)
		_, err = d.WaitFor(ctx, 10*time.Millisecond, script.Text("login: "))
		return err
	}), nil)
	var t *script.TimeoutError
	if errors.As(err, &t) {
		fmt.Printf("wanted %s, got %q\n", t.Want, t.Tail)
	}
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ras.ErrRequestTimeout))
	// Output:
	// 1: "CONNECT 33600/V42\r\n"
	// wanted ["login: "], got "Username: "
	// true true
}

// One script after the other on the same line.
func ExampleSequence() {
	p, far := virtual.Pair()
	defer p.Close()
	defer far.Close()
	io.WriteString(far, "one two")
	wait := func(text string) script.Executor {
		return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			_, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text(text))
			return err
		})
	}
	_, err := script.Run(context.Background(), p, script.Sequence(wait("one"), wait("two")), nil)
	fmt.Println(err)
	// Output: <nil>
}

// A script on a serial device.
func ExampleRun() {
	ctx := context.Background()
	p, err := port.Open(ctx, "/dev/ttyUSB0", &port.Config{Mode: port.Mode{Baud: 115200, Flow: port.FlowRTSCTS}})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	params := &ras.DialParams{UserName: "joe", Password: ras.Secret(os.Getenv("ISP_PASSWORD"))}
	res, err := script.Run(ctx, p, script.Login(nil), &script.Config{Params: params})
	if err != nil {
		log.Fatalf("%v (%v)", err, ras.CodeOf(err).Name())
	}
	fmt.Println("logged in after", res.Duration)
}
