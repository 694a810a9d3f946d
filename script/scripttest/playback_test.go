package scripttest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// recordLogin runs a script at a host and returns the recording.
func recordLogin(e script.Executor) []byte {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, nil)
	if err != nil {
		panic(err)
	}
	near, far := virtual.Pair()
	host := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "guest", Password: "secret", Delay: time.Second})
	defer host.Close()
	p := capture.Record(near, w)
	params := &ras.DialParams{UserName: "guest", Password: "secret"}
	if _, err := script.Run(context.Background(), p, e, &script.Config{Params: params, Log: slog.New(w.Handler())}); err != nil {
		panic(err)
	}
	p.Close()
	if err := w.Close(); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// A recording of a real login is the host of a test.
func ExampleNewPlayback() {
	recording := recordLogin(logIn)
	r, err := capture.NewReader(bytes.NewReader(recording))
	if err != nil {
		panic(err)
	}
	near, far := virtual.Pair()
	defer near.Close()
	host := scripttest.NewPlayback(far, r, nil)

	params := &ras.DialParams{UserName: "joe", Password: "any"} // both were sent as secrets
	_, err = script.Run(context.Background(), near, logIn, &script.Config{Params: params})
	fmt.Println(err, host.Close())
	// Output: <nil> <nil>
}

// TestPlaybackOfAnotherScript runs a script that diverges: the errors of both
// sides name their places.
func TestPlaybackOfAnotherScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := capture.NewReader(bytes.NewReader(recordLogin(script.Login(nil))))
		if err != nil {
			t.Fatal(err)
		}
		near, far := virtual.Pair()
		defer near.Close()
		host := scripttest.NewPlayback(far, r, nil)
		params := &ras.DialParams{UserName: "joe", Password: "any"}
		_, err = script.Run(t.Context(), near, logIn, &script.Config{Params: params})
		if !errors.Is(err, ras.ErrRemoteDisconnection) {
			t.Errorf("the script ended with %v, want %v", err, ras.ErrRemoteDisconnection)
		}
		var d *capture.DivergenceError
		if err := host.Close(); !errors.As(err, &d) || d.Want != "guest\r" || d.Got != "joe\r" {
			t.Errorf("the playback ended with %v, want \"guest\\r\" and \"joe\\r\"", err)
		}
	})
}
