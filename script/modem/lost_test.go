package modem

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// On a port without modem lines the modem's word ends the script, on every kind
// of modem.
func TestCarrierLostByText(t *testing.T) {
	for _, p := range scripttest.Personalities() {
		if p.Numeric {
			continue // a 3 in the data is no word
		}
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair(virtual.NoLines())
			defer near.Close()
			inside, outside := virtual.Pair()
			tm := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, Numbers: map[string]scripttest.Answer{"1": {Far: inside}}})
			defer tm.Close()
			time.AfterFunc(30*time.Second, func() { outside.Close() })
			start := time.Now()
			_, err := script.Run(t.Context(), near, script.Sequence(&Dialer{Numbers: []string{"1"}},
				WatchCarrier(waitLong, &CarrierConfig{Step: "login"})), nil)
			var lost *CarrierError
			if !errors.As(err, &lost) || lost.Text != "NO CARRIER" || !errors.Is(err, port.ErrCarrierLost) || ras.CodeOf(err) != ras.ErrRemoteDisconnection {
				t.Errorf("%s: %v after %v, want the carrier lost", p.Name, err, time.Since(start))
			}
		})
	}
}

// waitLong waits a minute for a text that does not come.
var waitLong = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	_, err := d.WaitFor(ctx, time.Minute, script.Text("never"))
	return err
})

func TestNoCarrierInData(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		more       string // a second later
		text       CarrierText
		dial       bool
		lines      bool
		lost       bool
	}{
		{"after our dial", "\r\nNO CARRIER\r\n", "", TextAuto, true, false, true},
		{"with a time", "\r\nNO CARRIER (00:01:28)\r\n", "", TextAuto, true, false, true},
		{"in a sentence", "\r\nthere is NO CARRIER\r\n", "", TextAuto, true, false, false},
		{"with data behind", "\r\nNO CARRIER\r\nis a message of modems\r\n", "", TextAuto, true, false, false},
		{"without a line end", "\r\nNO CARRIER", "", TextAuto, true, false, false},
		{"nobody dialled", "\r\nNO CARRIER\r\n", "", TextAuto, false, false, false},
		{"asked for", "\r\nNO CARRIER\r\n", "", TextWatch, false, false, true},
		{"a port with lines", "\r\nNO CARRIER\r\n", "", TextAuto, true, true, false},
		{"a port with lines, asked for", "\r\nNO CARRIER\r\n", "", TextWatch, true, true, true},
		{"switched off", "\r\nNO CARRIER\r\n", "", TextIgnore, true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var opts []virtual.Option
				if !tt.lines {
					opts = append(opts, virtual.NoLines())
				}
				near, far := virtual.Pair(opts...)
				defer near.Close()
				inside, outside := virtual.Pair()
				defer outside.Close()
				var tm *scripttest.Modem
				e := WatchCarrier(waitLong, &CarrierConfig{Text: tt.text})
				say := outside
				if tt.dial {
					tm = scripttest.NewModem(far, &scripttest.ModemConfig{Numbers: map[string]scripttest.Answer{"1": {Far: inside}}})
					defer tm.Close()
					e = script.Sequence(&Dialer{Numbers: []string{"1"}}, e)
				} else {
					say = far
					defer far.Close()
				}
				time.AfterFunc(10*time.Second, func() { say.Write([]byte(tt.data)) })
				start := time.Now()
				_, err := script.Run(t.Context(), near, e, nil)
				var lost *CarrierError
				if errors.As(err, &lost) != tt.lost || tt.lost && time.Since(start) > 12*time.Second {
					t.Errorf("%v after %v, want a loss: %v", err, time.Since(start), tt.lost)
				}
			})
		})
	}
}
