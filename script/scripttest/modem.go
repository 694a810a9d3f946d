package scripttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// ModemConfig holds how a Modem behaves. The zero ModemConfig and a nil one
// are a modem that reaches no host.
type ModemConfig struct {
	// Personality is the kind of modem. Default: one after V.250.
	Personality Personality

	// Numbers specifies what becomes of a call, by the number as it is dialled,
	// without dial modifiers, spaces and punctuation: "5551234". A peer in
	// it serves one call; use Dial for more.
	Numbers map[string]Answer

	// Dial, if set, is called for numbers that are not in Numbers, on a goroutine
	// of its own. Its context ends when the caller gives up.
	// Default: no call is answered.
	Dial func(ctx context.Context, number string) Answer

	// Profile is a command line without AT that is obeyed at the start and
	// after Z, after that of the Personality: "E0V0" for one. Default: none, so
	// echo on, verbose results, X4, &C1, &D2.
	Profile string

	// Info is what I0, I1 and so on answer; an empty text is only an OK.
	// Default: a name in I0 and I3.
	Info []string

	// Extended answers commands of any kind, by their text in upper case:
	// "+CSQ" → "+CSQ: 18,99", "^SYSINFO", "&Q5", "I4". It precedes what the
	// modem knows itself. An empty answer is only an OK. Default: +GMI, +GMM,
	// +GMR and +FCLASS.
	Extended map[string]string

	// Obey, if set, is called for every command before Extended. It returns the
	// information text and the result, and ok is false for a command that it
	// does not know. It is called by the modem's own goroutine and must not call
	// the Modem. Default: none.
	Obey func(command string) (info, result string, ok bool)

	// Connects are commands besides D that make a call, by their text in upper
	// case: `+CGDATA="PPP",1`. Default: none.
	Connects map[string]Answer

	// Prompts are commands that prompt for a text, by what they begin with in upper
	// case, and the information text once it has been given: "+CMGS=" →
	// "+CMGS: 7". The modem sends "> ", and takes everything up to a Ctrl-Z for
	// the text, which is then one of Texts; ESC gives it up. Default: none.
	Prompts map[string]string

	// Codes are the numbers of results in numeric mode, besides those of
	// V.250. A CONNECT text without a number is a 1. Default: none.
	Codes map[string]int

	// ShowData has the Transcript's String show what passes in online mode, and
	// what the terminal types that is no command, with the passwords of logins
	// that are made through the modem. Default: only how many bytes there were.
	ShowData bool

	// Faults are applied to the command lines they match, each line to the
	// first one that matches and is not used up. Default: none.
	Faults []Fault
}

// Answer is what becomes of a call. The zero Answer is a call that is not
// takes: the modem gives up after the seconds in S7 with NO CARRIER.
type Answer struct {
	// Result, if set, ends the attempt: "BUSY", "NO DIALTONE", "NO ANSWER",
	// "VOICE" and so on. X0 to X3 turn BUSY and NO DIALTONE into NO CARRIER.
	Result string

	// Far is the peer to connect to. It belongs to the modem, which closes
	// it when the call ends.
	Far port.Port

	// After is the time from the last digit to Result or to the carrier.
	// Default: none.
	After time.Duration

	// Connect is the result once there is a carrier. Default: "CONNECT
	// 115200". With X0 it is always "CONNECT".
	Connect string

	// DropAfter loses the carrier once that many bytes were received from Far.
	// Default, and for 0: it stays.
	DropAfter int
}

// Fault is a way in which a modem misbehaves on one command line.
type Fault struct {
	// Command is what the line begins with, "ATZ" for one, letter case aside.
	// Default: every line.
	Command string

	// Times is how often the fault occurs; less than 0 is no limit.
	// Default, and for 0: once.
	Times int

	// Before is sent ahead of the answer: garbage, or "\r\nRING\r\n".
	Before string

	// Delay holds the answer back. What is sent to the modem meanwhile waits
	// and is obeyed afterwards, or is lost if Deaf is set.
	Delay time.Duration
	Deaf  bool

	// Lost drops the answer, information text and result.
	Lost bool

	// Instead, if set, is sent in the place of the answer, as it is.
	Instead string

	// EchoOff switches the echo off after the line, without a command for it.
	EchoOff bool

	// Again, if not 0, sends the whole answer a second time after that.
	Again time.Duration

	// Then is sent ThenAfter the answer: a text that follows OK.
	Then      string
	ThenAfter time.Duration
}

// Modem is a modem after V.250 (the Hayes commands), on whose line a script
// runs. Its methods may be called from any goroutine.
//
// It knows A, D, E, H, I, O, Q, S, V, X, Z, &C, &D, &F and A/, accepts B, L,
// M, N, P, T, W, most commands with &, % or \ in front, +IFC, +IPR and +MS without
// effect, and answers ERROR to the rest that ModemConfig does not define. The
// registers that do something are S0 (answer after so many rings), S1 (rings so
// far), S2, S12 (escape character, its guard time in 1/50 s), S3, S4, S5 (line
// characters) and S7 (seconds to wait for a carrier). Any character but a line
// feed gives up a call that is being made.
//
// The modem lines: if the port can play the modem's part (it has a method
// Drive(mask, values port.Lines), which sets what the peer sees, as the
// ports of package virtual have), then DSR and CTS are on, DCD is on with the
// carrier (&C1) or always (&C0), and RI is on while it rings. Any other port
// that has lines counts as a null-modem cable, on which DTR arrives as DSR
// and DCD: there the modem's DTR is its carrier, and there is no RI. A drop of
// the terminal's DTR, which is DSR here, does what &D specifies: 0 nothing, 1 online
// command mode, 2 hangs up, 3 hangs up and resets. A port without lines, such
// as a pseudo-terminal, does without; there the last close of the terminal is a
// drop of DTR, and the modem serves the program that opens it next.
type Modem struct {
	cfg    ModemConfig
	dte    port.Port
	log    *Transcript
	do     chan func() // run by the loop goroutine
	stop   chan struct{}
	once   sync.Once
	cancel context.CancelFunc // ends waits on lines and Dial functions
	ctx    context.Context
	group  sync.WaitGroup // all goroutines but the loop
	done   chan struct{}  // closed when all goroutines have ended

	modemState // the loop's
}

// NewModem starts a modem on p, which belongs to it from now on. A nil cfg
// means all defaults. Call Close to end it.
func NewModem(p port.Port, cfg *ModemConfig) *Modem {
	m := &Modem{
		dte:  p,
		log:  newTranscript(),
		do:   make(chan func()),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	if cfg != nil {
		m.cfg = *cfg
	}
	m.log.showData, m.log.commands = m.cfg.ShowData, true
	m.ctx, m.cancel = context.WithCancel(context.Background())
	s := modemState{dtr: true}
	for _, f := range m.cfg.Faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, f)
	}
	m.modemState = s
	m.reset()
	m.driveLines()

	// All end with stop or the terminal's port, and run waits for the others.
	m.group.Go(m.readDTE)
	m.group.Go(m.writeDTE)
	m.group.Go(m.watchDTR)
	go m.run()
	return m
}

// Format prints the type under every verb, and nothing of the conversation.
func (m *Modem) Format(f fmt.State, _ rune) { io.WriteString(f, "scripttest.Modem") }

// Close hangs up, closes the port, waits until the modem's goroutines have
// ended, and returns nil. It may be called more than once.
func (m *Modem) Close() error {
	m.end()
	<-m.done
	return nil
}

// Done returns a channel that is closed once the modem has ended, by Close or
// because its port did.
func (m *Modem) Done() <-chan struct{} { return m.done }

// Transcript returns what passed between terminal and modem so far, commands
// and data; it continues to grow. Its String shows commands and results, but for
// the arguments of those that hold a PIN or a password, and of the data only how
// many bytes there were; see ModemConfig.ShowData.
func (m *Modem) Transcript() *Transcript { return m.log }

// Connected reports whether there is a carrier.
func (m *Modem) Connected() (yes bool) {
	m.post(func() { yes = m.call.carrier() })
	return yes
}

// Inject sends text to the terminal now, in whatever mode the modem is: an
// unsolicited line, or noise.
func (m *Modem) Inject(text string) { m.post(func() { m.send([]byte(text)) }) }

// Texts returns what was given to the prompts of ModemConfig.Prompts.
func (m *Modem) Texts() (texts []string) {
	m.post(func() { texts = slices.Clone(m.texts) })
	return texts
}

// Drop ends the carrier of the current call, if there is one.
func (m *Modem) Drop() { m.post(m.loseCarrier) }

// Ring simulates a call from far: the modem rings every six seconds until it
// answers (A, or S0), or until it has rung times times. far is closed if the line
// is busy or the call is not answered.
func (m *Modem) Ring(far port.Port, times int) {
	ringing := false
	m.post(func() {
		if ringing = m.call == nil && m.ringing == nil; ringing {
			m.ringing = &incoming{far: far, left: times}
			m.ring(m.ringing)
		}
	})
	if !ringing {
		far.Close()
	}
}

// run is the loop, which owns modemState. NewModem starts it, and end ends it.
func (m *Modem) run() {
	defer close(m.done)
	for {
		select {
		case f := <-m.do:
			f()
		case <-m.stop:
			m.dropCall()
			m.dropRinging()
			m.group.Wait()
			return
		}
	}
}

// end stops all goroutines; it does not wait for them.
func (m *Modem) end() {
	m.once.Do(func() { close(m.stop) })
	m.cancel()
	m.dte.Close()
}

// post runs f on the loop and waits for it. It returns false, with f not run,
// if the modem has ended.
func (m *Modem) post(f func()) bool {
	ran := make(chan struct{})
	select {
	case m.do <- func() { f(); close(ran) }:
		<-ran
		return true
	case <-m.stop:
		return false
	}
}

// until runs f on the loop again after each change, until it returns true. It
// returns false if the modem has ended.
func (m *Modem) until(f func() bool) bool {
	for {
		var ok bool
		var changed <-chan struct{}
		if !m.post(func() { ok, changed = f(), m.changed.Changed() }) {
			return false
		}
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-m.stop:
			return false
		}
	}
}

// after runs f on the loop once d has passed, unless the returned function is
// called on the loop before that.
func (m *Modem) after(d time.Duration, f func()) (cancel func()) {
	off := make(chan struct{})
	live := true
	m.group.Go(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			m.post(func() {
				if live {
					live = false
					f()
				}
			})
		case <-off:
		case <-m.stop:
		}
	})
	return func() {
		if live {
			live = false
			close(off)
		}
	}
}

// readDTE feeds what the terminal sends to the loop, in as many pieces as the
// modem's modes divide it into. In online mode it writes the bytes to the peer, so
// that a peer that does not read blocks this goroutine, and in consequence the
// terminal, and nothing else.
func (m *Modem) readDTE() {
	defer m.end()
	buf := make([]byte, 4096)
	for m.until(m.hasRoom) {
		n, err := m.dte.Read(buf)
		at := m.log.add(Record{Data: buf[:n]})
		for b := buf[:n]; len(b) > 0; {
			var far port.Port
			var n int
			take := func() {
				var data bool
				far, n, data = m.fromDTE(b)
				m.log.judge(span{at, at + n}, data)
				at += n
				m.taken = at
			}
			if !m.until(m.hasRoom) || !m.post(take) {
				return
			}
			if far != nil {
				far.Write(b[:n]) // readFar detects a failure
			}
			b = b[n:]
		}
		if n == 0 && err != nil && !(errors.Is(err, port.ErrCarrierLost) && m.reopens()) {
			return
		}
	}
}

// reopenTick is the interval at which a terminal is checked that no program has
// open.
const reopenTick = 20 * time.Millisecond

// reopens treats the end of the terminal as a drop of DTR and reports whether
// another program may open it: a pseudo-terminal that is hung up still exists.
func (m *Modem) reopens() bool {
	named, ok := m.dte.(interface{ Name() string })
	if !ok {
		return false
	}
	if info, err := os.Stat(named.Name()); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	m.post(func() {
		if m.ready >= 2 {
			m.hangUp()
		}
		m.seeDTR(false)
		m.dtr, m.out, m.outData = true, nil, nil // no program will read it
	})
	return wait.Sleep(m.ctx, reopenTick) == nil
}

// writeDTE sends what the loop has queued.
func (m *Modem) writeDTE() {
	for {
		var b []byte
		var data []span
		taken := m.until(func() bool {
			b, m.out = m.out, nil
			data, m.outData = m.outData, nil
			if len(b) > 0 {
				m.notify()
			}
			return len(b) > 0
		})
		if !taken {
			return
		}
		if err := m.log.send(Record{Data: b}, data, m.dte.Write); err != nil {
			m.end()
			return
		}
	}
}
