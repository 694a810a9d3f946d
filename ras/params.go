package ras

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/rasline/rasline/port"
)

// The limits of RASDIALPARAMS, in UTF-16 units without the final NUL.
const (
	MaxEntryName      = 256
	MaxPhoneNumber    = 128
	MaxCallbackNumber = 128
	MaxUserName       = 256
	MaxPassword       = 256
	MaxDomain         = 15
)

// dialTexts names the texts of DialParams and gives their limits, in the order of
// Texts.
var dialTexts = [...]struct {
	name  string
	limit int
}{
	{"entry name", MaxEntryName},
	{"phone number", MaxPhoneNumber},
	{"callback number", MaxCallbackNumber},
	{"user name", MaxUserName},
	{"password", MaxPassword},
	{"domain", MaxDomain},
}

// Texts returns the texts, the password among them in clear, for code that
// copies all of them from or to another form: entry name, phone number, callback
// number, user name, password and domain, in the order of RASDIALPARAMS.
func (p *DialParams) Texts() [6]*string {
	return [6]*string{&p.EntryName, &p.PhoneNumber, &p.CallbackNumber, &p.UserName, (*string)(&p.Password), &p.Domain}
}

// Validate returns an error that matches ErrInvalidParameter and names the
// first field whose text is longer than Windows has room for, or holds a NUL. A
// text is never cut: a shortened password or domain would fail later, without a
// hint why.
func (p *DialParams) Validate() error {
	for i, text := range p.Texts() {
		if err := checkText(dialTexts[i].name, *text, dialTexts[i].limit); err != nil {
			return err
		}
	}
	return nil
}

func checkText(name, text string, limit int) error {
	n := 0 // UTF-16 code units
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	var err error
	switch {
	case n > limit:
		err = fmt.Errorf("the %s has %d characters, at most %d fit", name, n, limit)
	case strings.ContainsRune(text, 0):
		err = fmt.Errorf("the %s contains a NUL character", name)
	default:
		return nil
	}
	return &Error{Op: "dial parameters", Code: ErrInvalidParameter, Err: err}
}

// CommSettings are the character format of a serial line, with the numbers of
// RASCOMMSETTINGS, which are those of the Windows DCB. The zero value is not
// valid, since no line has 0 data bits.
type CommSettings struct {
	Size     uint32 // size of the Windows structure: 8; 0 counts as 8
	Parity   uint8  // 0 none, 1 odd, 2 even, 3 mark, 4 space
	StopBits uint8  // 0 one, 1 one and a half, 2 two
	ByteSize uint8  // data bits, 5 to 8
}

// CommSettingsSize is the size of RASCOMMSETTINGS in bytes.
const CommSettingsSize = 8

// SettingsOf returns the settings for the character format of m; fields of m
// that are zero count as 8 data bits, no parity and 1 stop bit.
func SettingsOf(m port.Mode) CommSettings {
	m = m.Merge(port.Mode{DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne})
	return CommSettings{
		Size:     CommSettingsSize,
		Parity:   uint8(m.Parity - port.ParityNone),
		StopBits: uint8(m.StopBits - port.StopOne),
		ByteSize: uint8(m.DataBits),
	}
}

// Mode returns the settings as a port.Mode that leaves bit rate and flow
// control as they are. The error matches ErrInvalidSize for a wrong Size, and
// ErrWrongInfoSpecified for values or pairs that no line has: 5 data bits with
// 2 stop bits, 6 to 8 with 1.5.
func (s CommSettings) Mode() (port.Mode, error) {
	if s.Size != 0 && s.Size != CommSettingsSize {
		return port.Mode{}, &Error{Op: opSetComm, Code: ErrInvalidSize,
			Err: fmt.Errorf("size %d, want %d", s.Size, CommSettingsSize)}
	}
	m := port.Mode{
		DataBits: int(s.ByteSize),
		Parity:   port.ParityNone + port.Parity(s.Parity),
		StopBits: port.StopOne + port.StopBits(s.StopBits),
	}
	err := m.Validate()
	switch {
	case s.ByteSize == 0:
		err = errors.New("0 data bits: use 5, 6, 7 or 8")
	case s.Parity > 4:
		err = fmt.Errorf("parity %d: use 0 to 4", s.Parity)
	case s.StopBits > 2:
		err = fmt.Errorf("stop bits %d: use 0 to 2", s.StopBits)
	}
	if err != nil {
		return port.Mode{}, &Error{Op: opSetComm, Code: ErrWrongInfoSpecified, Err: err}
	}
	return m, nil
}
