package switchinf

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// DeviceLog writes what scripts and devices sent in the form of the DEVICE.LOG
// of Windows NT: an entry for each command, each echo and each response, ended
// by CR LF. Control characters read <cr>, <lf> and <hXX>, and the password
// <password>. Several runs may use one DeviceLog concurrently.
type DeviceLog struct {
	mu    sync.Mutex // guards what follows
	w     io.Writer
	begun bool
	err   error
}

// NewDeviceLog returns a log that writes to w, its heading with the first
// entry.
func NewDeviceLog(w io.Writer) *DeviceLog { return &DeviceLog{w: w} }

// Err returns the first error of the writer. Scripts continue without a log.
func (l *DeviceLog) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// The kinds of entries.
const (
	logCommand  = "Command to Device:"
	logEcho     = "Echo from Device :"
	logResponse = "Response from Device:"
)

const passwordMacro = "<password>"

// entry writes one entry. The text shows control characters already.
func (l *DeviceLog) entry(port, kind, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	if !l.begun {
		l.begun = true
		head := time.Now().Format("Remote Access Service Device Log 01/02/2006 15:04:05")
		fmt.Fprintf(&b, "%s\r\n%s\r\n", head, strings.Repeat("-", len(head)))
	}
	fmt.Fprintf(&b, "Port:%s %s%s\r\n", port, kind, text)
	if _, err := io.WriteString(l.w, b.String()); err != nil && l.err == nil {
		l.err = err
	}
}

// shown returns b with control characters as macros.
func shown(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		switch {
		case c == '\r':
			s.WriteString("<cr>")
		case c == '\n':
			s.WriteString("<lf>")
		case c < ' ' || c == 0x7F:
			fmt.Fprintf(&s, "<h%02X>", c)
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

// logResponse writes what was received for a step: the echo, which ends at the
// offset, and the response.
func (r *run) logResponse(from int) {
	if r.cfg.DeviceLog == nil {
		return
	}
	if from > 0 {
		e := &r.echo
		var s strings.Builder
		at := 0
		for _, secret := range e.secret {
			if secret.from >= e.taken {
				break
			}
			s.WriteString(shown(e.want[at:secret.from]))
			s.WriteString(passwordMacro)
			at = min(secret.to, e.taken)
		}
		s.WriteString(shown(e.want[at:e.taken]))
		r.cfg.DeviceLog.entry(r.portName(), logEcho, s.String())
	}
	text := r.buffer.after(from)
	if len(text) == 0 {
		return
	}
	if password := r.value(part{macro: macroPassword}); len(password) > 0 {
		text = bytes.ReplaceAll(text, password, []byte(passwordMacro))
	}
	r.cfg.DeviceLog.entry(r.portName(), logResponse, shown(r.masked(from, text)))
}
