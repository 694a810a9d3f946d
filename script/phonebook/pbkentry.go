package phonebook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scriptfile"
	"github.com/rasline/rasline/script/switchinf"
)

// entry implements entries.
func (p *pbk) entry(found *findings, cfg *EntryConfig, names []string) (*dialup.Entry, error) {
	var err error
	var e *pbkEntry
	switch {
	case len(names) == 0 && len(p.list) == 1:
		e = p.list[0]
	case len(names) == 0:
		return nil, &Error{Code: ras.ErrCannotFindPhonebookEntry, Why: "the phone book has several entries: name one"}
	default:
		if e, err = p.find(strings.Join(names, " ")); err != nil {
			return nil, err
		}
	}
	b := &pbkBuilder{found: found, cfg: cfg, in: e,
		entry: &dialup.Entry{Name: e.name, Params: ras.DialParams{EntryName: e.name}}}
	if b.media, b.main, err = e.serial(found.file); err != nil {
		return nil, err
	}
	if err := b.unsupported(); err != nil {
		return nil, err
	}
	if len(e.media) > 1 {
		found.warnf(e.media[1].keys.line, 1, "lines are not bundled: the first serial one is used alone")
	}
	b.line()
	before, after, pad := b.order()
	b.entry.Before = b.switched(before)
	post := b.switched(after)
	if b.main.kind == "modem" {
		b.dial()
	}
	b.entry.Script = sequence(b.pad(pad), post, b.dll())
	b.rest()
	b.unused()
	return b.entry, nil
}

// pbkBuilder is an entry while its keys are read.
type pbkBuilder struct {
	found *findings
	cfg   *EntryConfig
	in    *pbkEntry
	media *pbkMedia
	main  *pbkDevice
	entry *dialup.Entry
}

// unsupported refuses what replaces the dialler or is no PPP.
func (b *pbkBuilder) unsupported() error {
	keys := &b.in.keys
	refuse := func(key, why string) error {
		v := keys.keys[lint.Fold(key)]
		return &Error{Entry: b.in.name, Code: ras.ErrUnknownDeviceType,
			Why: fmt.Sprintf("%s:%d: %s=%s: %s", b.found.file, v.line, v.key, v.value, why)}
	}
	switch {
	case keys.text("CustomDialDll") != "":
		return refuse("CustomDialDll", "a DLL that replaces the dialler is not supported")
	case keys.text("PrerequisiteEntry") != "":
		return refuse("PrerequisiteEntry", "an entry that needs another one first is not supported")
	}
	switch keys.code("BaseProtocol") {
	case "", "1", "2":
	default:
		return refuse("BaseProtocol", "neither PPP (1) nor SLIP (2)")
	}
	if keys.code("Type") == "2" {
		return refuse("Type", "not a serial dial-up entry: a VPN")
	}
	return nil
}

// line sets the port and its mode.
func (b *pbkBuilder) line() {
	e := b.entry
	name, device := strings.TrimSpace(b.media.keys.text("Port")), b.media.keys.text("Device")
	name = cmp.Or(name, strings.TrimSpace(b.in.keys.text("PreferredPort")))
	device = cmp.Or(device, b.in.keys.text("PreferredDevice"))
	var err error
	if e.Port, err = b.cfg.mapPort(name, device); err != nil {
		v := b.media.keys.keys["port"]
		b.found.errorf(max(v.line, b.media.keys.line), max(v.col, 1), "%v", err)
	}
	mode := port.Mode{Baud: 115200, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowRTSCTS}
	if n := b.media.keys.number(b.found, "ConnectBPS", 0); n > 0 {
		mode.Baud = n
	} else if n := b.in.keys.number(b.found, "PreferredBps", 0); n > 0 {
		mode.Baud = n
	}
	if b.main.keys.number(b.found, "HwFlowControl", b.in.keys.number(b.found, "PreferredHwFlow", 1)) == 0 {
		mode.Flow = port.FlowNone
	}
	e.PortConfig = &portname.Config{Port: &port.Config{Mode: mode}}
}

// order sorts the devices: a switch before the modem, a PAD and a switch after it.
func (b *pbkBuilder) order() (before, after, pad *pbkDevice) {
	wrong := func(d *pbkDevice) {
		b.found.errorf(d.line, 1, "entry %s: the devices are out of order: a switch before the modem, a PAD and a switch after it", b.in.name)
	}
	only := b.main.kind == "switch"
	var switches []*pbkDevice
	seen := false
	for _, d := range b.media.devices {
		switch {
		case only:
			switches = append(switches, d)
		case d == b.main:
			seen = true
			if d.kind == "pad" {
				pad = d
			}
		case d.kind == "switch" && !seen:
			if before != nil {
				wrong(d)
			}
			before = d
		case d.kind == "switch":
			if after != nil {
				wrong(d)
			}
			after = d
		case d.kind == "pad" && seen && pad == nil && after == nil:
			pad = d
		default:
			wrong(d)
		}
	}
	switch {
	case len(switches) == 1:
		after = switches[0]
		b.found.warnf(after.line, 1, "no modem beside the switch: its script is run on the open line")
	case len(switches) == 2:
		before, after = switches[0], switches[1]
	case len(switches) > 2:
		wrong(switches[2])
	}
	return before, after, pad
}

// switched returns the script of a switch group, and the user's terminal where the
// group requires it; nil if it has neither.
func (b *pbkBuilder) switched(d *pbkDevice) script.Executor {
	if d == nil {
		return nil
	}
	name, terminal := "", d.keys.code("Terminal") == "1"
	var at setting
	for _, key := range []string{"Name", "Type", "Script"} {
		v := strings.TrimSpace(d.keys.text(key))
		switch strings.ToLower(v) {
		case "terminal":
			terminal = terminal || key != "Script"
			continue
		case "", "0", "1", "none":
			continue
		}
		if name == "" {
			name, at = v, d.keys.keys[lint.Fold(key)]
		}
	}
	switch flag := d.keys.code("Script"); {
	case flag == "0" && name != "":
		b.found.warnf(d.keys.keys["script"].line, 1, "Script=0 switches the script %s off", name)
		name = ""
	case flag == "1" && name == "":
		b.found.errorf(d.keys.keys["script"].line, 1, "Script=1, but the group names no script")
	}
	if name == "" {
		if terminal {
			return userTerminal{}
		}
		return nil
	}
	if strings.HasSuffix(strings.ToLower(name), ".scp") || strings.ContainsAny(name, `\/`) || len(name) > 1 && name[1] == ':' {
		// A script file is loaded by the last part of its path.
		if strings.Contains(name, "..") {
			b.found.errorf(at.line, at.col, "the script %s has .. in its path, which is not followed", name)
			return nil
		}
		base := path.Base(strings.ReplaceAll(name, `\`, "/"))
		src, where, err := b.lookUp(base)
		if err != nil {
			b.found.errorf(at.line, at.col, "script %s: %v", name, err)
			return nil
		}
		s, err := scriptfile.Load(where, src, nil)
		if err != nil {
			b.found.errorf(at.line, at.col, "script %s: %v", where, err)
			return nil
		}
		return s.Executor()
	}
	section := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	return b.section("switch.inf", section, at, nil)
}

// userTerminal joins the user and the line until the user leaves.
type userTerminal struct{}

// NeedsTerminal makes a dial without a terminal fail before it begins.
func (userTerminal) NeedsTerminal() bool { return true }

func (userTerminal) Execute(ctx context.Context, call *ras.Call) error {
	if call.Terminal == nil {
		return &script.Error{Op: "terminal", Err: &ras.Error{Code: ras.ErrInteractiveMode, Err: errors.New("the entry asks for a terminal, and there is none")}}
	}
	d := script.NewDialog(call, nil)
	defer d.Close()
	return d.Interact(ctx, call.Terminal, nil)
}

// section returns a section of SWITCH.INF or PAD.INF.
func (b *pbkBuilder) section(file, section string, at setting, cfg *switchinf.Config) script.Executor {
	src, where, err := b.lookUp(file)
	if err != nil {
		b.found.errorf(at.line, at.col, "section [%s]: %v", section, err)
		return nil
	}
	f, err := switchinf.Parse(where, src)
	if err == nil {
		var e script.Executor
		if e, err = f.Executor(section, cfg); err == nil {
			return e
		}
	}
	b.found.errorf(at.line, at.col, "section [%s]: %v", section, err)
	return nil
}

// lookUp reads a file of the directory for scripts, or of ras below it, by its name in
// any letter case.
func (b *pbkBuilder) lookUp(base string) (src []byte, where string, err error) {
	if b.cfg.Scripts == nil {
		return nil, "", errors.New("no directory for scripts is given")
	}
	for _, dir := range []string{".", "ras"} {
		list, _ := fs.ReadDir(b.cfg.Scripts, dir)
		for _, f := range list {
			if strings.EqualFold(f.Name(), base) && !f.IsDir() {
				where = path.Join(dir, f.Name())
				src, err = readFile(b.cfg.Scripts, where)
				return src, where, err
			}
		}
	}
	return nil, "", fmt.Errorf("there is no %s in the directory for scripts, nor in ras below it", base)
}

// dial sets up the dialler.
func (b *pbkBuilder) dial() {
	numbers := b.numbers()
	d := &modem.Dialer{Config: &modem.Config{}, Numbers: numbers}
	if b.main.keys.code("Speaker") == "0" {
		d.Init = []string{"ATZ", "ATQ0V1E1", "ATM0"}
	}
	if len(numbers) > 1 && b.main.keys.number(b.found, "TryNextAlternateOnFail", 1) == 0 {
		d.Numbers = numbers[:1]
	}
	tries := b.in.keys.number(b.found, "RedialAttempts", 0)
	if tries < 0 || tries > 999999999 {
		v := b.in.keys.keys["redialattempts"]
		b.found.errorf(v.line, v.col, "RedialAttempts=%d: use 0 to 999999999", tries)
		tries = 0
	}
	if n := len(d.Numbers); n > 0 {
		d.Redial.Attempts = min(tries+1, math.MaxInt32/n) * n
		b.entry.Params.PhoneNumber = d.Numbers[0]
	}
	switch seconds := b.in.keys.number(b.found, "RedialSeconds", 60); {
	case seconds > 0:
		d.Redial.RoundPause = time.Duration(seconds) * time.Second
	case seconds == 0:
		d.Redial.RoundPause = -1 // none, and for a negative number that of package modem
	}
	b.entry.Dialer = d
}

// numbers returns what is dialled, the first number and its alternates.
func (b *pbkBuilder) numbers() (out []string) {
	if b.cfg.Phone != "" {
		return []string{b.cfg.Phone}
	}
	var here location
	if b.cfg.Location != "" {
		var err error
		if here, err = parseLocation(b.cfg.Location); err != nil {
			b.found.errorf(b.in.line, 1, "%v", err)
		}
	}
	phones := b.main.phones
	if kind := b.in.keys.code("Type"); kind != "" && kind != "1" && len(phones) > 1 {
		b.found.warnf(phones[1].line, 1, "only an entry of Type=1 has alternate numbers: they are not used")
		phones = phones[:1]
	}
	for i, g := range phones {
		v := g.keys["phonenumber"]
		code := func(key string) string { // NT 4 has one set an entry
			if _, ok := g.keys[lint.Fold(key)]; ok {
				return g.code(key)
			}
			return b.in.keys.code(key)
		}
		rules := cmp.Or(g.code("UseDialingRules"), b.in.keys.code("UseCountryAndAreaCodes"))
		number, err := here.dial(v.value, code("CountryCode"), code("AreaCode"), rules == "1")
		if err == nil {
			_, err = modem.CheckNumber(number)
		}
		switch {
		case v.value == "" && i > 0:
		case err != nil:
			b.found.errorf(v.line, v.col, "PhoneNumber: %v", err)
		default:
			out = append(out, number)
		}
	}
	if len(out) == 0 && b.found.list.Errors() == 0 {
		b.found.errorf(b.main.line, 1, "the entry has no PhoneNumber: give one")
	}
	return out
}

// location are the dialling rules of a place.
type location struct{ country, area, trunk, international string }

func parseLocation(s string) (l location, err error) {
	parts := strings.Split(s, ",")
	for i, part := range parts {
		if i >= 4 || part == "" && i == 0 || strings.Trim(part, "0123456789") != "" {
			return l, fmt.Errorf("location %q: write COUNTRY[,AREA[,TRUNK[,INTERNATIONAL]]] in digits, such as 49,30,0,00", s)
		}
		*[]*string{&l.country, &l.area, &l.trunk, &l.international}[i] = part
	}
	if l.international == "" {
		l.international = "00"
	}
	return l, nil
}

// dial returns the number to dial from the location.
func (l location) dial(number, country, area string, rules bool) (string, error) {
	if i := strings.IndexAny(number, "^|"); i >= 0 {
		return "", fmt.Errorf("%q has an ISDN sub-address, which a modem cannot dial", number)
	}
	canonical := false
	if rest, ok := strings.CutPrefix(strings.TrimSpace(number), "+"); ok { // +1 (425) 555-0100
		before, after, found := strings.Cut(rest, "(")
		inner, local, closed := strings.Cut(after, ")")
		switch {
		case found && closed:
			country, area, number, canonical = strings.TrimSpace(before), strings.TrimSpace(inner), strings.TrimSpace(local), true
		case rules:
			return "", fmt.Errorf("%q has no area code in brackets: write +COUNTRY (AREA) NUMBER", number)
		}
	}
	if !rules && !canonical {
		return number, nil
	}
	if l.country == "" {
		return "", fmt.Errorf("the number needs dialling rules: give the location, or the number to dial")
	}
	switch {
	case country == "" || country == "0" || country == l.country && area == l.area:
		return number, nil
	case country == l.country:
		return l.trunk + area + number, nil
	}
	return l.international + country + area + number, nil
}

// pad returns the step that dials through an X.25 PAD.
func (b *pbkBuilder) pad(d *pbkDevice) script.Executor {
	if d == nil {
		return nil
	}
	at := d.keys.keys["x25pad"]
	if at.value == "" || d.keys.text("X25Address") == "" {
		b.found.errorf(d.line, 1, "a PAD needs X25Pad and X25Address")
		return nil
	}
	return b.section("pad.inf", at.value, at, &switchinf.Config{
		X25Address: d.keys.text("X25Address"), UserData: d.keys.text("UserData"), Facilities: d.keys.text("Facilities"),
	})
}

// dll returns the machine's custom-scripting DLL if the entry requires it.
func (b *pbkBuilder) dll() script.Executor {
	v := b.in.keys.keys["customscript"]
	if b.in.keys.code("CustomScript") != "1" {
		return nil
	}
	if b.cfg.DLL == "" {
		b.found.errorf(v.line, v.col, "CustomScript=1: the DLL is not in the phone book: give it")
		return nil
	}
	s, err := scriptfile.Load(b.cfg.DLL, nil, &scriptfile.Config{Language: "dll"})
	if err != nil {
		b.found.errorf(v.line, v.col, "CustomScript=1: %v", err)
		return nil
	}
	return s.Executor()
}

// slipAddress sets the own address of an entry for SLIP, as a script's set ipaddr does.
func (b *pbkBuilder) slipAddress() {
	v := b.in.keys.keys["slipipaddress"]
	if isNone(v.value) {
		return
	}
	a, err := netip.ParseAddr(strings.TrimSpace(v.value))
	if err != nil {
		b.found.errorf(v.line, v.col, "SlipIpAddress=%s is no address", v.value)
		return
	}
	set := script.ExecutorFunc(func(_ context.Context, call *ras.Call) error {
		call.SetIPAddr(a)
		return nil
	})
	b.entry.Script = sequence(set, b.entry.Script)
}

// rest reads the remaining keys of the entry.
func (b *pbkBuilder) rest() {
	e, keys := b.entry, &b.in.keys
	if n := keys.number(b.found, "IdleDisconnectSeconds", 0); n > 0 {
		e.IdleTimeout = time.Duration(n) * time.Second
	}
	e.Persist = keys.code("RedialOnLinkFailure") == "1"
	if keys.code("AutoLogon") == "1" {
		e.Script = sequence(checked{script.ExecutorFunc(func(context.Context, *ras.Call) error { return nil }), []string{"UserName"}}, e.Script)
		b.found.warnf(keys.keys["autologon"].line, 1, "AutoLogon=1: there is no logged-on user here, so a name and a password must be given")
	}
	if v := keys.keys["callbackmode"]; !isNone(v.value) {
		b.found.warnf(v.line, v.col, "a callback is PPP's business: it is left to pppd")
	}
	if keys.code("BaseProtocol") == "2" {
		v := keys.keys["baseprotocol"]
		b.found.warnf(v.line, v.col, "the entry is for SLIP: the program that gets the line must speak it")
		b.slipAddress()
	}
	if keys.code("IpAssign") == "2" {
		v := keys.keys["ipaddress"]
		if a, err := netip.ParseAddr(strings.TrimSpace(v.value)); err != nil {
			b.found.errorf(max(v.line, b.in.line), v.col, "IpAddress=%s is no address", v.value)
		} else {
			e.PPP = append(e.PPP, a.String()+":")
		}
	} else {
		e.PPP = append(e.PPP, "noipdefault")
	}
	if keys.code("IpPrioritizeRemote") != "0" {
		e.PPP = append(e.PPP, "defaultroute")
	}
	if keys.code("IpNameAssign") != "2" {
		e.PPP = append(e.PPP, "usepeerdns")
	}
	if keys.code("IpHeaderCompression") == "0" {
		e.PPP = append(e.PPP, "novj")
	}
	if m := keys.keys["customauthkey"]; !isNone(m.value) {
		b.found.warnf(m.line, m.col, "EAP is PPP's business: it is left to pppd")
	}
}
