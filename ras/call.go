package ras

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/port"
)

// DialParams are the parameters of the connection, as RASDIALPARAMS carries
// them. A script may change UserName, Password and Domain: PPP authenticates
// with what they hold when it has ended. Changes to other fields are ignored.
type DialParams struct {
	EntryName      string
	PhoneNumber    string
	CallbackNumber string
	UserName       string // may be empty; the script then finds a name itself
	Password       Secret // clear text inside
	Domain         string // empty: the server's own domain

	// NoPassword means that the password is known to be empty, so that an
	// empty Password is an answer and not a missing one. Default: an empty
	// Password is missing, and scripts that need one refuse to run.
	NoPassword bool
}

// Call is what one run of a script gets: the callbacks, the port to use them
// on, and the parameters of RasCustomScriptExecute. The exported fields are
// set before the script starts.
//
// A Call literal with the first two fields is enough to run an executor on an
// API of one's own. A Call must not be copied once it is in use; WithAPI makes
// another one for the same run.
//
// # One state for all Calls of a run
//
// All Calls that were made of each other with WithAPI, or by hand on a port
// that script.Run or a host of package dllexport has opened, share what belongs
// to the run: bytes that were received and not used, the texts to hide, the
// posted receive, and what SetParams and SetIPAddr set. So a decorator around
// the callbacks, a Dialog inside another and a script in the manner of the
// Windows documentation lose no byte of each other.
//
// # Receiving
//
// Call has its own ReceiveBuffer, RetrieveBuffer and FreeBuffer, and Receive,
// which is all of them in one. They serve bytes that Unread gave back before those
// of the API, and a receive that a cancelled wait left with an API that cannot
// cancel serves the next receive, within that receive's own limit. A caller of the
// methods of Call.API bypasses both.
//
// Receiving is for one goroutine at a time; sending and the other methods may be
// called from others meanwhile.
type Call struct {
	API
	Port      Handle
	Phonebook string // path of the phone book; may be empty
	Entry     string // name of the phone-book entry; may be empty

	// Params are the parameters that the call began with; never nil in a call
	// made by script.Run. A script changes the fields that it may change, or
	// calls SetParams. Parameters returns those in force.
	Params *DialParams

	// Terminal is the user's terminal, for scripts that show
	// something or prompt. It is what the hWnd parameter is for; nil if there is no
	// user.
	Terminal io.ReadWriter

	// Exact means that bytes which were received and not used cannot be handed
	// on, so that not one byte past the last match may be read from the port.
	// Default: off, since script.Run hands such bytes on.
	Exact bool

	// ReadAhead relaxes Exact for a script that is certain to send again before
	// it succeeds: its waits may read past their match until then, since the
	// peer does not start PPP before it has the last answer. A host sets it
	// whose line is of no use to others after a script that failed. Default:
	// off.
	ReadAhead bool

	// IPAddr is the address that a script gives the caller for the session
	// ("set ipaddr"); see SetIPAddr. The zero value means none.
	IPAddr netip.Addr

	// Log gets the conversation of the run from package script, with secrets
	// masked, at debug level. Default: no log.
	Log *slog.Logger

	state atomic.Pointer[callState]
}

var _ API = (*Call)(nil)

// Format prints the entry's name and no parameter. Package fmt would print the
// parameters field by field, and with some verbs without asking Secret.
func (c *Call) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "call %q", c.Entry) }

// Format prints all texts but the password, whatever the verb.
func (p DialParams) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{entry %q, phone %q, callback %q, user %q, password %q, domain %q}",
		p.EntryName, p.PhoneNumber, p.CallbackNumber, p.UserName, p.Password.String(), p.Domain)
}

// WithAPI returns a Call over other callbacks, mostly a decorator around those
// of c, that shares the state of the run with c; see Call. The exported fields
// are copied. A Call given as api is unwrapped: its own API is used.
func (c *Call) WithAPI(api API) *Call {
	st := c.shared()
	for {
		inner, ok := api.(*Call)
		if !ok {
			break
		}
		api = inner.API
	}
	d := &Call{API: api, Port: c.Port, Phonebook: c.Phonebook, Entry: c.Entry, Params: c.Parameters(),
		Terminal: c.Terminal, Exact: c.Exact, ReadAhead: c.ReadAhead, IPAddr: c.IPAddr, Log: c.Log}
	d.state.Store(st)
	return d
}

// Line returns the port of the call, for abilities that the callbacks do not
// have: breaks, modem lines. Use it with a type assertion to port.Breaker,
// port.LineController and their like, and never read, write or close it. It is nil where the API is no PortHolder and no other API of the
// run is.
func (c *Call) Line() port.Port {
	if l, ok := c.API.(PortHolder); ok {
		return l.Line()
	}
	st := c.shared()
	st.mu.Lock()
	api := st.api
	st.mu.Unlock()
	if l, ok := api.(PortHolder); ok {
		return l.Line()
	}
	return nil
}

// SetParams replaces the parameters of the run. Only UserName, Password and
// Domain of p count. It may be called on any Call of the run.
func (c *Call) SetParams(p *DialParams) {
	st := c.shared()
	st.mu.Lock()
	st.settings.params = p
	st.mu.Unlock()
	if p != nil {
		// A short password is masked where it is sent, which Hide announces.
		if h, ok := c.Line().(port.Hider); ok && len(p.Password) >= mask.Short {
			h.Hide(p.Password.Reveal())
		}
	}
}

// Parameters returns the parameters in force: those of SetParams, or Params. It
// is nil if there are none.
func (c *Call) Parameters() *DialParams {
	if p := c.shared().setting().params; p != nil {
		return p
	}
	return c.Params
}

// SetIPAddr sets the address that the script gives the caller for the session.
// It may be called on any Call of the run.
func (c *Call) SetIPAddr(a netip.Addr) {
	st := c.shared()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.settings.addr, st.settings.addrSet = a, true
}

// Address returns the address in force: that of SetIPAddr, or IPAddr.
func (c *Call) Address() netip.Addr {
	if s := c.shared().setting(); s.addrSet {
		return s.addr
	}
	return c.IPAddr
}

// CancelReceive cancels the receive that was posted last, if it has no result yet
// or its result was not retrieved; its event is not set any more by a
// ReceiveCanceler, and its buffer can then be freed. A Receive on another goroutine
// returns an error that matches ErrInvalidParameter. Bytes that have arrived are
// kept for the next receive. An API that cannot cancel keeps the receive, which
// serves the next receive of the call; when the limit of the old one passes,
// RetrieveBuffer can then return ErrPending although the event was set, and the
// caller waits again. Without a posted receive it does nothing.
func (c *Call) CancelReceive() error { return c.shared().cancel(c) }

// SendContext is SendBuffer on the port of the call with a context besides. When
// the context ends it returns an error as ContextError makes it; what was sent
// by then is a part of the bytes from their start, and on an API that is no
// ContextSender the rest may follow: the next SendContext of the run waits for
// it, within its own context. A SendBuffer, which is the API's own, does not
// wait. A panic of a SendBuffer that runs on a goroutine of the call, as on an
// API that is no ContextSender, is an *Error with ErrUnknown.
func (c *Call) SendContext(ctx context.Context, b Buffer, n int) error {
	return c.shared().send(ctx, c, b, n)
}

// Value returns what SetValue has stored with the run under key, or nil. Use a
// key of a type of your own.
func (c *Call) Value(key any) any {
	st := c.shared()
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.values[key]
}

// SetValue stores a value with the run, for all Calls of it: what the executors
// of one package have to know of each other.
func (c *Call) SetValue(key, value any) {
	st := c.shared()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.values == nil {
		st.values = make(map[any]any)
	}
	st.values[key] = value
}

// OnReceive has f called with what is received through the Calls of the run from
// now on, each byte once and in order, before the receiver uses it, until the
// returned function is called. It is for what must be seen wherever a script
// waits, such as the message of a modem that the connection is lost. f must not
// keep the slice, nor use the call.
func (c *Call) OnReceive(f func(b []byte)) (stop func()) {
	st := c.shared()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.observers = append(st.observers[:len(st.observers):len(st.observers)], &f)
	return func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.observers = slices.DeleteFunc(slices.Clone(st.observers), func(o *func([]byte)) bool { return o == &f })
	}
}

// Hide registers a text that Mask must hide from now on; call it before the text
// is sent. The password of Params need not be registered, unless it has fewer
// than four bytes. It may be called from several goroutines.
//
// A text of fewer than four bytes would be found in ordinary words. It is hidden
// only up to the next line end of what is received after Hide.
//
// A line that is a port.Hider, such as a recording, masks the text too.
func (c *Call) Hide(s Secret) {
	c.shared().masker.Expect(s.Reveal())
	if h, ok := c.Line().(port.Hider); ok {
		h.Hide(s.Reveal())
	}
}

// Mask returns a copy of b that may be shown: the password and all texts given
// to Hide read "***" in it, whole or in a recognisable part, however they were
// echoed; so does the beginning of one at the end of b, where an echo may still
// be arriving. Mask may be called from several goroutines.
func (c *Call) Mask(b []byte) []byte { return c.mask().Mask(b, false) }

// MaskTail is Mask for the last part of a longer text: the end of a secret at
// the start of b is hidden too.
func (c *Call) MaskTail(b []byte) []byte { return c.mask().Mask(b, true) }

// MaskStream returns a writer that writes to w what may be shown of a stream,
// such as what is received, however it is cut into pieces.
func (c *Call) MaskStream(w io.Writer) *MaskWriter {
	return &MaskWriter{w: w, stream: c.mask().Stream()}
}
