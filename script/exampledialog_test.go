package script_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// answering returns a port whose peer sends the first text, and the next one
// after each line end that it receives.
func answering(texts ...string) *virtual.Port {
	near, far := virtual.Pair()
	go func() {
		b := make([]byte, 1)
		for _, text := range texts {
			io.WriteString(far, text)
			for n, err := far.Read(b); b[0] != '\r' && b[0] != ' '; n, err = far.Read(b) {
				if n == 0 || err != nil {
					return
				}
			}
			b[0] = 0
		}
	}()
	return near
}

// A login is mostly a list of prompts and replies.
func ExampleDialog_Exchange() {
	p := answering("login: ", "Password: ", "PPP~")
	defer p.Close()
	login := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		if _, err := d.Exchange(ctx, 30*time.Second, script.Text("login: "), call.Params.UserName+"\r"); err != nil {
			return err
		}
		if _, err := d.ExchangeSecret(ctx, 30*time.Second, script.Text("Password: "), call.Params.Password+"\r"); err != nil {
			return err
		}
		_, err := d.WaitFor(ctx, 30*time.Second, script.Text("PPP"))
		return err
	})
	res, err := script.Run(context.Background(), p, login, &script.Config{Params: &ras.DialParams{UserName: "joe", Password: "sesame"}})
	fmt.Printf("%q %v\n", res.Unread, err)
	// Output: "~" <nil>
}

// A table of any length is streamed to a writer; only its end is matched.
func ExampleDialog_ReadUntil() {
	p := answering("# ", "meter 1\r\nmeter 2\r\n# ")
	defer p.Close()
	script.Run(context.Background(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		if _, err := d.Exchange(ctx, time.Minute, script.Text("# "), "list\r"); err != nil {
			return err
		}
		var table strings.Builder
		_, err := d.ReadUntil(ctx, &table, time.Minute, script.Text("\r\n# "))
		fmt.Printf("%q %v\n", table.String(), err)
		return err
	}), nil)
	// Output: "meter 1\r\nmeter 2" <nil>
}

// Shell runs commands, and pages through long output.
func ExampleShell() {
	p := answering("router# ", "show clock\r\n12:00\r\n--More--", "\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\bUTC\r\nrouter# ")
	defer p.Close()
	script.Run(context.Background(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		if _, err := d.WaitFor(ctx, time.Minute, script.Text("router# ")); err != nil {
			return err
		}
		sh := script.Shell{Dialog: d, Prompt: script.Text("router# ")}
		out, err := sh.Run(ctx, "show clock")
		fmt.Println(strings.Fields(string(out)))
		return err
	}), nil)
	// Output: [12:00 UTC]
}

// The user talks to the peer until a key, here Ctrl-], or a text ends it.
func ExampleDialog_Interact() {
	p := answering("Press Enter: ", "Welcome~")
	defer p.Close()
	keys, _ := io.Pipe() // nothing more is typed
	terminal := struct {
		io.Reader
		io.Writer
	}{io.MultiReader(strings.NewReader("\r"), keys), io.Discard}
	_, err := script.Run(context.Background(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		if _, err := d.WaitFor(ctx, time.Minute, script.Text("Enter: ")); err != nil {
			return err
		}
		return d.Interact(ctx, terminal, &script.InteractConfig{Until: []script.Pattern{script.Text("Welcome")}})
	}), nil)
	fmt.Println(err)
	// Output: <nil>
}
