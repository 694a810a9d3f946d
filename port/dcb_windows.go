package port

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
)

// The bits of DCB.Flags (winbase.h).
const (
	dcbBinary       = 1 << 0
	dcbParity       = 1 << 1
	dcbOutxCtsFlow  = 1 << 2
	dcbOutxDsrFlow  = 1 << 3
	dcbDtrControl   = 3 << 4
	dcbDtrEnable    = 1 << 4
	dcbDtrHandshake = 2 << 4
	dcbDsrSensitive = 1 << 6
	dcbTXContinue   = 1 << 7
	dcbOutX         = 1 << 8
	dcbInX          = 1 << 9
	dcbErrorChar    = 1 << 10
	dcbNull         = 1 << 11
	dcbRtsControl   = 3 << 12
	dcbRtsEnable    = 1 << 12
	dcbRtsHandshake = 2 << 12
	dcbAbortOnError = 1 << 14
)

// setDCB puts m, whose fields are all set, into d, with DTR and RTS at the given
// levels where flow control does not drive them: SetCommState sets them anew.
func setDCB(d *windows.DCB, m Mode, outputs Lines) {
	d.BaudRate, d.ByteSize = uint32(m.Baud), uint8(m.DataBits)
	d.Parity, d.StopBits = uint8(m.Parity-ParityNone), uint8(m.StopBits-StopOne)
	d.Flags &^= dcbParity | dcbOutxCtsFlow | dcbOutxDsrFlow | dcbDtrControl | dcbDsrSensitive |
		dcbOutX | dcbInX | dcbErrorChar | dcbNull | dcbRtsControl | dcbAbortOnError
	d.Flags |= dcbBinary | dcbTXContinue
	if m.Parity != ParityNone {
		d.Flags |= dcbParity
	}
	if outputs.Has(DTR) {
		d.Flags |= dcbDtrEnable
	}
	if outputs.Has(RTS) {
		d.Flags |= dcbRtsEnable
	}
	switch m.Flow {
	case FlowRTSCTS, FlowBoth:
		d.Flags = d.Flags&^dcbRtsControl | dcbRtsHandshake | dcbOutxCtsFlow
	case FlowDSRDTR:
		d.Flags = d.Flags&^dcbDtrControl | dcbDtrHandshake | dcbOutxDsrFlow
	}
	if m.Flow == FlowXONXOFF || m.Flow == FlowBoth {
		d.Flags |= dcbOutX | dcbInX
	}
}

// modeOfDCB is the other way round.
func modeOfDCB(d *windows.DCB) Mode {
	m := Mode{
		Baud: int(d.BaudRate), DataBits: int(d.ByteSize),
		Parity: Parity(d.Parity) + ParityNone, StopBits: StopBits(d.StopBits) + StopOne, Flow: FlowNone,
	}
	soft := d.Flags&(dcbOutX|dcbInX) != 0
	switch {
	case d.Flags&dcbOutxCtsFlow != 0 && soft:
		m.Flow = FlowBoth
	case d.Flags&dcbOutxCtsFlow != 0:
		m.Flow = FlowRTSCTS
	case d.Flags&dcbOutxDsrFlow != 0:
		m.Flow = FlowDSRDTR
	case soft:
		m.Flow = FlowXONXOFF
	}
	return m
}

// The bits of GetCommModemStatus (winbase.h).
const (
	msCTS  = 0x10
	msDSR  = 0x20
	msRING = 0x40
	msRLSD = 0x80
)

// escapeLines sets DTR and RTS.
func escapeLines(h windows.Handle, mask, values Lines) error {
	for _, out := range []struct {
		line    Lines
		on, off uint32
	}{{DTR, windows.SETDTR, windows.CLRDTR}, {RTS, windows.SETRTS, windows.CLRRTS}} {
		if !mask.Has(out.line) {
			continue
		}
		f := out.off
		if values.Has(out.line) {
			f = out.on
		}
		if err := windows.EscapeCommFunction(h, f); err != nil {
			return err
		}
	}
	return nil
}

// The errors that ClearCommError reports (winbase.h).
const (
	ceRXOVER   = 1 << 0
	ceOVERRUN  = 1 << 1
	ceRXPARITY = 1 << 2
	ceFRAME    = 1 << 3
	ceBREAK    = 1 << 4
)

// noSuchAbility makes a readable error of a driver that does not know a call.
func noSuchAbility(err error, what string) error {
	for _, e := range []error{windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION, windows.ERROR_CALL_NOT_IMPLEMENTED, windows.ERROR_INVALID_PARAMETER} {
		if errors.Is(err, e) {
			return fmt.Errorf("this device has no %s: %w: %w", what, errors.ErrUnsupported, err)
		}
	}
	return err
}

// meansRemoved reports whether err is how Windows or Wine answers for a device
// that is not there any more. An unplugged USB adapter usually answers with
// access denied, and aborts what was under way.
func meansRemoved(err error) bool {
	for _, e := range []error{
		windows.ERROR_ACCESS_DENIED, windows.ERROR_DEVICE_NOT_CONNECTED, windows.ERROR_GEN_FAILURE, windows.ERROR_BAD_COMMAND,
		windows.ERROR_NO_SUCH_DEVICE, windows.ERROR_DEVICE_REMOVED, windows.ERROR_INVALID_HANDLE, windows.ERROR_NOT_READY,
		windows.ERROR_OPERATION_ABORTED, windows.ERROR_BROKEN_PIPE, windows.ERROR_FILE_NOT_FOUND, windows.ERROR_IO_DEVICE,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
