package scripttest

import (
	"context"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

const ok = "\r\nOK\r\n"

func TestModemCommands(t *testing.T) {
	tests := []struct {
		name string
		cfg  *ModemConfig
		send string
		want string
	}{
		{"attention", nil, "AT\r", "AT\r" + ok},
		{"lower case", nil, "at\r", "at\r" + ok},
		{"rubbish before it", nil, "xyzAaAT\r", "xyzAaAT\r" + ok},
		{"line feeds are nothing", nil, "AT\r\n\nAT\r", "AT\r" + ok + "\n\nAT\r" + ok},
		{"unknown", nil, "ATY\r", "ATY\r\r\nERROR\r\n"},
		{"stops at the first error", nil, "ATE0YE1\rAT\r", "ATE0YE1\r\r\nERROR\r\n" + ok},
		{"echo off", nil, "ATE0\rAT\r", "ATE0\r" + ok + ok},
		{"numeric", nil, "ATV0\rATI3\rATY\r", "ATV0\r0\rATI3\rrasline test modem\r\n0\rATY\r4\r"},
		{"quiet", nil, "ATE0Q1\rAT\rATI3\rATQ0\r", "ATE0Q1\r\r\nrasline test modem\r\n" + ok},
		{"identify", nil, "ATI3\r", "ATI3\r\r\nrasline test modem\r\n" + ok},
		{"registers", nil, "ATS0=3S0?S12?\r", "ATS0=3S0?S12?\r\r\n003\r\n\r\n050\r\n" + ok},
		{"register out of range", nil, "ATS7=256\r", "ATS7=256\r\r\nERROR\r\n"},
		{"register without a verb", nil, "ATS7\r", "ATS7\r\r\nERROR\r\n"},
		{"backspace", nil, "ATX9\b1\r", "ATX9\b1\r" + ok},
		{"repeat", nil, "ATI3\rA/", "ATI3\r\r\nrasline test modem\r\n" + ok + "A/\r\nrasline test modem\r\n" + ok},
		{"several commands", nil, "AT &C1 &D2 X4 V1 L1 \\N3\r", "AT &C1 &D2 X4 V1 L1 \\N3\r" + ok},
		{"lone ampersand", nil, "AT&\r", "AT&\r\r\nERROR\r\n"},
		{"extended", nil, "AT+GMI;+GMM\r", "AT+GMI;+GMM\r\r\nrasline\r\n\r\ntest modem\r\n" + ok},
		{"extended unknown", nil, "AT+XYZ\r", "AT+XYZ\r\r\nERROR\r\n"},
		{"extended of one's own", &ModemConfig{Extended: map[string]string{"+CSQ": "+CSQ: 9,99"}},
			"AT+CSQ\r", "AT+CSQ\r\r\n+CSQ: 9,99\r\n" + ok},
		{"profile", &ModemConfig{Profile: "E0V0Z"}, "AT\rATE1\rATZ\rAT\r", "0\r0\rATZ\r0\r0\r"},
		{"factory", &ModemConfig{Profile: "E0V0"}, "AT&F\rAT\r", ok + "AT\r" + ok},
		{"hang up nothing", nil, "ATH\r", "ATH\r" + ok},
		{"online without a call", nil, "ATO\r", "ATO\r\r\nNO CARRIER\r\n"},
		{"answer nothing", nil, "ATA\r", "ATA\r\r\nNO CARRIER\r\n"},
		{"voice call", nil, "ATD123;\r", "ATD123;\r" + ok},
		{"escape in command mode is nothing", nil, "+++AT\r", "+++AT\r" + ok},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 3, 1000} { // however it is cut
				onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
					m := NewModem(far, tt.cfg)
					defer m.Close()
					for rest := tt.send; rest != ""; {
						n := min(size, len(rest))
						near.send(rest[:n])
						rest = rest[n:]
					}
					near.hear(time.Second, tt.want)
				})
			}
		})
	}
}

func TestModemDialOutcomes(t *testing.T) {
	tests := []struct {
		name, init string
		answer     Answer
		want       string
		after      time.Duration
	}{
		{"busy", "", Answer{Result: "BUSY", After: 3 * time.Second}, "\r\nBUSY\r\n", 3 * time.Second},
		{"busy unseen", "X2", Answer{Result: "BUSY"}, "\r\nNO CARRIER\r\n", 0},
		{"no dial tone", "", Answer{Result: "NO DIALTONE"}, "\r\nNO DIALTONE\r\n", 0},
		{"no dial tone unseen", "X3", Answer{Result: "NO DIALTONE"}, "\r\nNO CARRIER\r\n", 0},
		{"voice", "", Answer{Result: "VOICE"}, "\r\nVOICE\r\n", 0},
		{"numeric busy", "V0", Answer{Result: "BUSY"}, "7\r", 0},
		{"nobody", "", Answer{}, "\r\nNO CARRIER\r\n", 50 * time.Second},
		{"nobody, less patience", "S7=5", Answer{}, "\r\nNO CARRIER\r\n", 5 * time.Second},
		{"too slow", "S7=5", Answer{Result: "BUSY", After: time.Minute}, "\r\nNO CARRIER\r\n", 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				m := NewModem(far, &ModemConfig{Profile: "E0" + tt.init, Numbers: map[string]Answer{"5551234": tt.answer}})
				defer m.Close()
				start := time.Now()
				near.send("ATDT 555-1234\r")
				near.await(time.Hour, tt.want)
				if took := time.Since(start); took != tt.after {
					t.Errorf("the outcome took %v, want %v", took, tt.after)
				}
				near.send("AT\r")
				near.hear(time.Minute, string(m.answerTo(t, "OK")))
			})
		})
	}
}

// answerTo is a result as the modem writes it now.
func (m *Modem) answerTo(t *testing.T, text string) (b []byte) {
	t.Helper()
	m.post(func() { b = m.result(text) })
	return b
}

// dialed returns a modem that has called a peer, with both ends of the call
// at hand.
func dialed(t *testing.T, near *terminal, far *virtual.Port, cfg ModemConfig, a Answer) (*Modem, *terminal) {
	t.Helper()
	inside, outside := virtual.Pair()
	a.Far = inside
	cfg.Numbers = map[string]Answer{"1": a}
	m := NewModem(far, &cfg)
	t.Cleanup(func() { m.Close() })
	near.send("ATD1\r")
	near.await(time.Hour, "CONNECT 115200\r\n")
	return m, &terminal{t: t, port: outside}
}

func TestModemCarriesData(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m, host := dialed(t, near, far, ModemConfig{}, Answer{})
		defer m.Close()
		near.send("hello")
		host.await(time.Second, "hello")
		host.send("AT\r+++")
		near.hear(time.Minute, "AT\r+++")
		host.port.Close()
		near.hear(time.Second, "\r\nNO CARRIER\r\n")
		if m.Connected() {
			t.Error("connected after the far end closed")
		}
	})
}

func TestModemConnectTexts(t *testing.T) {
	tests := []struct{ name, profile, connect, want string }{
		{"default", "", "", "\r\nCONNECT 115200\r\n"},
		{"own", "", "CONNECT 33600/ARQ/V34/LAPM/V42BIS", "\r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r\n"},
		{"plain", "X0", "CONNECT 9600", "\r\nCONNECT\r\n"},
		{"numeric", "V0", "", "1\r"},
		{"numeric 2400", "V0", "CONNECT 2400", "10\r"},
		{"numeric of the maker's", "V0", "CONNECT 14400", "43\r"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				inside, outside := virtual.Pair()
				defer outside.Close()
				m := NewModem(far, &ModemConfig{
					Profile: "E0" + tt.profile,
					Codes:   map[string]int{"CONNECT 14400": 43},
					Numbers: map[string]Answer{"1": {Far: inside, Connect: tt.connect}},
				})
				defer m.Close()
				near.send("ATD1\r")
				near.hear(time.Second, tt.want)
			})
		})
	}
}

func TestModemEscape(t *testing.T) {
	tests := []struct {
		name    string
		profile string
		play    func(n *terminal)
		want    string // what comes back
	}{
		{"with guard times", "", func(n *terminal) {
			<-time.After(time.Second)
			n.send("+++")
			n.hear(999*time.Millisecond, "")
		}, ok},
		{"one by one", "", func(n *terminal) {
			<-time.After(time.Second)
			n.send("+")
			<-time.After(100 * time.Millisecond)
			n.send("+")
			n.send("+")
		}, ok},
		{"no silence before", "", func(n *terminal) {
			<-time.After(time.Second)
			n.send("x")
			<-time.After(999 * time.Millisecond)
			n.send("+++")
		}, ""},
		{"no silence after", "", func(n *terminal) {
			<-time.After(time.Second)
			n.send("+++")
			<-time.After(999 * time.Millisecond)
			n.send("x")
		}, ""},
		{"four", "", func(n *terminal) {
			<-time.After(time.Second)
			n.send("++++")
		}, ""},
		{"joined to data", "", func(n *terminal) {
			<-time.After(time.Second)
			n.send("x+++")
		}, ""},
		{"another guard time", "S12=5", func(n *terminal) {
			<-time.After(100 * time.Millisecond)
			n.send("+++")
			n.hear(99*time.Millisecond, "")
		}, ok},
		{"another character", "S2=42", func(n *terminal) {
			<-time.After(time.Second)
			n.send("***")
		}, ok},
		{"no character", "S2=200", func(n *terminal) {
			<-time.After(time.Second)
			n.send("+++")
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				m, host := dialed(t, near, far, ModemConfig{Profile: "E0" + tt.profile}, Answer{})
				defer m.Close()
				tt.play(near)
				near.hear(2*time.Second, tt.want)
				if tt.want == "" {
					return
				}
				host.send("kept")
				near.hear(time.Second, "")
				near.send("ATO\r")
				near.await(time.Second, "CONNECT 115200\r\n")
				near.await(time.Second, "kept")
				near.send("back")
				host.await(time.Second, "back")
			})
		})
	}
}

func TestModemHangsUp(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m, host := dialed(t, near, far, ModemConfig{Profile: "E0"}, Answer{})
		defer m.Close()
		<-time.After(time.Second)
		near.send("+++")
		near.hear(time.Minute, ok)
		near.send("ATH\r")
		near.hear(time.Second, ok)
		host.awaitEnd(time.Second)
	})
}

func TestModemGivesUpDialling(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		gaveUp := make(chan struct{})
		m := NewModem(far, &ModemConfig{Profile: "E0", Dial: func(ctx context.Context, number string) Answer {
			<-ctx.Done()
			close(gaveUp)
			return Answer{}
		}})
		defer m.Close()
		near.send("ATD123\r\n")
		near.hear(5*time.Second, "")
		near.send("\r")
		near.hear(time.Second, "\r\nNO CARRIER\r\n")
		<-gaveUp
	})
}

func TestModemLines(t *testing.T) {
	const idle = port.DTR | port.RTS | port.CTS | port.DSR
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		near.checkLines(idle, "pair without a modem has DCD", port.DCD)
		m, host := dialed(t, near, far, ModemConfig{Profile: "E0"}, Answer{After: time.Second})
		defer m.Close()
		near.checkLines(idle|port.DCD, "connected", 0)
		lines := near.port.(port.LineController)
		lines.SetLines(port.DTR, 0)
		host.awaitEnd(time.Second)
		near.hear(time.Second, "\r\nNO CARRIER\r\n")
		near.checkLines(idle&^port.DTR, "hung up by DTR", 0)
		lines.SetLines(port.DTR, port.DTR)
		near.send("AT&C0\r")
		near.await(time.Second, ok)
		near.checkLines(idle|port.DCD, "&C0", 0)
		near.send("AT&F\r")
		near.await(time.Second, ok)
		near.checkLines(idle, "&F", 0)
	})
}

// checkLines compares the lines, besides those in ignore.
func (n *terminal) checkLines(want port.Lines, when string, ignore port.Lines) {
	n.t.Helper()
	got, err := n.port.(port.LineController).Lines()
	if err != nil || got&^ignore != want&^ignore {
		n.t.Errorf("%s: lines %v, %v; want %v", when, got, err, want)
	}
}

func TestModemDTR(t *testing.T) {
	tests := []struct {
		name, profile string
		want          string
		connected     bool
	}{
		{"ignored", "&D0", "", true},
		{"escapes", "&D1", ok, true},
		{"hangs up", "&D2", "\r\nNO CARRIER\r\n", false},
		{"resets", "&D3", "\r\nNO CARRIER\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				m, host := dialed(t, near, far, ModemConfig{Profile: "E0" + tt.profile}, Answer{})
				defer m.Close()
				defer host.port.Close()
				lines := near.port.(port.LineController)
				lines.SetLines(port.DTR, 0)
				near.hear(time.Second, tt.want)
				lines.SetLines(port.DTR, port.DTR)
				near.hear(time.Second, "")
				if m.Connected() != tt.connected {
					t.Errorf("connected %v, want %v", m.Connected(), tt.connected)
				}
			})
		})
	}
}

// A port that cannot play the modem's part is a null-modem cable.
func TestModemOnANullModemCable(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		inside, outside := virtual.Pair()
		defer outside.Close()
		m := NewModem(nullModem{far, far}, &ModemConfig{Numbers: map[string]Answer{"1": {Far: inside}}})
		defer m.Close()
		near.checkLines(port.DTR|port.RTS|port.CTS, "idle", 0)
		near.send("ATD1\r")
		near.await(time.Second, "CONNECT")
		near.checkLines(port.DTR|port.RTS|port.CTS|port.DSR|port.DCD, "connected", 0)
		m.Drop()
		near.checkLines(port.DTR|port.RTS|port.CTS, "dropped", 0)
	})
}

// nullModem hides what a virtual port has besides the public interfaces.
type nullModem struct {
	port.Port
	port.LineController
}

func TestModemRings(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m := NewModem(far, &ModemConfig{Profile: "E0"})
		defer m.Close()
		inside, outside := virtual.Pair()
		host := &terminal{t: t, port: outside}
		m.Ring(inside, 10)
		near.hear(time.Second, "\r\nRING\r\n")
		near.checkLines(port.DTR|port.RTS|port.CTS|port.DSR|port.RI, "ringing", 0)
		near.hear(2*time.Second, "")
		near.checkLines(port.DTR|port.RTS|port.CTS|port.DSR, "between rings", 0)
		near.hear(6*time.Second, "\r\nRING\r\n")
		near.send("ATS1?A\r")
		near.hear(time.Second, "\r\n002\r\n\r\nCONNECT 115200\r\n")
		near.send("hello")
		host.await(time.Second, "hello")
		other, away := virtual.Pair()
		m.Ring(other, 1) // finds the line busy
		(&terminal{t: t, port: away}).awaitEnd(time.Second)
	})
}

func TestModemAnswersByItself(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m := NewModem(far, &ModemConfig{Profile: "E0S0=2"})
		defer m.Close()
		inside, outside := virtual.Pair()
		defer outside.Close()
		m.Ring(inside, 10)
		near.hear(time.Minute, "\r\nRING\r\n\r\nRING\r\n\r\nCONNECT 115200\r\n")
	})
}

func TestModemStopsRinging(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m := NewModem(far, nil)
		defer m.Close()
		inside, outside := virtual.Pair()
		m.Ring(inside, 2)
		near.hear(time.Minute, "\r\nRING\r\n\r\nRING\r\n")
		(&terminal{t: t, port: outside}).awaitEnd(time.Second)
	})
}

func TestModemFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		send  string
		want  []string // what has come after each further second
	}{
		{"late", Fault{Delay: 1500 * time.Millisecond}, "AT\rATI3\r", []string{"AT\r", ok + "ATI3\r\r\nrasline test modem\r\n" + ok}},
		{"late and deaf", Fault{Delay: 1500 * time.Millisecond, Deaf: true}, "AT\rATI3\r", []string{"AT\r", ok}},
		{"lost", Fault{Lost: true}, "AT\rAT\r", []string{"AT\rAT\r" + ok}},
		{"twice", Fault{Lost: true, Times: 2}, "AT\rAT\rAT\r", []string{"AT\rAT\rAT\r" + ok}},
		{"always", Fault{Lost: true, Times: -1}, "AT\rAT\rAT\r", []string{"AT\rAT\rAT\r"}},
		{"garbage", Fault{Before: "\xFF\x00~"}, "AT\r", []string{"AT\r\xFF\x00~" + ok}},
		{"instead", Fault{Instead: "\r\nO"}, "AT\r", []string{"AT\r\r\nO"}},
		{"ring in between", Fault{Before: "\r\nRING\r\n"}, "ATI3\r", []string{"ATI3\r\r\nRING\r\n\r\nrasline test modem\r\n" + ok}},
		{"echo off", Fault{EchoOff: true}, "AT\rAT\r", []string{"AT\r" + ok + ok}},
		{"only that command", Fault{Command: "ati", Lost: true}, "AT\rATI3\rATI3\r",
			[]string{"AT\r" + ok + "ATI3\rATI3\r\r\nrasline test modem\r\n" + ok}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
				m := NewModem(far, &ModemConfig{Faults: []Fault{tt.fault}})
				defer m.Close()
				near.send(tt.send)
				for _, want := range tt.want {
					near.hear(time.Second, want)
				}
			})
		})
	}
}

func TestModemDropsTheCarrierInTheMiddleOfData(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m, host := dialed(t, near, far, ModemConfig{}, Answer{DropAfter: 7})
		defer m.Close()
		host.send("hello")
		near.hear(time.Second, "hello")
		host.send("world")
		near.hear(time.Second, "wo\r\nNO CARRIER\r\n")
		host.awaitEnd(time.Second)
		m.Inject("\r\n+CREG: 0\r\n")
		near.hear(time.Second, "\r\n+CREG: 0\r\n")
	})
}

// A terminal that does not read stops the peer, and DTR still hangs up.
func TestModemIsBounded(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m, host := dialed(t, near, far, ModemConfig{}, Answer{})
		defer m.Close()
		chunk := make([]byte, 1<<10)
		host.port.SetWriteDeadline(time.Now().Add(time.Second))
		total, err := 0, error(nil)
		for err == nil && total < 1<<20 {
			var n int
			n, err = host.port.Write(chunk)
			total += n
		}
		if err == nil {
			t.Errorf("the modem took %d bytes that nobody read", total)
		}
		near.port.(port.LineController).SetLines(port.DTR, 0)
		host.awaitEnd(time.Second)
	})
}

func TestModemEndsWithItsPort(t *testing.T) {
	onFakeTime(t, func(t *testing.T, near *terminal, far *virtual.Port) {
		m, host := dialed(t, near, far, ModemConfig{}, Answer{})
		near.port.Close()
		<-m.Done()
		host.awaitEnd(time.Second)
		inside, outside := virtual.Pair()
		m.Ring(inside, 1)
		(&terminal{t: t, port: outside}).awaitEnd(time.Second)
		if m.Connected() {
			t.Error("connected after the end")
		}
		m.Close()
	})
}
