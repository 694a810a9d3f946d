package rfc2217

import (
	"encoding/binary"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
)

// The commands of the COM-PORT option (RFC 2217, section 2 and following) as
// the client sends them. The server's have fromServer added.
const (
	cmdSignature byte = iota
	cmdBaud
	cmdDataSize
	cmdParity
	cmdStopSize
	cmdControl
	cmdLineState
	cmdModemState
	cmdSuspend
	cmdResume
	cmdLineMask
	cmdModemMask
	cmdPurge

	fromServer byte = 100
)

var commandNames = [...]string{
	"SIGNATURE", "SET-BAUDRATE", "SET-DATASIZE", "SET-PARITY", "SET-STOPSIZE",
	"SET-CONTROL", "NOTIFY-LINESTATE", "NOTIFY-MODEMSTATE",
	"FLOWCONTROL-SUSPEND", "FLOWCONTROL-RESUME", "SET-LINESTATE-MASK",
	"SET-MODEMSTATE-MASK", "PURGE-DATA",
}

// The values of SET-CONTROL (RFC 2217, section 3).
const (
	ctlAskFlow      byte = 0
	ctlFlowNone     byte = 1
	ctlFlowXON      byte = 2
	ctlFlowRTS      byte = 3
	ctlAskBreak     byte = 4
	ctlBreakOn      byte = 5
	ctlBreakOff     byte = 6
	ctlAskDTR       byte = 7
	ctlDTROn        byte = 8
	ctlDTROff       byte = 9
	ctlAskRTS       byte = 10
	ctlRTSOn        byte = 11
	ctlRTSOff       byte = 12
	ctlAskFlowIn    byte = 13
	ctlFlowInNone   byte = 14
	ctlFlowInXON    byte = 15
	ctlFlowInRTS    byte = 16
	ctlFlowDCD      byte = 17
	ctlFlowInDTR    byte = 18
	ctlFlowDSR      byte = 19
	ctlInboundShift      = ctlFlowInNone - ctlFlowNone
)

// The bits of NOTIFY-LINESTATE (RFC 2217, section 4).
const (
	lineOverrun byte = 1 << 1
	lineParity  byte = 1 << 2
	lineFraming byte = 1 << 3
	lineBreak   byte = 1 << 4

	lineErrors = lineOverrun | lineParity | lineFraming | lineBreak
)

// The values of PURGE-DATA.
const (
	purgeInput  byte = 1
	purgeOutput byte = 2
)

// The bits of NOTIFY-MODEMSTATE (RFC 2217, section 4): levels in the upper
// half, and in the lower half which of them changed, four bits below.
var modemBits = [...]struct {
	level byte
	line  port.Lines
}{
	{1 << 4, port.CTS},
	{1 << 5, port.DSR},
	{1 << 6, port.RI},
	{1 << 7, port.DCD},
}

// linesOf reads a modem state: the inputs asserted and those that changed.
func linesOf(state byte) (levels, changed port.Lines) {
	for _, b := range modemBits {
		if state&b.level != 0 {
			levels |= b.line
		}
		if state&(b.level>>4) != 0 {
			changed |= b.line
		}
	}
	return levels, changed
}

// modemState is the reverse of linesOf.
func modemState(levels, changed port.Lines) (state byte) {
	for _, b := range modemBits {
		if levels.Has(b.line) {
			state |= b.level
		}
		if changed.Has(b.line) {
			state |= b.level >> 4
		}
	}
	return state
}

// levelsQuery asks for the modem state in a form that only package rfc2217's own
// client uses, as its first command: a port without modem lines then does not
// answer, while other clients are given the state of a null-modem cable, because
// some (C-Kermit, pyserial) do not work without one.
var levelsQuery = []byte{cmdModemState, 0}

// stopSize and stopBits translate the stop elements, whose numbers differ; the
// parities have the same numbers on both sides.
func stopSize(s port.StopBits) byte {
	switch s {
	case port.StopTwo:
		return 2
	case port.StopOneHalf:
		return 3
	}
	return byte(s)
}

func stopBits(v byte) port.StopBits {
	switch v {
	case 2:
		return port.StopTwo
	case 3:
		return port.StopOneHalf
	}
	return port.StopBits(v)
}

// flowControl returns the SET-CONTROL value for f, which is neither zero nor
// both kinds at a time.
func flowControl(f port.Flow) byte {
	switch f {
	case port.FlowRTSCTS:
		return ctlFlowRTS
	case port.FlowXONXOFF:
		return ctlFlowXON
	}
	return ctlFlowNone
}

// flowOf is the reverse of flowControl. Flow control by other lines is hardware
// flow control too.
func flowOf(v byte) port.Flow {
	switch v {
	case ctlFlowRTS, ctlFlowDCD, ctlFlowDSR:
		return port.FlowRTSCTS
	case ctlFlowXON:
		return port.FlowXONXOFF
	}
	return port.FlowNone
}

// appendByte appends a command with a value of one byte to dst.
func appendByte(dst []byte, cmd, value byte) []byte {
	return telnet.AppendSub(dst, telnet.ComPort, cmd, value)
}

// appendBaud appends a SET-BAUDRATE: four bytes, the highest first.
func appendBaud(dst []byte, cmd byte, rate uint32) []byte {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], rate)
	return telnet.AppendSub(dst, telnet.ComPort, cmd, b[0], b[1], b[2], b[3])
}

// appendText appends a SIGNATURE; an empty one asks for the other side's.
func appendText(dst []byte, cmd byte, text string) []byte {
	return telnet.AppendSub(dst, telnet.ComPort, append([]byte{cmd}, text...)...)
}

// baudCodes are the bit rates of a SET-BAUDRATE of one byte, as some terminal
// servers (Cisco IOS) and ser2net's cisco option use it.
var baudCodes = [...]uint32{
	3: 300, 4: 600, 5: 1200, 6: 2400, 7: 4800, 8: 9600, 9: 14400, 10: 19200, 11: 28800, 12: 38400, 13: 57600, 14: 115200, 15: 230400,
}

// parseBaud reads the value of a SET-BAUDRATE: a code of one byte, or a number
// of which the first four bytes count.
func parseBaud(value []byte) (rate uint32, ok bool) {
	switch {
	case len(value) == 0:
		return 0, false
	case len(value) == 1 && value[0] == 0:
		return 0, true
	case len(value) == 1:
		if int(value[0]) >= len(baudCodes) || baudCodes[value[0]] == 0 {
			return 0, false
		}
		return baudCodes[value[0]], true
	}
	for _, c := range value[:min(len(value), 4)] {
		rate = rate<<8 | uint32(c)
	}
	return rate, true
}

// complete reports whether the payload of a sub-negotiation has the length that
// RFC 2217 prescribes, for peers that do not double a 0xFF in it.
func complete(opt byte, payload []byte) bool {
	if opt != telnet.ComPort || len(payload) == 0 {
		return false
	}
	switch payload[0] % fromServer {
	case cmdSignature, cmdSuspend, cmdResume:
		return false
	case cmdBaud:
		return len(payload) == 5
	}
	return len(payload) == 2
}
