package phonebook

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/lint"
)

// pbk is a rasphone.pbk ([MS-RRASM] 2.2.2).
type pbk struct {
	list []*pbkEntry
}

// pbkEntry is an entry: its own keys and its media.
type pbkEntry struct {
	name  string
	line  int
	keys  group
	media []*pbkMedia
}

// pbkMedia is a MEDIA group with its devices, in order.
type pbkMedia struct {
	kind    string
	keys    group
	devices []*pbkDevice
}

// pbkDevice is a DEVICE group with its numbers.
type pbkDevice struct {
	kind   string
	line   int
	keys   group
	phones []group
}

// group holds the keys of a group.
type group struct {
	line int
	keys map[string]setting // by folded name
}

// add keeps the first value of a key.
func (g *group) add(found *findings, key, value string, line int) {
	if g.keys == nil {
		g.keys = make(map[string]setting)
	}
	folded := lint.Fold(key)
	if first, ok := g.keys[folded]; ok {
		if !continued[folded] {
			found.warnf(line, 1, "%s is set in line %d already, which holds", key, first.line)
		}
		return
	}
	g.keys[folded] = setting{key, value, line, len(key) + 2}
}

// continued are the keys whose values take several lines.
var continued = map[string]bool{"customauthdata": true, "nrptrules": true, "trustednetworks": true}

func (g *group) text(key string) string { return g.keys[lint.Fold(key)].value }

// code returns the value of a key that is one of some numbers, without the spaces
// around it.
func (g *group) code(key string) string { return strings.TrimSpace(g.text(key)) }

// number reads a decimal number; nothing is the default. -1 is what some programs
// write for none.
func (g *group) number(found *findings, key string, otherwise int) int {
	v, ok := g.keys[lint.Fold(key)]
	text := strings.TrimSpace(v.value)
	if !ok || text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < -1 {
		found.errorf(v.line, v.col, "%s=%s is not a number from 0 to %d", v.key, v.value, math.MaxInt32)
		return otherwise
	}
	return int(n)
}

const (
	maxPBKLine    = 64 << 10
	maxPBKEntries = 10000
)

// deviceTypes are the types of DEVICE groups.
var deviceTypes = []string{"modem", "switch", "pad", "null", "serial", "isdn", "vpn", "pppoe", "rastapi", "x25", "atm", "framerelay", "irda",
	"generic", "parallel", "sonet", "sw56"}

// phoneKeys belong to the number above them.
var phoneKeys = []string{"areacode", "countrycode", "countryid", "usedialingrules", "comment", "friendlyname"}

func parsePBK(found *findings, src []byte, codePage int) *pbk {
	p := new(pbk)
	var e *pbkEntry
	var m *pbkMedia
	var d *pbkDevice
	inPhone := false
	n := 0
	for text := range strings.Lines(strings.TrimPrefix(string(src), "\ufeff")) {
		n++
		text = strings.TrimRight(text, "\r\n")
		if len(text) > maxPBKLine {
			found.errorf(n, 1, "the line is longer than 64 KiB, which no phone book has")
			return p
		}
		key, value, pair := strings.Cut(text, "=")
		folded := lint.Fold(strings.TrimSpace(key))
		switch {
		case strings.TrimSpace(text) == "":
		case strings.HasPrefix(text, "[") && strings.Contains(text, "]"):
			e = &pbkEntry{name: text[1:strings.LastIndexByte(text, ']')], line: n}
			m, d, inPhone = nil, nil, false
			if p.list = append(p.list, e); len(p.list) > maxPBKEntries {
				found.errorf(n, 1, "more than %d entries", maxPBKEntries)
				return p
			}
		case !pair:
			found.warnf(n, 1, "neither [name] nor key=value: skipped")
		case text[0] == ';' || text[0] == '#':
			found.warnf(n, 1, "a phone book has no comments: skipped")
		case e == nil:
			found.warnf(n, 1, "before any entry: skipped")
		case folded == "media":
			m, d, inPhone = &pbkMedia{kind: lint.Fold(strings.TrimSpace(value)), keys: group{line: n}}, nil, false
			e.media = append(e.media, m)
		case folded == "device" && m != nil:
			kind := lint.Fold(strings.TrimSpace(value))
			if d == nil && key != "DEVICE" && !slices.Contains(deviceTypes, kind) {
				m.keys.add(found, "Device", value, n) // the name of the modem
				break
			}
			d, inPhone = &pbkDevice{kind: kind, line: n}, false
			m.devices = append(m.devices, d)
		case folded == "phonenumber" && d != nil:
			g := group{line: n}
			g.add(found, "PhoneNumber", value, n)
			d.phones = append(d.phones, g)
			inPhone = true
		case inPhone && slices.Contains(phoneKeys, folded):
			d.phones[len(d.phones)-1].add(found, key, value, n)
		case d != nil:
			inPhone = false
			d.keys.add(found, key, value, n)
		case m != nil:
			m.keys.add(found, key, value, n)
		default:
			e.keys.add(found, key, value, n)
		}
	}
	p.check(found, cmp.Or(codePage, 1252))
	return p
}

// check decodes the names and values, and reports names that occur twice. Those that
// are no valid UTF-8 are in the code page.
func (p *pbk) check(found *findings, codePage int) {
	seen := make(map[string]int)
	for _, e := range p.list {
		e.name = decode(e.name, codePage)
		for _, g := range e.groups(e.media...) {
			for key, v := range g.keys {
				v.value = decode(v.value, codePage)
				g.keys[key] = v
			}
		}
		folded := strings.ToLower(e.name)
		if first, ok := seen[folded]; ok {
			found.warnf(e.line, 1, "there is an entry %q in line %d already, which is used", e.name, first)
			continue
		}
		seen[folded] = e.line
	}
	if len(p.list) == 0 {
		found.errorf(1, 1, "no [entry]")
	}
}

// decode returns the text of a code page as UTF-8; what is valid UTF-8 is that
// already.
func decode(b string, codePage int) string {
	if utf8.ValidString(b) {
		return b
	}
	var out strings.Builder
	for i := range len(b) {
		c := b[i]
		if c >= 0x80 && c < 0xA0 && codePage != 28591 {
			out.WriteRune(windows1252[c-0x80])
		} else {
			out.WriteRune(rune(c))
		}
	}
	return out.String()
}

// windows1252 are the characters 0x80 to 0x9F of the code page.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}

// find returns the entry of a name, an exact match rather than one in other letter
// case.
func (p *pbk) find(name string) (*pbkEntry, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, e := range p.list {
			if same(e.name, name) {
				return e, nil
			}
		}
	}
	names := make([]string, len(p.list))
	for i, e := range p.list {
		names[i] = e.name
	}
	why := fmt.Sprintf("no entry %q", name)
	begin := slices.IndexFunc(names, func(s string) bool { return len(s) > len(name) && strings.EqualFold(s[:len(name)], name) })
	switch near := words.Nearest(name, names); {
	case begin >= 0:
		why += fmt.Sprintf("; there is %q: quote a name with spaces", names[begin])
	case near != "":
		why += fmt.Sprintf("; there is %q", near)
	default:
		why += "; there is: " + listed(names)
	}
	return nil, &Error{Code: ras.ErrCannotFindPhonebookEntry, Why: why}
}

// infos implements entries.
func (p *pbk) infos() (out []Info) {
	for _, e := range p.list {
		i := Info{Name: e.name, Line: e.line}
		m, d, err := e.serial("")
		switch {
		case err != nil:
			i.Why = err.(*Error).Why
			if len(e.media) > 0 && len(e.media[0].devices) > 0 {
				i.Device = e.media[0].devices[0].kind
			}
		default:
			i.Device, i.Port = d.kind, m.keys.text("Port")
			if len(d.phones) > 0 {
				i.Number = d.phones[0].text("PhoneNumber")
			}
		}
		out = append(out, i)
	}
	return out
}

// groups returns the groups of keys that are the entry's and those of media.
func (e *pbkEntry) groups(media ...*pbkMedia) []*group {
	all := []*group{&e.keys}
	for _, m := range media {
		all = append(all, &m.keys)
		for _, d := range m.devices {
			all = append(all, &d.keys)
			for i := range d.phones {
				all = append(all, &d.phones[i])
			}
		}
	}
	return all
}

// serial returns the first media that is a serial line, and the device in it that
// is dialled with or leads to the peer.
func (e *pbkEntry) serial(file string) (*pbkMedia, *pbkDevice, error) {
	fail := func(code ras.Code, line int, format string, args ...any) error {
		place := fmt.Sprintf("line %d", line)
		if file != "" {
			place = fmt.Sprintf("%s:%d", file, line)
		}
		return &Error{Entry: e.name, Code: code, Why: place + ": " + fmt.Sprintf(format, args...)}
	}
	if len(e.media) == 0 {
		return nil, nil, fail(ras.ErrCorruptPhonebook, e.line, "the entry has no MEDIA")
	}
	for _, m := range e.media {
		for _, d := range m.devices {
			main := slices.Contains([]string{"modem", "null", "serial", "pad"}, d.kind)
			if main && (m.kind == "serial" || m.kind == "rastapi" && d.kind == "modem") {
				return m, d, nil
			}
		}
		if m.kind == "serial" && len(m.devices) > 0 && !slices.ContainsFunc(m.devices, func(d *pbkDevice) bool { return d.kind != "switch" }) {
			return m, m.devices[0], nil
		}
	}
	m := e.media[0]
	if len(m.devices) == 0 {
		return nil, nil, fail(ras.ErrCorruptPhonebook, m.keys.line, "MEDIA=%s has no DEVICE", m.kind)
	}
	name := cmp.Or(m.keys.text("Device"), m.keys.text("Port"), m.kind)
	return nil, nil, fail(ras.ErrUnknownDeviceType, m.devices[0].line, "not a serial dial-up entry: DEVICE=%s (%s)", m.devices[0].kind, name)
}
