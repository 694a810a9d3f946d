package ras

import (
	"fmt"
	"io"
	"net/netip"
	"sync"

	"github.com/rasline/rasline/port"
)

// DialParams are the parameters of the connection, as RASDIALPARAMS carries
// them. A script may change UserName, Password and Domain: PPP authenticates
// with what stands there when it has ended. Changes to other fields are
// ignored.
type DialParams struct {
	EntryName      string
	PhoneNumber    string
	CallbackNumber string
	UserName       string // may be empty; the script then finds a name itself
	Password       Secret // clear text inside
	Domain         string // empty: the server's own domain
}

// Call is what one run of a script gets: the callbacks, the port to use them
// on, and the parameters of RasCustomScriptExecute. The exported fields are
// set before the script starts; the script changes Params and IPAddr only.
//
// A Call literal with the first two fields is enough to run an executor on an
// API of one's own. A Call must not be copied once it is in use.
type Call struct {
	API
	Port      Handle
	Phonebook string      // path of the phone book; may be empty
	Entry     string      // name of the phone-book entry; may be empty
	Params    *DialParams // never nil in a call made by script.Run

	// Terminal is the user's terminal, for scripts that show or ask
	// something. It stands for the hWnd parameter; nil if there is no user.
	Terminal io.ReadWriter

	// Exact says that nobody takes over bytes that were received and not
	// used, so that not one byte past the last match may be taken from the
	// port. Default: off, since script.Run hands such bytes on.
	Exact bool

	// IPAddr is the address that a script gives the caller for the session
	// ("set ipaddr"). The zero value means none.
	IPAddr netip.Addr

	attached any
	once     sync.Once
	hidden   *masker // behind a pointer, where fmt does not look
}

// Format prints the entry's name and nothing that must not be seen. Package fmt
// would print the parameters field by field, and with some verbs not ask Secret.
func (c *Call) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "call %q", c.Entry) }

// Format prints all fields but the password, whatever the verb.
func (p DialParams) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{entry %q, phone %q, callback %q, user %q, password %q, domain %q}",
		p.EntryName, p.PhoneNumber, p.CallbackNumber, p.UserName, p.Password.String(), p.Domain)
}

// Line returns the port behind the call, for abilities that the callbacks do
// not have: breaks, modem lines. Ask it with a type assertion for
// port.Breaker, port.LineController and their like, and never read, write or
// close it. It is nil where the API is not a Session.
func (c *Call) Line() port.Port {
	if l, ok := c.API.(interface{ Line() port.Port }); ok {
		return l.Line()
	}
	return nil
}

// Attached returns what Attach kept, or nil.
func (c *Call) Attached() any { return c.attached }

// Attach keeps one value with the call for the layer above: package script
// keeps the input of its Dialogs here, so that all Dialogs of a call read one
// stream. It is not for concurrent use.
func (c *Call) Attach(v any) { c.attached = v }

// Hide registers a text that Mask must hide from now on. The password of
// Params need not be registered. It may be called from several goroutines.
func (c *Call) Hide(s Secret) { c.masker().add(s.Reveal()) }

// Mask returns a copy of b that may be shown: the password and all texts given
// to Hide read "***" in it, in any letter case, and so does the beginning of one
// at the end of b, where an echo may still be arriving. It may be called from
// several goroutines.
func (c *Call) Mask(b []byte) []byte { return c.mask(b, false) }

// MaskTail is Mask for the last part of a longer text: the end of a secret at
// the start of b is hidden too.
func (c *Call) MaskTail(b []byte) []byte { return c.mask(b, true) }

func (c *Call) mask(b []byte, cut bool) []byte {
	m := c.masker()
	if c.Params != nil {
		m.add(c.Params.Password.Reveal())
	}
	return m.mask(b, cut)
}

func (c *Call) masker() *masker {
	c.once.Do(func() { c.hidden = new(masker) })
	return c.hidden
}
