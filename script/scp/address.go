package scp

import "net/netip"

// address finds IPv4 addresses in a stream: four groups of one to three digits
// up to 255, joined by single dots, with no digit, letter or dot at either
// end, save a full stop that no digit follows.
type address struct {
	last []byte // the address found last
	rest []byte // what was fed after it

	text   []byte // of the address at hand
	group  int    // 0 to 3
	digits int    // of the group
	value  int    // of the group
	dead   bool   // what touches this byte is no address
	stop   bool   // a dot has followed four groups
}

// full reports whether what was fed ends with an address that may or may not
// continue.
func (a *address) full() bool { return !a.dead && a.group == 3 && a.digits > 0 }

// feed takes a byte and reports whether it shows that an address has ended
// before it.
func (a *address) feed(c byte) bool {
	word := isDigit(c) || c == '.' || c != '_' && isLetter(c)
	switch {
	case a.full() && a.stop && !isDigit(c):
		a.found('.', c)
		a.dead = word
		return true
	case a.full() && !word:
		a.found(c)
		return true
	case !word:
		a.reset()
	case a.dead:
	case isDigit(c):
		a.digits++
		a.value = a.value*10 + int(c-'0')
		a.text = append(a.text, c)
		a.dead = a.stop || a.digits > 3 || a.value > 255
	case c == '.':
		switch {
		case a.digits == 0:
			a.dead = true
		case a.group == 3:
			a.stop = true
		default:
			a.group++
			a.digits, a.value = 0, 0
			a.text = append(a.text, '.')
		}
	default:
		a.dead = true
	}
	return false
}

// silence ends the address at hand. What follows touches it.
func (a *address) silence() {
	if a.stop {
		a.found('.')
	} else {
		a.found()
	}
	a.dead = true
}

// found notes the address at hand and what followed it.
func (a *address) found(rest ...byte) {
	a.last = append(a.last[:0], a.text...)
	a.rest = append(a.rest[:0], rest...)
	a.reset()
}

func (a *address) reset() {
	a.text = a.text[:0]
	a.group, a.digits, a.value, a.dead, a.stop = 0, 0, 0, false, false
}

// parseAddress reads a text that is one address and nothing else.
func parseAddress(s string) (netip.Addr, bool) {
	var a address
	for i := 0; i < len(s); i++ {
		if a.feed(s[i]) || a.dead || a.stop || !isDigit(s[i]) && s[i] != '.' {
			return netip.Addr{}, false
		}
	}
	if !a.full() {
		return netip.Addr{}, false
	}
	var octets [4]byte
	i := 0
	for _, c := range a.text {
		if c == '.' {
			i++
		} else {
			octets[i] = octets[i]*10 + c - '0'
		}
	}
	return netip.AddrFrom4(octets), true
}
