package main

import (
	"errors"

	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/scp"
	"github.com/rasline/rasline/script/switchinf"
)

// place reports whether an error names the line of a script at which it
// happened, which is then worth a line of its own.
func place(err error) bool {
	var (
		inSCP    *scp.Error
		inSwitch *switchinf.Error
		inChat   *chat.ExitError
	)
	return errors.As(err, &inSCP) || errors.As(err, &inSwitch) || errors.As(err, &inChat)
}
