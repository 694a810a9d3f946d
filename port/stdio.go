package port

import (
	"fmt"
	"os"
)

// StdioConfig holds what Stdio does to its files. A nil one and the zero value
// leave terminals in the mode that they are in.
type StdioConfig struct {
	// Name stands for the port in errors. Default: "-".
	Name string

	// Exclusive says that no other program has the same open files, as when this
	// one has opened them itself and started no child with them. They are then
	// made non-blocking until Close, which costs least. Default: off.
	Exclusive bool

	// Raw puts terminals among the files in raw mode, in which every byte
	// passes unchanged and no key interrupts the program, and Close puts back
	// their settings. Default: off; pppd(8) for one hands over a line that is
	// raw already.
	Raw bool
}

// Stdio makes a port of files that are open already: terminals, pipes or
// sockets, most often os.Stdin and os.Stdout, which may be one and the same. It
// is how a program run by pppd's connect option or by inetd gets its line. A
// nil cfg means the zero StdioConfig.
//
// The port leaves in and out open, and changes no flag that they share with the
// program that started this one: it opens a terminal or pipe anew, and uses what
// cannot be opened anew without making it non-blocking. So deadlines, contexts
// and Close work whatever other programs do with the same files, and a program
// that is killed leaves nothing behind but the mode of a terminal, if Raw was
// set. Read never takes more than it is asked for, so that the next user of the
// files misses nothing. If one of the files is a terminal, the mode, the
// modem lines, breaks and Drain work as far as the device behind it does them;
// otherwise those calls return errors.ErrUnsupported. End of file is
// ErrCarrierLost.
//
// A file that cannot be opened anew and is no socket (the master of a
// pseudo-terminal; a terminal of another user, or in exclusive mode) costs more:
// each read and write is made on a thread of its own.
//
// Regular files and the null device cannot be waited for and are refused.
// Systems other than Linux return errors.ErrUnsupported.
func Stdio(in, out *os.File, cfg *StdioConfig) (*Serial, error) {
	if cfg == nil {
		cfg = new(StdioConfig)
	}
	s := &Serial{name: cfg.Name}
	if s.name == "" {
		s.name = "-"
	}
	err := fmt.Errorf("a file is missing: %w", os.ErrInvalid)
	if in != nil && out != nil {
		s.dev, err = adopt(in, out, cfg)
	}
	if err != nil {
		return nil, s.fail("open", err)
	}
	return s, nil
}
