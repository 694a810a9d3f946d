package phonebook

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/modem"
)

// peer is an options file of pppd with those that it calls.
type peer struct {
	name    string
	options []option
	texts   map[string]*lint.Source // by file
}

// option is an option and its values.
type option struct {
	word
	values []word
}

const maxCalls = 10 // files inside files

// valueCounts are the options of pppd(8) that take values, and how many.
var valueCounts = func() map[string]int {
	counts := make(map[string]int)
	for _, name := range strings.Fields(`active-filter allow-ip allow-number asyncmap bsdcomp bundle ca call
		chap-interval chap-max-challenge chap-restart chap-timeout chapms-strip-domain child-timeout connect connect-delay
		cert crl crl-dir defaultroute-metric deflate disconnect domain eap-interval eap-max-rreq eap-restart eap-timeout endpoint
		escape file holdoff idle ifname init ip-down-script ip-up-script ipcp-max-configure ipcp-max-failure
		ipcp-max-terminate ipcp-restart ipparam ipv6 ipv6-down-script ipv6-up-script ipv6cp-max-configure ipv6cp-max-failure
		ipv6cp-max-terminate ipv6cp-restart ipx-network ipx-node ipx-router-name ipx-routing ipxcp-max-configure
		ipxcp-max-failure ipxcp-max-terminate kdebug key lcp-echo-failure lcp-echo-interval lcp-max-configure lcp-max-failure
		lcp-max-terminate lcp-restart linkname logfd logfile maxconnect maxfail maxoctets mo-direction mo-timeout mru mrru
		ms-dns ms-wins mtu multilink name need-peer-eap netmask pap-max-authreq pap-restart pap-timeout pass-filter password
		path plugin privgroup pty record remotename remotenumber set srp-interval srp-pn-secret stop-bits tls-verify-method unit
		unset user vj-max-slots welcome bufsize`) {
		counts[name] = 1
	}
	delete(counts, "multilink")
	return counts
}()

// flags are the options of pppd(8) without values.
var flags = func() map[string]bool {
	known := make(map[string]bool)
	for _, name := range strings.Fields(`auth noauth crtscts nocrtscts cdtrcts nocdtrcts xonxoff modem local lock nolock
		persist nopersist demand nodetach updetach detach nobsdcomp nodeflate novj novjccomp noaccomp nopcomp noccp ccp
		nomagic defaultroute nodefaultroute replacedefaultroute noreplacedefaultroute defaultroute6 nodefaultroute6 usepeerdns noipdefault proxyarp
		noproxyarp passive silent debug dump dryrun hide-password show-password sync noipv6 +ipv6 ipv6cp-use-ipaddr
		ipv6cp-use-persistent ipv6cp-accept-local ipv6cp-accept-remote ipcp-accept-local ipcp-accept-remote ipcp-no-address
		ipcp-no-addresses noremoteip nosendip login papcrypt require-pap require-chap require-mschap require-mschap-v2
		require-eap require-mppe require-mppe-40 require-mppe-128 nomppe nomppe-40 nomppe-128 nomppe-stateful mppe-stateful
		refuse-pap refuse-chap refuse-mschap refuse-mschap-v2 refuse-eap noip nodefault-asyncmap default-asyncmap default-mru
		nolog nologfd nomultilink mp nomp multilink mpshortseq nompshortseq noendpoint predictor1 nopredictor1 receive-all
		lcp-echo-adaptive ktune noktune notty +pap -pap +chap -chap +mschap +mschap-v2 -ip -vj -vjccomp -ac -pc -all -am -mn
		-mru -p -d -detach -bsdcomp -deflate -defaultroute -proxyarp -crtscts mtu noipx ipx eap-tls up_sdnotify allow-number
		master_detach usehostname nosystemip`) {
		known[name] = true
	}
	return known
}()

func (p *peer) read(found *findings, name, src string, fsys fs.FS, callers []string) {
	inner := &findings{file: name}
	all := pppdWords(inner, name, strings.TrimPrefix(src, "\ufeff"))
	text := lint.NewSource(name, maskedWords(strings.TrimPrefix(src, "\ufeff"), all))
	p.texts[name] = text
	defer func() {
		for _, f := range inner.list.Sorted() {
			f.Source = text.Line(f.Line)
			found.list.Add(f)
		}
	}()
	plugin := false
	for i := 0; i < len(all); i++ {
		o := option{word: all[i]}
		count, takes := valueCounts[o.text]
		for range count {
			if i+1 == len(all) {
				inner.errorf(o.line, o.col, "%s needs a value", o.text)
				break
			}
			i++
			o.values = append(o.values, all[i])
		}
		switch {
		case takes && len(o.values) < count:
		case o.text == "call" || o.text == "file":
			p.call(inner, o, fsys, append(callers, name))
		case takes || flags[o.text]:
			plugin = plugin || o.text == "plugin"
			p.options = append(p.options, o)
		case isDevice(o.text), isNumber(o.text), strings.Contains(o.text, ":") && !o.quoted:
			p.options = append(p.options, o)
		case strings.HasPrefix(o.text, "nic-") || strings.HasPrefix(o.text, "pppoe-") || o.text == "rp_pppoe_ac":
			p.options = append(p.options, o)
		default:
			near := words.Nearest(o.text, slices.Concat(slices.Sorted(maps.Keys(valueCounts)), slices.Sorted(maps.Keys(flags))))
			switch {
			case plugin:
				inner.warnf(o.line, o.col, "%q may be an option of a plugin: it is skipped", o.text)
			case near != "":
				inner.warnf(o.line, o.col, "pppd has no option %q: it is skipped, perhaps %s is meant", o.text, near)
			default:
				inner.warnf(o.line, o.col, "pppd has no option %q: it is skipped", o.text)
			}
			if near == "password" && i+1 < len(all) {
				i++ // its value, which no message must show
			}
		}
	}
}

// call reads the file of a call or file option.
func (p *peer) call(found *findings, o option, fsys fs.FS, callers []string) {
	name := o.values[0].text
	where, shown := strings.TrimPrefix(name, "/"), name
	if o.text == "call" {
		where, shown = path.Join("peers", name), path.Join("/etc/ppp/peers", name)
		if strings.HasPrefix(name, "/") || strings.Contains(name, "..") {
			found.errorf(o.line, o.col, "call %s: the name of a peer has no / in front and no ..", name)
			return
		}
	}
	switch {
	case fsys == nil:
		found.errorf(o.line, o.col, "%s %s: no other file is read here", o.text, name)
		return
	case len(callers) > maxCalls:
		found.errorf(o.line, o.col, "%s %s: files call each other more than %d deep", o.text, name, maxCalls)
		return
	}
	for _, c := range callers {
		if c == shown {
			found.errorf(o.line, o.col, "%s %s leads back to a file that is being read", o.text, name)
			return
		}
	}
	if _, again := p.texts[shown]; again {
		found.warnf(o.line, o.col, "%s %s: the file is read once, where it is called first", o.text, name)
		return
	}
	src, err := readFile(fsys, where)
	if err != nil {
		found.errorf(o.line, o.col, "%s %s: %v", o.text, name, err)
		return
	}
	p.read(found, shown, string(src), fsys, callers)
}

func isDevice(s string) bool {
	return strings.HasPrefix(s, "/dev/") || strings.HasPrefix(s, "tty") && len(s) > 3
}

func isNumber(s string) bool {
	n, err := strconv.ParseUint(s, 0, 31)
	return err == nil && n > 0
}

// infos implements entries. There is one.
func (p *peer) infos() []Info {
	i := Info{Name: p.name, Device: "modem", Line: 1}
	for _, o := range p.options {
		if isDevice(o.text) {
			i.Port = o.text
		}
	}
	i.Why = p.notSerial()
	if i.Why != "" {
		i.Device = "other"
	}
	return []Info{i}
}

// notSerial returns why the peer is no call over a serial line.
func (p *peer) notSerial() string {
	for _, o := range p.options {
		switch {
		case o.text == "plugin" && strings.Contains(o.values[0].text, "pppoe"), strings.HasPrefix(o.text, "nic-"), strings.HasPrefix(o.text, "pppoe-"):
			return fmt.Sprintf("not a serial peer: %s:%d: PPPoE", o.file, o.line)
		case o.text == "plugin" && (strings.Contains(o.values[0].text, "pptp") || strings.Contains(o.values[0].text, "l2tp")):
			return fmt.Sprintf("not a serial peer: %s:%d: a tunnel", o.file, o.line)
		case o.text == "sync":
			return fmt.Sprintf("not a serial peer: %s:%d: a synchronous line", o.file, o.line)
		case o.text == "pty":
			return fmt.Sprintf("not a serial peer: %s:%d: pty runs a program, and there is no line", o.file, o.line)
		}
	}
	return ""
}

// entry implements entries.
func (p *peer) entry(found *findings, cfg *EntryConfig, names []string) (*dialup.Entry, error) {
	if len(names) > 1 || len(names) == 1 && !strings.EqualFold(names[0], p.name) {
		return nil, &Error{Entry: strings.Join(names, " "), Code: ras.ErrCannotFindPhonebookEntry,
			Why: fmt.Sprintf("this file is the one peer %s", p.name)}
	}
	if why := p.notSerial(); why != "" {
		return nil, &Error{Entry: p.name, Code: ras.ErrUnknownDeviceType, Why: why}
	}
	b := peerEntry{found: found, cfg: cfg, peer: p, env: make(map[string]string), modem: true,
		entry: &dialup.Entry{Name: p.name, Params: ras.DialParams{EntryName: p.name}}}
	for _, o := range p.options {
		b.option(o)
	}
	return b.finish()
}

// peerEntry is an entry while its options are read.
type peerEntry struct {
	found *findings
	cfg   *EntryConfig
	peer  *peer
	entry *dialup.Entry

	mode    port.Mode
	device  string
	modem   bool // false: local
	lock    bool
	env     map[string]string
	command struct{ init, connect, welcome, disconnect option }
}

// at makes the findings those of the option's file.
func (b *peerEntry) at(o option) *findings {
	b.found.file, b.found.src = o.file, b.peer.texts[o.file]
	return b.found
}

func (b *peerEntry) option(o option) {
	value := ""
	if len(o.values) > 0 {
		value = o.values[0].text
	}
	number := func() int {
		n, err := strconv.ParseInt(value, 0, 32)
		if err != nil || n < 0 {
			b.at(o).errorf(o.line, o.col, "%s %q: not a number", o.text, value)
		}
		return int(max(n, 0))
	}
	e := b.entry
	switch o.text {
	case "init":
		b.command.init = o
	case "connect":
		b.command.connect = o
	case "welcome":
		b.command.welcome = o
	case "disconnect":
		b.command.disconnect = o
	case "crtscts", "-crtscts", "nocrtscts":
		switch {
		case o.text == "crtscts" && b.mode.Flow == port.FlowXONXOFF:
			b.mode.Flow = port.FlowBoth
		case o.text == "crtscts":
			b.mode.Flow = port.FlowRTSCTS
		default:
			b.mode.Flow = port.FlowNone
		}
	case "xonxoff":
		if b.mode.Flow == port.FlowRTSCTS {
			b.mode.Flow = port.FlowBoth
		} else {
			b.mode.Flow = port.FlowXONXOFF
		}
	case "cdtrcts":
		b.at(o).errorf(o.line, o.col, "DTR/CTS flow control is not possible here: use crtscts")
	case "modem":
		b.modem = true
	case "local":
		b.modem = false
	case "lock":
		b.lock = true
	case "nolock":
		b.lock = false
	case "stop-bits":
		switch value {
		case "1":
			b.mode.StopBits = port.StopOne
		case "2":
			b.mode.StopBits = port.StopTwo
		default:
			b.at(o).errorf(o.line, o.col, "stop-bits %q: use 1 or 2", value)
		}
	case "user":
		e.Params.UserName = value
		e.PPP = append(e.PPP, o.text, value)
	case "password":
		e.Params.Password = ras.Secret(value)
	case "persist":
		e.Persist = true
	case "nopersist":
		e.Persist = false
	case "idle":
		e.IdleTimeout = time.Duration(number()) * time.Second
		e.PPP = append(e.PPP, o.text, value)
	case "maxconnect":
		e.SessionTimeout = time.Duration(number()) * time.Second
		e.PPP = append(e.PPP, o.text, value)
	case "holdoff", "maxfail", "connect-delay", "child-timeout":
		number()
		b.at(o).warnf(o.line, o.col, "%s is not used here", o.text)
	case "demand":
		b.at(o).warnf(o.line, o.col, "demand is not used here: the call is made at once")
	case "set":
		name, text, ok := strings.Cut(value, "=")
		if !ok {
			b.at(o).errorf(o.line, o.col, "set needs NAME=VALUE")
		}
		b.env[name] = text
	case "unset":
		delete(b.env, value)
	case "nodetach", "updetach", "detach", "-detach", "debug", "dump", "dryrun", "logfile", "logfd", "record", "linkname",
		"hide-password", "show-password", "notty", "nolog":
		// pppd's own affairs
	default:
		switch {
		case isDevice(o.text):
			b.device = o.text
			if !strings.HasPrefix(b.device, "/") {
				b.device = "/dev/" + b.device
			}
		case isNumber(o.text):
			n, _ := strconv.ParseUint(o.text, 0, 31)
			b.mode.Baud = int(n)
		default:
			e.PPP = append(e.PPP, o.text)
			for _, v := range o.values {
				e.PPP = append(e.PPP, v.text)
			}
		}
	}
}

// finish makes the entry of what the options have set.
func (b *peerEntry) finish() (*dialup.Entry, error) {
	e := b.entry
	var err error
	if e.Port, err = b.cfg.mapPort(b.device); err != nil {
		return nil, &Error{Entry: e.Name, Code: ras.ErrPortNotFound, Why: err.Error()}
	}
	cfg := &port.Config{Mode: b.mode}
	if b.lock {
		cfg.LockDir = "/var/lock"
	}
	e.PortConfig = &portname.Config{Port: cfg}
	if b.cfg.Phone != "" {
		e.Params.PhoneNumber = b.cfg.Phone
	}
	if !b.modem {
		e.Carrier = &modem.CarrierConfig{Ignore: true}
		e.HangUp = []modem.Method{}
	} else {
		e.HangUp = []modem.Method{modem.DTR}
	}
	connect := b.executor(b.command.connect)
	before := b.executor(b.command.init)
	switch {
	case connect != nil && b.modem:
		before = sequence(before, script.ExecutorFunc(pulseDTR))
	case b.command.connect.text == "" && b.modem:
		// Wait for DCD, as pppd does with its option modem where it opens a
		// line that no connect script dials. On a port without modem lines it does nothing.
		none := script.ExecutorFunc(func(context.Context, *ras.Call) error { return nil })
		before = sequence(before, modem.WatchCarrier(none, &modem.CarrierConfig{Require: carrierWait, Step: "line", Text: modem.TextIgnore}))
	}
	e.Before = before
	e.Script = sequence(connect, b.executor(b.command.welcome))
	e.Disconnect = b.executor(b.command.disconnect)
	if connect == nil && b.found.list.Errors() == 0 {
		o := option{word: word{file: slices.Sorted(maps.Keys(b.peer.texts))[0]}}
		if len(b.peer.options) > 0 {
			o = b.peer.options[0]
		}
		text := "no connect: nothing is dialled, and the line is used as a direct one"
		if b.modem {
			text += ", whose carrier (DCD) is waited for: write local where it has none"
		}
		b.at(o).warnf(1, 1, "%s", text)
	}
	return e, nil
}

// sequence is script.Sequence of those that are there.
func sequence(list ...script.Executor) script.Executor {
	var some []script.Executor
	for _, e := range list {
		if e != nil {
			some = append(some, e)
		}
	}
	switch len(some) {
	case 0:
		return nil
	case 1:
		return some[0]
	}
	return script.Sequence(some...)
}
