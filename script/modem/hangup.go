package modem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Method is a way to hang up.
type Method uint8

// The methods.
const (
	// DTR drops DTR for Config.DropTime, which hangs up modems set to &D2. It
	// needs a port with modem lines.
	DTR Method = iota + 1

	// ATH sends +++ and ATH.
	ATH
)

// String returns "DTR" or "ATH".
func (m Method) String() string {
	switch m {
	case DTR:
		return "DTR"
	case ATH:
		return "ATH"
	}
	return "none"
}

// HangupReport tells how a call was ended.
type HangupReport struct {
	// Method is the one that worked; 0 if none was tried.
	Method Method

	// Proved says that DCD was on before and has fallen. Without it, DTR is
	// taken at its word and ATH at the modem's OK.
	Proved bool

	// Tried holds the error of each method that did not work, in order.
	Tried []error

	// Took is the time that all took.
	Took time.Duration
}

// errStillOn says that a hang-up has had no effect on DCD.
var errStillOn = errors.New("DCD is still on")

// HangUp ends the call with the first of the methods that works; with no
// argument it tries DTR and then ATH, with an empty slice nothing. A DTR drop has worked when DCD has fallen
// within Config.CarrierTimeout. Where DCD was not on before, it proves nothing,
// so the next method is tried as well, and the drop counts if there is none.
// ATH has worked when the modem has said OK; DCD is waited for, but modems set
// to &C0 hold it on all the time.
//
// DTR is raised again in any case. If no method works, the error is a
// *HangupError. Afterwards the modem is in command mode or, after a DTR drop,
// unsynchronised.
func (m *Modem) HangUp(ctx context.Context, methods ...Method) (HangupReport, error) {
	var rep HangupReport
	if methods == nil {
		methods = []Method{DTR, ATH}
	}
	start := time.Now()
	for i, method := range methods {
		proved, err := m.hangUpBy(ctx, method)
		rep.Took = time.Since(start)
		if err != nil {
			rep.Tried = append(rep.Tried, fmt.Errorf("%v: %w", method, err))
			continue
		}
		rep.Method, rep.Proved = method, proved
		if proved || method == ATH || i == len(methods)-1 {
			return rep, nil
		}
	}
	if rep.Method != 0 || len(methods) == 0 {
		return rep, nil // a drop that could not be proved, and nothing better
	}
	return rep, &HangupError{rep}
}

// HangupError says that no method of hanging up has worked. It matches
// ras.ErrHangupFailed and the methods' errors.
type HangupError struct {
	Report HangupReport
}

// Error names each method with its error.
func (e *HangupError) Error() string {
	parts := make([]string, len(e.Report.Tried))
	for i, err := range e.Report.Tried {
		parts[i] = err.Error()
	}
	return "cannot hang up: " + strings.Join(parts, "; ")
}

// Unwrap returns ras.ErrHangupFailed and the methods' errors.
func (e *HangupError) Unwrap() []error {
	return append([]error{ras.ErrHangupFailed}, e.Report.Tried...)
}

func (m *Modem) hangUpBy(ctx context.Context, method Method) (proved bool, err error) {
	switch method {
	case DTR:
		return m.dropDTR(ctx)
	case ATH:
		return m.sendATH(ctx)
	}
	return false, fmt.Errorf("no such method: use modem.DTR or modem.ATH")
}

// dropDTR holds DTR off for its time and until DCD has fallen.
func (m *Modem) dropDTR(ctx context.Context) (proved bool, err error) {
	lines, before, err := linesOf(m.dialog.Call())
	if err != nil {
		return false, err
	}
	m.state = Unsynchronised
	if err := lines.SetLines(port.DTR, 0); err != nil {
		return false, err
	}
	start := time.Now()
	if before.Has(port.DCD) {
		proved, err = awaitFall(ctx, lines, m.cfg.CarrierTimeout)
	}
	if err == nil {
		err = m.dialog.Pause(ctx, m.cfg.DropTime-time.Since(start))
	}
	err = errors.Join(err, lines.SetLines(port.DTR, port.DTR))
	if err == nil && before.Has(port.DCD) && !proved {
		err = errStillOn
	}
	return proved, err
}

// sendATH escapes if need be and has the modem hang up.
func (m *Modem) sendATH(ctx context.Context) (proved bool, err error) {
	lines, before, lineErr := linesOf(m.dialog.Call())
	known := lineErr == nil && before.Has(port.DCD)
	if err := m.leaveOnline(ctx, lineErr == nil && !known); err != nil {
		return false, err
	}
	if _, err := m.exchange(ctx, "H", m.cfg.CommandTimeout, isCommandResult); err != nil {
		return false, err
	}
	if known {
		proved, err = awaitFall(ctx, lines, m.cfg.CarrierTimeout)
	}
	return proved, err
}

// leaveOnline gets the modem into command mode from whatever mode it is in.
func (m *Modem) leaveOnline(ctx context.Context, noCarrier bool) error {
	if m.state == OnlineMode || m.state == Unsynchronised && !noCarrier {
		_, err := m.escape(ctx, m.cfg.Guard+m.cfg.ProbeTimeout, 0)
		if isTimeout(err) {
			// It may have been in command mode all the time, with +++ now at
			// the head of its line.
			err = m.dialog.Send(ctx, []byte("\r"))
		}
		if err != nil && !errors.Is(err, ras.ErrRemoteDisconnection) {
			return err
		}
	}
	return m.Sync(ctx)
}

// awaitFall waits until DCD is off, for the limit at most, and reports whether
// it is.
func awaitFall(ctx context.Context, lines port.LineController, limit time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		now, err := lines.Lines()
		if err != nil || !now.Has(port.DCD) {
			return err == nil, err
		}
		if ctx.Err() != nil {
			return false, nil
		}
		waitChange(ctx, lines, port.DCD)
	}
}

// waitChange waits until a line of mask may have changed: a change before the
// wait has begun goes unseen, hence the limit.
func waitChange(ctx context.Context, lines port.LineController, mask port.Lines) {
	ctx, cancel := context.WithTimeout(ctx, pollLines)
	defer cancel()
	lines.WaitLines(ctx, mask)
}

// noLines reports whether a port lacks an ability.
func noLines(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// HangUp ends a call on p after a script has ended, however it ended: it runs
// HangUp on a session of its own. The modem is taken to be online. The port is
// left open.
func HangUp(ctx context.Context, p port.Port, cfg *Config, methods ...Method) (rep HangupReport, err error) {
	_, err = script.Run(ctx, p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		m := New(d, cfg)
		m.SetOnline()
		rep, err = m.HangUp(ctx, methods...)
		return err
	}), nil)
	return rep, err
}
