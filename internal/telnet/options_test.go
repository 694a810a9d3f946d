package telnet

import (
	"math/rand/v2"
	"testing"
)

// TestOptionTable goes through the table of RFC 1143, section 7, for the peer's
// side, and through its mirror image for ours.
func TestOptionTable(t *testing.T) {
	type step struct {
		ask     int // 1 asks for on, -1 for off, 0 receives
		receive byte
		want    byte // the verb that is sent, 0 for none
	}
	tests := []struct {
		name    string
		allow   bool
		steps   []step
		enabled bool
	}{
		{"an offer that we take", true, []step{{receive: WILL, want: DO}, {receive: WILL}}, true},
		{"an offer that we decline", false, []step{{receive: WILL, want: DONT}, {receive: WILL, want: DONT}}, false},
		{"a refusal of what is off", true, []step{{receive: WONT}}, false},
		{"a request that is granted", false, []step{{ask: 1, want: DO}, {ask: 1}, {receive: WILL}}, true},
		{"a request that is refused", true, []step{{ask: 1, want: DO}, {receive: WONT}, {receive: WONT}}, false},
		{"what was on is withdrawn", true, []step{{receive: WILL, want: DO}, {receive: WONT, want: DONT}}, false},
		{"we withdraw", true, []step{{receive: WILL, want: DO}, {ask: -1, want: DONT}, {ask: -1}, {receive: WONT}}, false},
		{"we change our mind to off", false, []step{{ask: 1, want: DO}, {ask: -1}, {receive: WILL, want: DONT}, {receive: WONT}}, false},
		{"to off and the peer refuses", false, []step{{ask: 1, want: DO}, {ask: -1}, {receive: WONT}}, false},
		{"to off and on again", false, []step{{ask: 1, want: DO}, {ask: -1}, {ask: 1}, {receive: WILL}}, true},
		{"to on", true, []step{{receive: WILL, want: DO}, {ask: -1, want: DONT}, {ask: 1}, {receive: WONT, want: DO}, {receive: WILL}}, true},
		{"a no answered with a yes", true, []step{{receive: WILL, want: DO}, {ask: -1, want: DONT}, {receive: WILL}}, false},
		{"the same with a change of mind", true, []step{{receive: WILL, want: DO}, {ask: -1, want: DONT}, {ask: 1}, {receive: WILL}}, true},
	}
	mirror := map[byte]byte{WILL: DO, WONT: DONT, DO: WILL, DONT: WONT, 0: 0}
	for _, tt := range tests {
		for _, side := range []Side{Peer, Us} {
			var o Options
			if tt.allow {
				o.Allow(side, Echo)
			}
			for i, s := range tt.steps {
				receive, want := s.receive, s.want
				if side == Us {
					receive, want = mirror[receive], mirror[want]
				}
				var got byte
				if s.ask != 0 {
					got = o.Request(side, Echo, s.ask > 0)
				} else {
					got = o.Receive(receive, Echo)
				}
				if got != want {
					t.Errorf("%s, side %d, step %d: sent %d, want %d", tt.name, side, i, got, want)
				}
			}
			if o.Enabled(side, Echo) != tt.enabled || !o.Settled(side, Echo) {
				t.Errorf("%s, side %d: enabled %v, settled %v; want %v, true", tt.name, side, o.Enabled(side, Echo), o.Settled(side, Echo), tt.enabled)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	var o Options
	o.Request(Us, Binary, true)
	if o.Refused(Us, Binary) || o.Settled(Us, Binary) {
		t.Error("an option that is being asked for counts as refused or settled")
	}
	o.Receive(DONT, Binary)
	if !o.Refused(Us, Binary) {
		t.Error("an option that was refused does not count as refused")
	}
	o.Receive(DO, Binary)
	if o.Refused(Us, Binary) {
		t.Error("an option that the peer asks for counts as refused")
	}
}

// TestNoLoop has two instances with any policies ask for anything at any time,
// and cross on the wire. The verbs that they exchange are bounded by what was
// asked for, and in the end both sides agree.
func TestNoLoop(t *testing.T) {
	for seed := range uint64(2000) {
		exchanged, asked := converse(t, seed)
		if limit := 4 * asked; exchanged > limit {
			t.Fatalf("seed %d: %d requests led to %d verbs, want at most %d", seed, asked, exchanged, limit)
		}
	}
}

// converse returns how many verbs two instances exchanged, and how often a user
// of one asked for something.
func converse(t *testing.T, seed uint64) (exchanged, asked int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var ends [2]Options
	var wires [2][][2]byte // what is under way to each end
	opts := []byte{Binary, Echo, SGA, ComPort}
	for i := range ends {
		for _, opt := range opts {
			if r.IntN(2) == 0 {
				ends[i].Allow(Side(r.IntN(2)), opt)
			}
		}
	}
	post := func(to int, verb, opt byte) {
		if verb != 0 {
			wires[to] = append(wires[to], [2]byte{verb, opt})
			exchanged++
		}
	}
	for step := 0; step < 60 || len(wires[0])+len(wires[1]) > 0; step++ {
		if exchanged > 10_000 {
			t.Fatalf("seed %d: the negotiation loops", seed)
		}
		i := r.IntN(2)
		if step < 60 && r.IntN(3) == 0 {
			opt := opts[r.IntN(len(opts))]
			post(1-i, ends[i].Request(Side(r.IntN(2)), opt, r.IntN(2) == 0), opt)
			asked++
		} else if len(wires[i]) > 0 {
			m := wires[i][0]
			wires[i] = wires[i][1:]
			post(1-i, ends[i].Receive(m[0], m[1]), m[1])
		}
	}
	for _, opt := range opts {
		for i := range ends {
			if ends[i].Enabled(Us, opt) != ends[1-i].Enabled(Peer, opt) {
				t.Fatalf("seed %d: the two ends do not agree on option %d", seed, opt)
			}
		}
	}
	return exchanged, asked
}

// FuzzOptions feeds one instance anything: it answers each verb with one verb at
// most, and the same no twice in a row only if asked twice.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{WILL, 1, DO, 1, WONT, 1, DONT, 1, WILL, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		var o Options
		o.Allow(Us, Binary, SGA)
		o.Allow(Peer, Binary, Echo)
		for i := 0; i+1 < len(in); i += 2 {
			verb, opt := WILL+in[i]%4, in[i+1]
			reply := o.Receive(verb, opt)
			if (verb == WONT || verb == DONT) && (reply == WILL || reply == DO) {
				t.Errorf("%d %d was answered with %d although nothing was asked for", verb, opt, reply)
			}
			if answers := verb == WILL || verb == WONT; reply != 0 && answers != (reply == DO || reply == DONT) {
				t.Errorf("%d was answered with %d, which is about the other side", verb, reply)
			}
		}
	})
}
