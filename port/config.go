package port

import (
	"time"
)

// Level is what to do with an output line or a setting.
type Level uint8

// The levels. Leave, the zero value, touches nothing; note that every system
// raises DTR and RTS by itself when a serial device is opened, and that this
// pulse cannot be avoided.
const (
	Leave Level = iota
	Assert
	Clear
)

// CarrierPolicy specifies what the data carrier detect line (DCD) means to a port.
// A port without modem lines is always treated as Ignore.
type CarrierPolicy uint8

// The carrier policies.
const (
	// CarrierIgnore never checks DCD: for null-modem cables, consoles and
	// adapters that lack the wire, and for modems before they are connected.
	CarrierIgnore CarrierPolicy = iota

	// CarrierWatch ends reads and writes with ErrCarrierLost once DCD has been
	// seen and falls.
	CarrierWatch

	// CarrierRequire makes Open wait for DCD, for as long as its context lets
	// it, and then does what CarrierWatch does.
	CarrierRequire
)

// Config holds what Open does to a device. The zero Config and a nil one leave
// the line's settings as they are, but for raw mode and exclusive access.
type Config struct {
	// Mode is set at open. Zero fields stay as the device has them, but for
	// XON/XOFF, which raw mode switches off. Systems other than Linux cannot
	// report what the device has: zero fields become 9600,8N1,none there.
	Mode Mode

	// DTR and RTS are set at open, DTRAtClose and RTSAtClose at Close.
	// Default: Leave.
	DTR, RTS               Level
	DTRAtClose, RTSAtClose Level

	// HangupOnClose decides whether the kernel drops DTR when the last user
	// closes the device (HUPCL). Default: Leave.
	HangupOnClose Level

	// Carrier is the policy for DCD. Default: CarrierIgnore.
	Carrier CarrierPolicy

	// KernelHangup lets the kernel hang the port up when DCD falls (CLOCAL off;
	// Linux only). That is immediate and costs nothing, but what was received
	// and not read yet is lost, the port must be opened again, and some USB
	// drivers do not do it. The carrier policies do without it. Default: off.
	KernelHangup bool

	// XON and XOFF are the characters of XON/XOFF flow control. Default, for 0:
	// DC1 (0x11) and DC3 (0x13).
	XON, XOFF byte

	// RS485 makes the driver switch the direction of an RS-485 line with RTS
	// (Linux only; not every driver). Close puts back what Open found. Default:
	// nil, the driver's setting stays.
	RS485 *RS485

	// Marks makes Read report received breaks and damaged characters (Linux
	// only). It delivers what arrived before one, and then, once, an error that
	// matches ErrBreak, or that is a *CharError; the port lives on. Default:
	// off, a break reads as a NUL byte, and a damaged character as it was received.
	Marks bool

	// LockDir, if set, is a directory for a UUCP lock file in the HDB format
	// (ten characters of PID and a newline), usually /var/lock. A file left by
	// a process that has ended is replaced; ours is removed by Close and when Open
	// fails. Default: no lock file.
	LockDir string

	// KeepSettings makes Close leave the line in the mode that it has then (rate,
	// format, flow control, raw). Default: off, Close puts back the settings
	// that Open found, as far as the system knows them, so that a terminal is
	// usable afterwards.
	KeepSettings bool

	// LowLatency asks the driver to hand over received bytes immediately
	// (ASYNC_LOW_LATENCY; on FTDI adapters a latency timer of 1 ms). Drivers
	// that cannot are left alone. Close takes it back, unless KeepSettings is
	// set. Default: off.
	LowLatency bool

	// CloseTimeout bounds how long Close waits for written bytes to leave before
	// it discards them. Default, and if negative: bytes still queued are
	// discarded immediately. Call Drain first to be sure of them.
	CloseTimeout time.Duration
}

// RS485 holds the settings of a half-duplex line whose transmitter is switched
// on by RTS (struct serial_rs485 of linux/serial.h).
type RS485 struct {
	// Inverted specifies that RTS is cleared while sending and asserted after it,
	// instead of the other way round.
	Inverted bool

	// Before and After are how long RTS is held before the first and after the
	// last bit, in whole milliseconds.
	Before, After time.Duration

	// Echo leaves the receiver on while sending.
	Echo bool

	// Terminate connects the bus's termination resistor, where the driver
	// controls one.
	Terminate bool
}

// levels turns two levels into what SetLines takes.
func levels(dtr, rts Level) (mask, values Lines) {
	for _, l := range []struct {
		line  Lines
		level Level
	}{{DTR, dtr}, {RTS, rts}} {
		if l.level != Leave {
			mask |= l.line
		}
		if l.level == Assert {
			values |= l.line
		}
	}
	return mask, values
}

// StdioConfig holds what Stdio does to its files. A nil one and the zero value
// leave terminals in the mode that they are in.
type StdioConfig struct {
	// Name is the name of the port in errors. Default: "-".
	Name string

	// Exclusive reports that no other program has the same open files, as when this
	// one has opened them itself and started no child with them. They are then
	// made non-blocking until Close, which costs least. Default: off.
	Exclusive bool

	// Raw puts terminals among the files in raw mode, in which every byte
	// passes unchanged and no key interrupts the program, and Close puts back
	// their settings. Default: off; pppd(8) for one hands over a line that is
	// raw already.
	Raw bool
}
