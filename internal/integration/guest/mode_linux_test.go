package guest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rasline/rasline/port"
)

// TestRates sets bit rates that everybody has and some that nobody has.
func TestRates(t *testing.T) {
	inGuest(t)
	s := open(t, uart, mode(t, "9600,8N1,none"))
	rates := []int{
		50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200,
		2, 45, 1000, 7200, 12345, 14400, 28800, 31250, 76800,
	}
	for _, rate := range rates {
		if err := s.SetMode(port.Mode{Baud: rate}); err != nil {
			t.Errorf("%d: %v", rate, err)
			continue
		}
		want := port.Mode{Baud: rate, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowNone}
		if got, err := s.Mode(); err != nil || got != want {
			t.Errorf("mode after %d: %v, %v, want %v", rate, got, err, want)
		}
	}
	t.Logf("%d rates from %d to %d bit/s", len(rates), 2, 115200)
}

// TestRefusedRate asks for more than the UART's clock gives.
func TestRefusedRate(t *testing.T) {
	inGuest(t)
	s := open(t, uart, mode(t, "19200,7E2,rtscts"))
	for _, rate := range []int{230400, 921600, 1000000, 4000000} {
		before, err := s.Mode()
		must(t, err)
		err = s.SetMode(port.Mode{Baud: rate, Parity: port.ParityOdd})
		wantErr(t, fmt.Sprint("rate ", rate), err, errors.ErrUnsupported)
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint("bit rate ", rate)) {
			t.Errorf("the error does not name the field: %v", err)
		}
		if after, _ := s.Mode(); after != before {
			t.Errorf("mode after the refusal: %v, want %v as before", after, before)
		}
	}
	// The same at open, where there is nothing to go back to but what it was.
	must(t, s.Close())
	_, err := port.Open(t.Context(), uart, &port.Config{Mode: port.Mode{Baud: 4000000}})
	wantErr(t, "open with 4000000", err, errors.ErrUnsupported)
}

// TestEveryMode sets every format and flow control and reads it back.
func TestEveryMode(t *testing.T) {
	inGuest(t)
	s := open(t, uart, mode(t, "57600,8N1,none"))
	n := 0
	for want := range modes() {
		if want.Validate() != nil {
			continue
		}
		n++
		if err := s.SetMode(want); err != nil {
			t.Errorf("%v: %v", want, err)
			continue
		}
		if got, err := s.Mode(); err != nil || got != want {
			t.Errorf("mode: %v, %v, want %v", got, err, want)
		}
		if got, want := register(t, uart, lineControl), lcr(want); got&significant(want) != want {
			t.Errorf("line control register: %#x, want %#x", got, want)
		}
	}
	t.Logf("%d modes", n)
}

// modes yields all combinations of format and flow control.
func modes() func(yield func(port.Mode) bool) {
	return func(yield func(port.Mode) bool) {
		for i := range 4 * 5 * 3 * 4 {
			m := port.Mode{
				Baud:     57600,
				DataBits: 5 + i%4,
				Parity:   port.ParityNone + port.Parity(i/4%5),
				StopBits: port.StopOne + port.StopBits(i/20%3),
				Flow:     port.FlowNone + port.Flow(i/60),
			}
			if !yield(m) {
				return
			}
		}
	}
}

// lcr returns the line control register for a mode, by the data sheet of the
// 16550A: word length in bits 0 and 1, long stop in 2, parity in 3, even in 4,
// stick in 5.
func lcr(m port.Mode) byte {
	b := byte(m.DataBits - 5)
	if m.StopBits != port.StopOne {
		b |= 0x04
	}
	return b | map[port.Parity]byte{
		port.ParityOdd: lcrParity, port.ParityEven: 0x18, port.ParityMark: 0x28, port.ParitySpace: 0x38,
	}[m.Parity]
}

const lcrParity = 0x08

// significant returns the bits of the register that mean something: without
// parity the kind of parity does not.
func significant(lcr byte) byte {
	if lcr&lcrParity == 0 {
		return 0x07 | lcrParity
	}
	return 0x3F
}
