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
// The port works on duplicates and leaves in and out open. Deadlines work, and
// Read never takes more than it is asked for, so that whoever uses the files
// afterwards misses nothing. If one of the files is a terminal, the mode, the
// modem lines, breaks and Drain work as far as the device behind it does them;
// otherwise those calls return errors.ErrUnsupported. End of file is
// ErrCarrierLost.
//
// While the port is open the files are non-blocking (O_NONBLOCK). That flag,
// like a terminal's mode, belongs not to this process alone but to everybody
// who inherited the same open file, a shell for example. Close puts it back; a
// program that is killed cannot. Other reads from in and out meanwhile should
// be avoided for the same reason.
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
		s.dev, err = adopt(in, out, cfg.Raw)
	}
	if err != nil {
		return nil, s.fail("open", err)
	}
	return s, nil
}
