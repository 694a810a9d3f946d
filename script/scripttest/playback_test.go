package scripttest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scp"
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

// TestPlaybackOfAScriptThatOnlySends runs scripts that await nothing. On the port
// of Near the one that sends something else fails where it does; the end of the
// playback reports it in any case, and a script that sends less.
func TestPlaybackOfAScriptThatOnlySends(t *testing.T) {
	var recording []byte
	synctest.Test(t, func(t *testing.T) { recording = recordLogin(script.Login(nil)) })
	for _, v := range []struct {
		name, script string
		plain        bool   // without Near
		place        string // in the script
		got          string
		ended        bool
	}{
		{"the name alone", "proc main\n transmit \"guest^M\"\nendproc\n", false, "", "", true},
		{"another name", "proc main\n\n transmit \"wrong^M\"\nendproc\n", false, "login.scp:3: transmit", "wrong\r", false},
		{"another name on the bare port", "proc main\n\n transmit \"wrong^M\"\nendproc\n", true, "", "wrong\r", false},
		{"nothing", "proc main\nendproc\n", false, "", "", true},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := capture.NewReader(bytes.NewReader(recording))
				if err != nil {
					t.Fatal(err)
				}
				program, err := scp.Parse("login.scp", []byte(v.script))
				if err != nil {
					t.Fatal(err)
				}
				near, far := virtual.Pair()
				defer near.Close()
				host := scripttest.NewPlayback(far, r, nil)
				p := host.Near(near)
				if v.plain {
					p = near
				}
				_, err = script.Run(t.Context(), p, program, nil)
				if got := fmt.Sprint(err); v.place == "" && err != nil || !strings.Contains(got, v.place) ||
					v.place != "" && !strings.Contains(got, "the recording diverges at event") {
					t.Errorf("the script ended with %v, want the places %q and that in the recording", err, v.place)
				}
				var d *capture.DivergenceError
				if err := host.Close(); !errors.As(err, &d) || d.Got != v.got || d.Ended != v.ended {
					t.Errorf("the playback ended with %v, want a divergence with %q", err, v.got)
				}
			})
		})
	}
}
