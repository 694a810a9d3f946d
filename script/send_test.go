package script_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

func TestSendAnySize(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		for _, n := range []int{0, 1, 1499, 1500, 1501, 10000} {
			text := strings.Repeat("0123456789", 1000)[:n]
			if err := d.Send(b.Context(), []byte(text)); err != nil {
				b.Fatalf("Send of %d bytes: %v", n, err)
			}
			b.farGets(text)
		}
	})
}

func TestPacing(t *testing.T) {
	tests := []struct {
		name          string
		byte, line    time.Duration
		text          string
		want          time.Duration
		betweenWrites int
	}{
		{"per byte", 10 * time.Millisecond, 0, "ATZ\r", 40 * time.Millisecond, 4},
		{"per line", 0, time.Second, "one\r\ntwo\nthree\rfour", 3 * time.Second, 4},
		{"both", 10 * time.Millisecond, time.Second, "a\r\nb\r\n", 2*time.Second + 60*time.Millisecond, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				d := script.NewDialog(b.call, &script.DialogConfig{PerByte: tt.byte, PerLine: tt.line})
				start := time.Now()
				if err := d.Send(b.Context(), []byte(tt.text)); err != nil {
					b.Fatal(err)
				}
				if got := time.Since(start); got != tt.want {
					b.Errorf("took %v, want %v", got, tt.want)
				}
				if got := b.s.Stats().Sends; got != uint64(tt.betweenWrites) {
					b.Errorf("%d sends, want %d", got, tt.betweenWrites)
				}
				b.farGets(tt.text)
			})
		})
	}
}

func TestSendIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		defer far.Close()
		_, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			sub, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			err := script.NewDialog(call, nil).Send(sub, make([]byte, 100))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled Send = %v", err)
			}
			start := time.Now()
			err = script.NewDialog(call, &script.DialogConfig{SendTimeout: 3 * time.Second}).Send(ctx, make([]byte, 100))
			if got := time.Since(start); got != 3*time.Second || !errors.Is(err, ras.ErrRequestTimeout) {
				t.Errorf("a limited Send ended after %v with %v", got, err)
			}
			return nil
		}), nil)
		if err != nil {
			t.Error(err)
		}
	})
}

// TestNoSecretShows runs a dialogue whose other end echoes the password, and looks
// for it in all that can be printed.
func TestNoSecretShows(t *testing.T) {
	const secret = "s3cret-Pa55"
	onBench(t, func(b *bench) {
		var log bytes.Buffer
		cfg := &script.DialogConfig{Consume: true, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		d := script.NewDialog(b.call, cfg)
		if err := d.Send(b.Context(), []byte("joe\r")); err != nil {
			b.Fatal(err)
		}
		if err := d.SendSecret(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
		b.farGets("joe\r" + secret)
		outputs := []string{}
		for cut := 2; cut <= len(secret); cut++ {
			b.farSends("Password: " + secret[:cut])
			outputs = append(outputs, b.timesOut(d, time.Second, script.Text("OK")).Error())
			b.farSends(secret[cut:] + " hunter2\r\n")
			outputs = append(outputs, b.timesOut(d, time.Second, script.Text("OK")).Error())
		}
		b.farSends(strings.ToUpper(secret) + "OK")
		b.finds(d, 0, strings.ToUpper(secret), "OK", script.Text("OK"))
		outputs = append(outputs, log.String())
		for _, out := range outputs {
			lower := strings.ToLower(out)
			for _, part := range []string{strings.ToLower(secret[:3]), strings.ToLower(secret[8:]), "hunter2"} {
				if strings.Contains(lower, part) {
					b.Errorf("%q shows %q", out, part)
				}
			}
		}
		if !strings.Contains(log.String(), "joe") || !strings.Contains(log.String(), "***") {
			b.Errorf("the log says nothing: %q", log.String())
		}
	})
}

func TestWaitsAllocateNothing(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		patterns := []script.Pattern{script.Text("login:"), script.Fold("password:")}
		text := []byte("noise noise login:")
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		round := func() {
			b.far.Write(text)
			if _, err := d.WaitFor(ctx, time.Minute, patterns...); err != nil {
				b.Fatal(err)
			}
			if err := d.Send(ctx, text); err != nil {
				b.Fatal(err)
			}
			b.far.Discard(1)
		}
		if n := testing.AllocsPerRun(200, round); n != 0 {
			b.Errorf("a wait and a send allocate %v times, want 0", n)
		}
	})
}
