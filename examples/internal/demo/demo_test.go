package demo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
)

// dial makes a connection to the modem.
func dial(t *testing.T, m *Modem, e *dialup.Entry) (*dialup.Conn, error) {
	t.Helper()
	e.Port, e.Params.UserName, e.Params.Password = Name, User, Password
	return dialup.Dial(t.Context(), e, &dialup.Config{
		Open: func(context.Context, string, *portname.Config) (port.Port, error) { return m.Port, nil },
	})
}

// TestModem reaches the host by a call in either direction.
func TestModem(t *testing.T) {
	for _, e := range []*dialup.Entry{
		{Dialer: &modem.Dialer{Numbers: []string{Number}}, Script: script.Login(nil)},
		{Answerer: &modem.Answerer{}, Script: script.Login(nil)},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := Open(e.Answerer != nil)
			c, err := dial(t, m, e)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if m.Close() {
				t.Error("the call is up")
			}
		})
	}
}

// TestCallLeftUp is reported, and ends with the modem.
func TestCallLeftUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := Open(false)
		c, err := dial(t, m, &dialup.Entry{Dialer: &modem.Dialer{Numbers: []string{Number}}, Script: script.Login(nil)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if !m.Close() {
			t.Error("a call that is up is not reported")
		}
	})
}

// TestFailing has each number fail as it should.
func TestFailing(t *testing.T) {
	for number, want := range map[string]error{
		"5550101": ras.ErrLineBusy,
		"5550102": ras.ErrNoAnswer,
		"5550103": ras.ErrNoDialtone,
		"5550104": ras.ErrNoCarrier,
		"5550105": ras.ErrVoiceAnswer,
		"5550106": nil,
		"5550107": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			m := Open(false)
			defer m.Close()
			start := time.Now()
			_, err := dial(t, m, &dialup.Entry{Dialer: &modem.Dialer{Numbers: []string{number}}})
			if err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", number, err, want)
			}
			if took := time.Since(start); took < ringing {
				t.Errorf("%s: failed after %v", number, took)
			}
		})
	}
	if len(Failing) != 7 {
		t.Errorf("%d numbers fail", len(Failing))
	}
}
