package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/port"
)

// pattern returns n bytes that look like nothing, without XON and XOFF.
func pattern(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32()) | 0x20
	}
	return b
}

// TestTransfer sends both ways concurrently and examines the driver's counts.
func TestTransfer(t *testing.T) {
	inGuest(t)
	near, far := openPair(t, "115200,8N1,none")
	const size = 32 << 10
	data := pattern(size)
	before := []port.Stats{stats(t, near), stats(t, far)}
	var ends []<-chan error
	began := time.Now()
	for _, d := range []struct{ from, to *port.Serial }{{near, far}, {far, near}} {
		ends = append(ends, start(func() error {
			_, err := d.from.Write(data)
			return err
		}), start(func() error {
			got := make([]byte, size)
			if _, err := io.ReadFull(d.to, got); err != nil {
				return err
			}
			if !bytes.Equal(got, data) {
				return errors.New("the bytes differ")
			}
			return nil
		}))
	}
	for _, end := range ends {
		must(t, result(t, "transfer", end))
	}
	t.Logf("%d bytes each way in %v", size, time.Since(began))
	for i, s := range []*port.Serial{near, far} {
		must(t, s.Drain(within(t, patience)))
		want := before[i]
		want.Received += size
		want.Sent += size
		if got := stats(t, s); got != want {
			t.Errorf("%s: stats %+v, want %+v", s.Name(), got, want)
		}
	}
}

func stats(t *testing.T, s *port.Serial) port.Stats {
	t.Helper()
	st, err := s.Stats()
	must(t, err)
	return st
}

// TestSilence reads from a silent line.
func TestSilence(t *testing.T) {
	inGuest(t)
	s := open(t, uart, nil)
	const limit = 100 * time.Millisecond
	began := time.Now()
	must(t, s.SetReadDeadline(began.Add(limit)))
	n, err := s.Read(make([]byte, 1))
	wantErr(t, "read", err, os.ErrDeadlineExceeded)
	t.Logf("read gave up %v after its time", time.Since(began)-limit)
	if n != 0 || time.Since(began) < limit {
		t.Errorf("read %d bytes and gave up after %v, want 0 after %v", n, time.Since(began), limit)
	}
}

// TestHeldOffByCTS writes to a line whose peer, here the UART itself, signals
// that it is not ready.
func TestHeldOffByCTS(t *testing.T) {
	inGuest(t)
	s := open(t, uart, mode(t, "115200,8N1,none"))
	d := loop(t, uart)
	d.set(0, unix.TIOCM_RTS)
	must(t, s.SetMode(port.Mode{Flow: port.FlowRTSCTS}))
	data := pattern(100)

	_, err := s.Write(data)
	must(t, err)
	wantErr(t, "Drain", s.Drain(within(t, 50*time.Millisecond)), context.DeadlineExceeded)
	must(t, s.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	wantErr(t, "SetMode", s.SetMode(port.Mode{Baud: 57600}), os.ErrDeadlineExceeded)
	must(t, s.SetWriteDeadline(time.Time{}))
	wantErr(t, "SendBreak", s.SendBreak(within(t, 50*time.Millisecond), time.Millisecond), context.DeadlineExceeded)

	must(t, s.Discard(port.Output))
	must(t, s.Drain(within(t, patience)))
	readNothing(t, s)

	// CTS comes: the driver hears of it at the next change of its settings, as
	// qemu raises no interrupt.
	_, err = s.Write(data)
	must(t, err)
	drained := start(func() error { return s.Drain(within(t, patience)) })
	d.set(unix.TIOCM_RTS, 0)
	tio, err := termios.Get(d.fd)
	must(t, err)
	termios.SetSpeed(tio, 57600)
	must(t, termios.Set(d.fd, tio))
	must(t, result(t, "Drain", drained))
	readAll(t, s, data)
}

// TestCloseOfHeldOffLine closes a port whose output cannot leave, with a Drain
// and a Write under way.
func TestCloseOfHeldOffLine(t *testing.T) {
	inGuest(t)
	for _, limit := range []time.Duration{0, 300 * time.Millisecond} {
		t.Run(limit.String(), func(t *testing.T) { closeHeldOff(t, limit) })
	}
}

func closeHeldOff(t *testing.T, limit time.Duration) {
	s := open(t, uart, &port.Config{CloseTimeout: limit})
	d := loop(t, uart)
	d.set(0, unix.TIOCM_RTS)
	must(t, s.SetMode(port.Mode{Flow: port.FlowRTSCTS}))
	writing := start(func() error {
		_, err := s.Write(pattern(64 << 10))
		return err
	})
	eventually(t, "a full queue", func() bool {
		n, err := unix.IoctlGetInt(d.fd, unix.TIOCOUTQ)
		return err == nil && n > 1000
	})
	draining := start(func() error { return s.Drain(t.Context()) })
	eventually(t, "a Drain under way", func() bool { return bytes.Contains(stacks(), []byte("port.drainQueue(")) })
	d.close() // Close is to be the last one
	began := time.Now()
	must(t, s.Close())
	took := time.Since(began)
	t.Logf("closed in %v with a limit of %v", took, limit)
	if took < limit || took > limit+patience/3 {
		t.Errorf("Close took %v, want %v; the kernel itself would wait for 30 s", took, limit)
	}
	wantErr(t, "Write", result(t, "Write", writing), net.ErrClosed)
	wantErr(t, "Drain", result(t, "Drain", draining), net.ErrClosed)
}

// TestXOFF has the peer stop us and let us continue.
func TestXOFF(t *testing.T) {
	inGuest(t)
	near, far := openPair(t, "115200,8N1,none")
	must(t, near.SetMode(port.Mode{Flow: port.FlowXONXOFF}))
	data := pattern(1000)
	say(t, far, "\x13")
	drainUntil(t, near, context.DeadlineExceeded)
	_, err := near.Write(data)
	must(t, err)
	wantErr(t, "Drain", near.Drain(within(t, 50*time.Millisecond)), context.DeadlineExceeded)
	say(t, far, "\x11")
	must(t, near.Drain(within(t, patience)))
	if before := readThrough(t, far, data); len(bytes.Trim(before, ".")) > 0 {
		t.Errorf("before what was held off came %q", before)
	}
}

// drainUntil writes single bytes until a Drain ends with want.
func drainUntil(t *testing.T, s *port.Serial, want error) {
	t.Helper()
	eventually(t, "a Drain that ends with "+want.Error(), func() bool {
		say(t, s, ".")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return errors.Is(s.Drain(ctx), want)
	})
	must(t, s.Discard(port.Output))
}

// TestStalledReader lets a reader fall behind a writer, who has to wait for it.
func TestStalledReader(t *testing.T) {
	inGuest(t)
	near, far := openPair(t, "115200,8N1,xonxoff")
	data := pattern(1 << 20) // more than the line takes in the time
	must(t, near.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
	n, err := near.Write(data)
	wantErr(t, "write to a stalled reader", err, os.ErrDeadlineExceeded)
	t.Logf("the writer came %d bytes far", n)
	must(t, near.SetWriteDeadline(time.Time{}))
	readAll(t, far, data[:n])
	if st := stats(t, far); st.Errors() != 0 {
		t.Errorf("stats %+v, want no errors", st)
	}
}

func say(t *testing.T, s *port.Serial, text string) {
	t.Helper()
	if _, err := s.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// readAll reads exactly want.
func readAll(t *testing.T, s *port.Serial, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	n, err := io.ReadFull(s, got)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d of %d bytes, %v, equal: %v", n, len(want), err, bytes.HasPrefix(want, got[:n]))
	}
	readNothing(t, s)
}

// readNothing fails the test if more comes.
func readNothing(t *testing.T, s *port.Serial) {
	t.Helper()
	must(t, s.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	var b [16]byte
	if n, err := s.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %q, %v, want silence", b[:n], err)
	}
	must(t, s.SetReadDeadline(time.Time{}))
}
