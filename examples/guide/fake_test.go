package guide

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

// TestSilentHost is the guide's test on fake time: a host that falls silent, and a
// limit of a minute that passes in no time.
func TestSilentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		silent := scripttest.NewLogin(far, &scripttest.LoginConfig{Silent: scripttest.StagePassword})
		defer silent.Close()
		start := time.Now()
		_, err := script.Run(t.Context(), near, script.Login(nil), joe)
		if !errors.Is(err, ras.ErrRequestTimeout) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
