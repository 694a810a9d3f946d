package ras

import (
	"fmt"
	"strings"
	"unicode/utf16"
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
	var err error
	switch n := utf16Len(text); {
	case n > limit:
		err = fmt.Errorf("the %s has %d characters, at most %d fit", name, n, limit)
	case strings.ContainsRune(text, 0):
		err = fmt.Errorf("the %s contains a NUL character", name)
	default:
		return nil
	}
	return &Error{Op: "dial parameters", Code: ErrInvalidParameter, Err: err}
}

func utf16Len(s string) (n int) {
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
