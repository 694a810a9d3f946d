package guest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
)

// TestCarrierSeenPromptly waits for lines that a driver reports, as the peer
// opens and closes. The wait has to end by the report, not by the look that the
// port takes every tenth of a second.
func TestCarrierSeenPromptly(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	s := open(t, acm, nil)
	// A few tries on a machine that is busy with something else.
	const prompt = 50 * time.Millisecond
	var took []time.Duration
	for len(took) < 5 || len(took) < 50 && slices.Min(took) > prompt {
		w := waitLines(t, t.Context(), s, port.DCD)
		began := time.Now()
		far := open(t, gadget, nil)
		opening := time.Since(began) // under emulation it may take longer than a report
		must(t, result(t, "WaitLines for a carrier", w.err))
		took = append(took, time.Since(began)-opening)
		if !w.lines.Has(port.DCD | port.DSR) {
			t.Errorf("lines when the far end opened: %v, want DSR and DCD", w.lines)
		}
		w = waitLines(t, t.Context(), s, port.DCD)
		must(t, far.Close())
		must(t, result(t, "WaitLines for the end of the carrier", w.err))
		if w.lines.Has(port.DCD) {
			t.Errorf("lines when the far end closed: %v, want no DCD", w.lines)
		}
	}
	noThread(t)
	t.Logf("a carrier is seen after %v", took)
	if best := slices.Min(took); best > prompt {
		t.Errorf("the quickest of %d took %v: that was no report", len(took), best)
	}
}

// TestCarrierPolicies opens a port that has to wait for a carrier and then
// loses it.
func TestCarrierPolicies(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	_, err := port.Open(within(t, 100*time.Millisecond), acm, &port.Config{Carrier: port.CarrierRequire})
	wantErr(t, "open without a carrier", err, context.DeadlineExceeded)
	t.Log(err)

	var s *port.Serial
	opened := start(func() (err error) {
		s, err = port.Open(t.Context(), acm, &port.Config{Carrier: port.CarrierRequire})
		return err
	})
	eventually(t, "a wait for the carrier", func() bool { return threadsIn(unix.TIOCMIWAIT) > 0 })
	far := open(t, gadget, nil)
	must(t, result(t, "Open", opened))
	defer s.Close()
	reading := start(func() error {
		_, err := s.Read(make([]byte, 1))
		return err
	})
	began := time.Now()
	must(t, far.Close())
	wantErr(t, "read", result(t, "Read", reading), port.ErrCarrierLost)
	t.Logf("the loss ended the read after %v", time.Since(began))
	_, err = s.Write([]byte("x"))
	wantErr(t, "write", err, port.ErrCarrierLost)
}

// TestGadget opens a device that has no modem lines, and sends data through
// both ends' drivers while the reader stalls.
func TestGadget(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	near, far := open(t, acm, &port.Config{DTR: port.Assert, Carrier: port.CarrierIgnore}),
		open(t, gadget, &port.Config{DTR: port.Assert, Carrier: port.CarrierRequire})
	_, err := far.Lines()
	wantErr(t, "lines of a gadget", err, errors.ErrUnsupported)
	_, err = far.WaitLines(t.Context(), port.DCD)
	wantErr(t, "wait for lines of a gadget", err, errors.ErrUnsupported)

	data := pattern(2 << 20) // more than all queues hold
	must(t, near.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	n, err := near.Write(data)
	wantErr(t, "write to a stalled reader", err, os.ErrDeadlineExceeded)
	t.Logf("the writer came %d bytes far", n)
	must(t, near.SetWriteDeadline(time.Time{}))
	readAll(t, far, data[:n])
	must(t, near.Drain(within(t, patience)))
}

// TestBreakCounted sends a break over a line that carries it.
func TestBreakCounted(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	near, far := open(t, acm, nil), open(t, gadget, nil)
	must(t, far.SendBreak(t.Context(), 20*time.Millisecond))
	eventually(t, "a count of one break", func() bool { return stats(t, near).Breaks == 1 })
	if st := stats(t, near); st.Errors() != 0 {
		t.Errorf("stats %+v, want no errors", st)
	}
}

// TestList finds the devices without opening them.
func TestList(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	infos, err := port.List(t.Context())
	must(t, err)
	find := func(name string) port.Info {
		i := slices.IndexFunc(infos, func(i port.Info) bool { return i.Name == name })
		if i < 0 {
			t.Fatalf("%s is not among %+v", name, infos)
		}
		return infos[i]
	}
	for name, want := range map[string]port.Info{
		uart:           {},
		adapterPort(t): {USB: true, VID: "0403", PID: "6001", Product: "QEMU USB SERIAL"},
		acm:            {USB: true, VID: "1d6b", PID: "0104", Product: "rasline test modem", SerialNumber: "0001"},
	} {
		got := find(name)
		t.Logf("%+v", got)
		if got.USB != want.USB || got.VID != want.VID || got.PID != want.PID || got.Product != want.Product ||
			!bytes.Contains([]byte(got.SerialNumber), []byte(want.SerialNumber)) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
