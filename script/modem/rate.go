package modem

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// StandardRates are the bit rates that FindRate tries, the most usual first.
var StandardRates = []int{115200, 9600, 57600, 38400, 19200, 2400, 1200, 300, 4800, 230400, 460800, 921600}

// FindRate finds the bit rate at which a modem answers, by asking it for a
// register at each of the rates, or of StandardRates if none are given, and
// leaves the port at that rate. The present one is tried first. The modem should
// be in command mode; one that is online is escaped at the first rate only if
// that is the right one.
//
// The port must be a port.ModeSetter. The error matches errors.ErrUnsupported if
// it is not, and is a *CommandError with a *SyncError if the modem answers at
// none; the port then has its old rate.
func FindRate(ctx context.Context, p port.Port, cfg *Config, rates ...int) (rate int, err error) {
	setter, ok := p.(port.ModeSetter)
	if !ok {
		return 0, &port.OpError{Op: "set mode", Err: errors.ErrUnsupported}
	}
	before, err := setter.Mode()
	if err != nil {
		return 0, err
	}
	if len(rates) == 0 {
		rates = StandardRates
	}
	if before.Baud > 0 {
		rates = append([]int{before.Baud}, rates...)
	}
	_, err = script.Run(ctx, p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		m := New(d, cfg)
		s := syncing{modem: m, start: time.Now(), limit: m.cfg.ProbeTimeout}
		tried := map[int]bool{}
		for _, r := range rates {
			if tried[r] {
				continue
			}
			tried[r] = true
			found, err := s.tryRate(ctx, setter, r)
			if err != nil {
				return err
			}
			if found {
				rate = r
				return nil
			}
		}
		return m.commandError("", nil, s.failure())
	}), nil)
	if err != nil {
		setter.SetMode(port.Mode{Baud: before.Baud})
	}
	return rate, err
}
