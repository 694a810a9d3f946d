package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
)

// Monitor is a connection to qemu's machine protocol (QMP). Use it from one
// goroutine at a time.
type Monitor struct {
	conn   net.Conn
	in     *json.Decoder
	ready  bool
	events []string // that arrived while an answer was awaited
}

func newMonitor(c net.Conn) *Monitor { return &Monitor{conn: c, in: json.NewDecoder(c)} }

// message is what qemu sends: an answer, an event or a greeting.
type message struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// Run carries out a command and returns when qemu has answered it.
func (m *Monitor) Run(ctx context.Context, command string, arguments map[string]any) error {
	defer m.bind(ctx)()
	if !m.ready {
		if _, err := m.next(); err != nil { // the greeting
			return fmt.Errorf("qemu's monitor: %w", err)
		}
		m.ready = true
		if err := m.execute("qmp_capabilities", nil); err != nil {
			return err
		}
	}
	return m.execute(command, arguments)
}

// Await returns when an event of that name has arrived since the last Await.
func (m *Monitor) Await(ctx context.Context, event string) error {
	defer m.bind(ctx)()
	for {
		for i, e := range m.events {
			if e == event {
				m.events = m.events[i+1:]
				return nil
			}
		}
		msg, err := m.next()
		if err != nil {
			return fmt.Errorf("wait for %s: %w", event, err)
		}
		m.note(msg)
	}
}

// bind ends what blocks on the connection with ctx until the function that it
// returns is called.
func (m *Monitor) bind(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { m.conn.Close() })
	return func() { stop() }
}

func (m *Monitor) execute(command string, arguments map[string]any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for {
		msg, err := m.next()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", command, err)
		case msg.Error != nil:
			return fmt.Errorf("%s: %s", command, msg.Error.Desc)
		case msg.Return != nil:
			return nil
		}
		m.note(msg)
	}
}

func (m *Monitor) next() (message, error) {
	var msg message
	err := m.in.Decode(&msg)
	return msg, err
}

func (m *Monitor) note(msg message) {
	if msg.Event != "" {
		m.events = append(m.events, msg.Event)
	}
}
