package ras_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

func TestDecision47SettingsReachThePort(t *testing.T) {
	onBench(t, func(b *bench) {
		before := must(b.near.Mode())
		b.code(b.s.SetCommSettings(b.h, ras.CommSettings{Size: 8, Parity: 2, StopBits: 0, ByteSize: 7}), ras.Success)
		want := port.Mode{DataBits: 7, Parity: port.ParityEven, StopBits: port.StopOne}.Merge(before)
		if got := must(b.near.Mode()); got != want {
			b.Errorf("mode %v, want %v", got, want)
		}
	})
}

func TestDecision48WrongSize(t *testing.T) {
	onBench(t, func(b *bench) {
		for _, size := range []uint32{1, 7, 9, 12} {
			b.code(b.s.SetCommSettings(b.h, ras.CommSettings{Size: size, ByteSize: 8}), ras.ErrInvalidSize)
		}
	})
}

func TestDecision49And52WrongValues(t *testing.T) {
	tests := []struct {
		why string
		s   ras.CommSettings
	}{
		{"nothing set", ras.CommSettings{}},
		{"4 data bits", ras.CommSettings{ByteSize: 4}},
		{"9 data bits", ras.CommSettings{ByteSize: 9}},
		{"parity 5", ras.CommSettings{ByteSize: 8, Parity: 5}},
		{"parity 255", ras.CommSettings{ByteSize: 8, Parity: 255}},
		{"stop bits 3", ras.CommSettings{ByteSize: 8, StopBits: 3}},
		{"stop bits 255", ras.CommSettings{ByteSize: 8, StopBits: 255}},
		{"5 data bits, 2 stop bits", ras.CommSettings{ByteSize: 5, StopBits: 2}},
		{"6 data bits, 1.5 stop bits", ras.CommSettings{ByteSize: 6, StopBits: 1}},
		{"8 data bits, 1.5 stop bits", ras.CommSettings{ByteSize: 8, StopBits: 1}},
	}
	onBench(t, func(b *bench) {
		before := must(b.near.Mode())
		for _, tt := range tests {
			b.Log(tt.why)
			b.code(b.s.SetCommSettings(b.h, tt.s), ras.ErrWrongInfoSpecified)
		}
		if got := must(b.near.Mode()); got != before {
			b.Errorf("refused settings changed the mode from %v to %v", before, got)
		}
	})
}

// moded is a port whose driver says what it thinks of modes.
type moded struct {
	port.Port
	err error
}

func (m *moded) Mode() (port.Mode, error)   { return port.Mode{}, m.err }
func (m *moded) SetMode(m2 port.Mode) error { return m.err }

func TestDecision50And51Refusals(t *testing.T) {
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	refused := errors.New("parity refused by the driver")
	tests := []struct {
		name  string
		p     port.Port
		code  ras.Code
		cause error
	}{
		{"Driver", &moded{near, refused}, ras.ErrCannotSetPortInfo, refused},
		{"NoMode", &fault{Port: near}, ras.ErrNotSupported, errors.ErrUnsupported},
		{"Unsupported", &moded{near, &port.OpError{Op: "set mode", Err: errors.ErrUnsupported}}, ras.ErrNotSupported, errors.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := ras.NewSession(tt.p, nil)
			defer s.Close()
			err := s.SetCommSettings(s.Handle(), ras.SettingsOf(port.Mode{}))
			checkCode(t, err, tt.code)
			if !errors.Is(err, tt.cause) {
				t.Errorf("%v does not match %v", err, tt.cause)
			}
		})
	}
}

func TestDecision53OutputLeavesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.Mode(port.Mode{Baud: 300, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne}), virtual.LineSpeed(30))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		defer s.Close()
		buf := must(s.GetBuffer(30))
		checkCode(t, s.SendBuffer(s.Handle(), buf, 30), ras.Success)
		start := time.Now()
		checkCode(t, s.SetCommSettings(s.Handle(), ras.CommSettings{Parity: 2, ByteSize: 7}), ras.Success)
		if d := time.Since(start); d < 500*time.Millisecond {
			t.Errorf("settings changed %v after 30 bytes were sent at 30 a second, want them to leave first", d)
		}
	})
}

func TestSettingsOfRoundTrip(t *testing.T) {
	for bits := 5; bits <= 8; bits++ {
		for parity := port.ParityNone; parity <= port.ParitySpace; parity++ {
			for stop := port.StopOne; stop <= port.StopTwo; stop++ {
				m := port.Mode{DataBits: bits, Parity: parity, StopBits: stop}
				got, err := ras.SettingsOf(m).Mode()
				if m.Validate() != nil {
					checkCode(t, err, ras.ErrWrongInfoSpecified)
				} else if err != nil || got != m {
					t.Errorf("SettingsOf(%v).Mode() = %v, %v", m, got, err)
				}
			}
		}
	}
}

// TestSettingsOnALineHeldOff holds that settings, which wait for output to
// leave, end like a send does.
func TestSettingsOnALineHeldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(10))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, &ras.Config{SendTimeout: 5 * time.Second})
		defer s.Close()
		buf := must(s.GetBuffer(15))
		checkCode(t, s.SendBuffer(s.Handle(), buf, 15), ras.Success)
		start := time.Now()
		err := s.SetCommSettings(s.Handle(), ras.CommSettings{Parity: 2, ByteSize: 7})
		checkCode(t, err, ras.ErrRequestTimeout)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("ended after %v, want 5s", took)
		}
		time.AfterFunc(time.Second, func() { s.Fail(ras.ErrIdleTimeout) })
		checkCode(t, s.SetCommSettings(s.Handle(), ras.CommSettings{Parity: 2, ByteSize: 7}), ras.ErrIdleTimeout)
	})
}
