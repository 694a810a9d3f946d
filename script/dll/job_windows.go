package dll

import (
	"fmt"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

func (h Header) version() rasabi.Version { return headers[h] }

// image returns the job's parameters as the DLL gets them.
func (j *job) image() (rasabi.DialParams, error) {
	d := rasabi.NewDialParams(rasabi.Native, j.header.version())
	for i, text := range j.params.Texts() {
		if err := d.SetText(rasabi.Fields[i], *text); err != nil {
			return d, invalidText(err)
		}
	}
	return d, nil
}

// texts returns the phone book and the entry as UTF-16. An empty phone book is
// the NULL that Windows CE always passes.
func (j *job) texts() (phonebook, entry []byte, err error) {
	if j.phonebook != "" {
		if phonebook, err = rasabi.AppendText(nil, j.phonebook); err != nil {
			return nil, nil, invalidText(fmt.Errorf("phone book: %w", err))
		}
	}
	if entry, err = rasabi.AppendText(nil, j.entry); err != nil {
		return nil, nil, invalidText(fmt.Errorf("entry: %w", err))
	}
	return phonebook, entry, nil
}

// read sets the credentials from the image that the DLL has returned with. They
// count only if it returned 0.
func (r *result) read(d rasabi.DialParams) error {
	if r.code != ras.Success {
		return nil
	}
	var err error
	if r.userName, err = d.Text(rasabi.UserName); err != nil {
		return invalidText(err)
	}
	password, err := d.Text(rasabi.Password)
	if err != nil {
		return invalidText(err)
	}
	r.password = ras.Secret(password)
	if r.domain, err = d.Text(rasabi.Domain); err != nil {
		return invalidText(err)
	}
	return nil
}

func invalidText(err error) error {
	return &ras.Error{Op: entryPoint, Code: ras.ErrInvalidParameter, Err: err}
}

// tail keeps the beginning of what a child prints to standard error. It is
// searched for the number of an exception and never shown: it may hold
// anything.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	const keep = 64 << 10
	t.b = append(t.b, b[:min(len(b), keep-len(t.b))]...)
	return len(b), nil
}
