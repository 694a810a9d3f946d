package dll

import (
	"context"
	"fmt"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

// job is one run of a DLL: the parameters of RasCustomScriptExecute.
type job struct {
	path      string // of the DLL, absolute
	port      ras.Handle
	phonebook string
	entry     string
	window    uint64
	header    Header
	params    ras.DialParams
}

// result is the result of the DLL's run.
type result struct {
	code     ras.Code // what RasCustomScriptExecute returned
	userName string
	password ras.Secret
	domain   string
	leaked   int // buffers that were not freed
	damaged  int // buffers that were written past their end
}

// endCode returns the code of the callbacks of a run whose context has ended.
func endCode(ctx context.Context) ras.Code {
	if code, ok := context.Cause(ctx).(ras.Code); ok {
		return code
	}
	return ras.CodeOf(ras.ContextError(ctx))
}

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
