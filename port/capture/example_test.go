package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// exampleLogin is a script.
var exampleLogin = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	if _, err := d.Exchange(ctx, time.Minute, script.Text("login: "), "joe\r"); err != nil {
		return err
	}
	_, err := d.ExchangeSecret(ctx, time.Minute, script.Text("password: "), call.Params.Password+"\r")
	return err
})

// A run of a script is recorded: the log is written into the recording as notes, and the
// password does not.
func ExampleRecord() {
	line, peer := virtual.Pair(virtual.NoLines())
	defer peer.Close()
	io.WriteString(peer, "login: password: ")

	var file bytes.Buffer // os.OpenFile with mode 0600 for a real one
	w, err := capture.NewWriter(&file, nil)
	if err != nil {
		panic(err)
	}
	p := capture.Record(line, w)
	_, err = script.Run(context.Background(), p, exampleLogin, &script.Config{
		Params: &ras.DialParams{Password: "swordfish"},
		Log:    slog.New(w.Handler()),
	})
	if err != nil {
		panic(err)
	}
	p.Close()
	if err := w.Close(); err != nil {
		panic(err)
	}

	r, err := capture.NewReader(&file)
	if err != nil {
		panic(err)
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			panic(err)
		}
		fmt.Printf("%v %q%s\n", e.Kind, e.Data, e.Note)
	}
	// Output:
	// note ""state state=RASCS_Interactive
	// note ""waiting for="\"login: \"" limit=1m0s
	// received "login: password: "
	// note ""matched pattern=0
	// sent "joe\r"
	// note ""waiting for="\"password: \"" limit=1m0s
	// note ""matched pattern=0
	// sent "********\r"
	// end ""
}

// A recording is played to a script that sends something else.
func ExamplePlay() {
	line, peer := virtual.Pair()
	io.WriteString(peer, "login: ")
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, nil)
	if err != nil {
		panic(err)
	}
	p := capture.Record(line, w)
	io.ReadFull(p, make([]byte, 7))
	io.WriteString(p, "joe\r")
	p.Close()
	w.Close()

	r, err := capture.NewReader(&file)
	if err != nil {
		panic(err)
	}
	near, far := virtual.Pair()
	defer near.Close()
	play := capture.Play(far, r, nil)
	io.ReadFull(near, make([]byte, 7))
	io.WriteString(near, "jim\r")
	<-play.Done()
	d := play.Err().(*capture.DivergenceError)
	fmt.Printf("the recording has %q, and %q was sent\n", d.Want, d.Got)
	// Output: the recording has "joe\r", and "jim\r" was sent
}
