package modem

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// onModem runs f on a session over a line with a test modem, on fake time, and
// returns what script.Run made of it.
func onModem(t *testing.T, cfg *scripttest.ModemConfig, e script.Executor) (res *script.Result, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		tm := scripttest.NewModem(far, cfg)
		defer tm.Close()
		res, err = script.Run(context.Background(), near, e, nil)
		if res.Leaks != 0 {
			t.Errorf("%d buffers leaked", res.Leaks)
		}
	})
	return res, err
}

// withModem is an executor that runs f with a Modem.
func withModem(cfg *Config, f func(ctx context.Context, m *Modem) error) script.Executor {
	return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		return f(ctx, New(d, cfg))
	})
}

// host is a peer to dial: it answers every call with a login server.
func host(cfg *scripttest.LoginConfig) func(context.Context, string) scripttest.Answer {
	return func(context.Context, string) scripttest.Answer {
		inside, outside := virtual.Pair()
		scripttest.NewLogin(outside, cfg)
		return scripttest.Answer{Far: inside}
	}
}

// logIn is a login script for the default login server.
var logIn = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	for _, step := range []struct{ prompt, answer string }{{"ogin:", "guest\r"}, {"word:", "secret\r"}} {
		if _, err := d.WaitFor(ctx, 10*time.Second, script.Text(step.prompt)); err != nil {
			return err
		}
		if err := d.Send(ctx, []byte(step.answer)); err != nil {
			return err
		}
	}
	_, err := d.WaitFor(ctx, 10*time.Second, script.Text("Welcome.\r\n"))
	return err
})
