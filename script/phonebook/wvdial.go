package phonebook

import (
	"cmp"
	"fmt"
	"maps"
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

// wvdial is a wvdial.conf.
type wvdial struct {
	sections map[string]*section // by folded name
	order    []*section
}

// section is a section of a wvdial.conf.
type section struct {
	name string
	line int
	keys map[string]setting // by folded name
}

// setting is the value of a key and its place.
type setting struct {
	key, value string
	line, col  int // of the value; line 0: EntryConfig.Set
}

const dialer = "dialer "

// parseWvdial reads sections and keys (wvdial.conf(5)): the later of two values
// wins, and comments are whole lines.
func parseWvdial(found *findings, src []byte) *wvdial {
	w := &wvdial{sections: make(map[string]*section)}
	var now *section
	warned := false
	n := 0
	for text := range strings.Lines(strings.TrimPrefix(string(src), "\ufeff")) {
		n++
		text = strings.TrimRight(text, "\r\n")
		line := strings.TrimSpace(text)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			name := strings.TrimSpace(line[1 : len(line)-1])
			if now = w.sections[lint.Fold(name)]; now == nil {
				now = &section{name: name, line: n, keys: make(map[string]setting)}
				w.sections[lint.Fold(name)] = now
				w.order = append(w.order, now)
			}
		case !strings.Contains(line, "="):
			found.warnf(n, 1, "neither [section] nor key = value: skipped")
		case now == nil:
			if !warned {
				found.warnf(n, 1, "before any section, so it is ignored: put [Dialer Defaults] above it")
				warned = true
			}
		default:
			key, value, _ := strings.Cut(text, "=")
			col := len(key) + 2 + len(value) - len(strings.TrimLeft(value, " \t"))
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
				col++
			}
			if known, ok := wvdialKeys[lint.Fold(key)]; !ok {
				text := fmt.Sprintf("wvdial has no key %q: it is ignored", key)
				if near := words.Nearest(key, slices.Sorted(maps.Values(wvdialKeys))); near != "" {
					text += ", perhaps " + near + " is meant"
				}
				found.warnf(n, 1, "%s", text)
			} else if known == "Login" {
				found.warnf(n, 1, "wvdial does not read Login, though its manual names it: write Username")
			}
			now.keys[lint.Fold(key)] = setting{key, value, n, col}
		}
	}
	if len(w.order) == 0 {
		found.errorf(1, 1, "no [Dialer …] section")
	}
	return w
}

// wvdialKeys are the keys of wvdial.conf(5), by their folded names.
var wvdialKeys = func() map[string]string {
	known := make(map[string]string)
	for _, key := range []string{"Inherits", "Modem", "Modem Type", "Baud", "Init", "Init1", "Init2", "Init3", "Init4", "Init5", "Init6",
		"Init7", "Init8", "Init9", "Phone", "Phone1", "Phone2", "Phone3", "Phone4", "Dial Command", "Dial Prefix", "Area Code",
		"Username", "Login", "Password", "Ask Password", "Login Prompt", "Password Prompt", "Default Reply", "Stupid Mode",
		"Carrier Check", "Dial Attempts", "Dial Timeout", "Abort on Busy", "Abort on No Dialtone", "Auto Reconnect", "Idle Seconds",
		"ISDN", "Compuserve", "Tonline", "PPPD Path", "PPPD Option", "Force Address", "Remote Name", "New PPPD", "Auto DNS",
		"Check DNS", "DNS Test1", "DNS Test2", "Check Def Route", "Provider", "Product", "Homepage", "Country", "DialMessage1",
		"DialMessage2", "USB", "Set Volume", "FlowControl", "SetVolume"} {
		known[lint.Fold(key)] = key
	}
	return known
}()

// infos implements entries: a section is an entry if it is a dialer or has a number.
func (w *wvdial) infos() (out []Info) {
	for _, s := range w.order {
		name := s.name
		if !strings.HasPrefix(lint.Fold(name), dialer) {
			if _, ok := s.keys["phone"]; !ok {
				continue
			}
		} else {
			name = strings.TrimSpace(name[len(dialer):])
		}
		quiet := &findings{}
		c, _ := w.chain(quiet, &EntryConfig{}, []string{name})
		out = append(out, Info{Name: name, Device: "modem", Port: c.text("Modem", "/dev/modem"), Number: c.text("Phone", ""), Line: s.line})
	}
	return out
}

// chain is the sections of an entry, the first that has a key wins.
type chain struct {
	found *findings
	set   map[string]setting
	named []*section
	list  []*section
}

// chain collects the sections that names denote, what they inherit, and the
// defaults.
func (w *wvdial) chain(found *findings, cfg *EntryConfig, names []string) (*chain, error) {
	c := &chain{found: found, set: make(map[string]setting)}
	for key, value := range cfg.Set {
		c.set[lint.Fold(key)] = setting{key: key, value: value}
	}
	for _, name := range names {
		if key, value, ok := strings.Cut(name, "="); ok {
			c.set[lint.Fold(strings.TrimSpace(key))] = setting{key: key, value: strings.TrimSpace(value)}
			continue
		}
		s := w.sections[dialer+lint.Fold(name)]
		if s == nil {
			if s = w.sections[lint.Fold(name)]; s != nil {
				found.warnf(s.line, 1, "wvdial cannot reach [%s]: write [Dialer %s]", s.name, name)
			}
		}
		if s == nil {
			return c, w.missing(name)
		}
		c.named = append(c.named, s)
		if err := c.inherit(w, s, nil); err != nil {
			return c, err
		}
	}
	for key := range c.set {
		if _, ok := wvdialKeys[key]; !ok {
			return c, &Error{Code: ras.ErrInvalidParameter, Why: fmt.Sprintf("wvdial has no key %q", c.set[key].key)}
		}
	}
	// By the manual the last of the named sections wins, in the program the first.
	for i, s := range c.named {
		for key, v := range s.keys {
			for _, other := range c.named[:i] {
				if o, ok := other.keys[key]; ok && o.value != v.value && key != "inherits" && !isSecret(key, v.value) && !isSecret(key, o.value) {
					c.found.warnf(v.line, v.col, "%s is %q here and %q in [%s], which wins", v.key, v.value, o.value, other.name)
				}
			}
		}
	}
	if s := w.sections[dialer+"defaults"]; s != nil && !slices.Contains(c.list, s) {
		if err := c.inherit(w, s, nil); err != nil {
			return c, err
		}
	} else if s == nil && len(c.list) == 0 {
		return c, w.missing("Defaults")
	}
	return c, nil
}

func (w *wvdial) missing(name string) error {
	var have []string
	for _, s := range w.order {
		have = append(have, strings.TrimSpace(strings.TrimPrefix(lint.Fold(s.name), dialer)))
	}
	return &Error{Entry: name, Code: ras.ErrCannotFindPhonebookEntry,
		Why: fmt.Sprintf("there is no section [Dialer %s]; there is: %s", name, listed(have))}
}

// maxInherit bounds the sections that an entry inherits one through the other: a
// book of one long chain would otherwise cost the square of its length for each entry.
const maxInherit = 100

// inherit adds a section and those it inherits from.
func (c *chain) inherit(w *wvdial, s *section, below []*section) error {
	if slices.Contains(below, s) {
		return &Error{Entry: s.name, Code: ras.ErrCorruptPhonebook, Why: fmt.Sprintf("line %d: Inherits leads back to this section", s.line)}
	}
	if len(below) > maxInherit {
		return &Error{Entry: below[0].name, Code: ras.ErrCorruptPhonebook, Why: fmt.Sprintf("line %d: Inherits goes through more than %d sections", s.line, maxInherit)}
	}
	if slices.Contains(c.list, s) {
		return nil
	}
	c.list = append(c.list, s)
	from, ok := s.keys["inherits"]
	if !ok || from.value == "" {
		return nil
	}
	next := w.sections[lint.Fold(from.value)]
	if next == nil {
		if next = w.sections[dialer+lint.Fold(from.value)]; next != nil {
			c.found.warnf(from.line, from.col, "wvdial takes the whole name: write Inherits = %s", next.name)
		}
	}
	if next == nil {
		c.found.errorf(from.line, from.col, "there is no section [%s] to inherit from", from.value)
		return nil
	}
	return c.inherit(w, next, append(below, s))
}

// get returns the value of the first section that has the key.
func (c *chain) get(key string) (setting, bool) {
	folded := lint.Fold(key)
	if v, ok := c.set[folded]; ok {
		return v, true
	}
	for _, s := range c.list {
		if v, ok := s.keys[folded]; ok {
			return v, true
		}
	}
	return setting{}, false
}

func (c *chain) text(key, otherwise string) string {
	if v, ok := c.get(key); ok {
		return v.value
	}
	return otherwise
}

// number reads a decimal number.
func (c *chain) number(key string, otherwise int) int {
	v, ok := c.get(key)
	if !ok || v.value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v.value)
	if err != nil || n < 0 || n > 1<<30 {
		c.found.errorf(v.line, v.col, "%s = %q is not a number: write digits alone", v.key, v.value)
		return otherwise
	}
	return n
}

// yes reads a switch.
func (c *chain) yes(key string, otherwise bool) bool {
	v, ok := c.get(key)
	if !ok || v.value == "" {
		return otherwise
	}
	switch lint.Fold(v.value) {
	case "yes", "on", "true", "y", "1":
		return true
	case "no", "off", "false", "n", "0":
		return false
	}
	if n, err := strconv.Atoi(v.value); err == nil {
		return n != 0
	}
	if isSecret(v.key, "") { // Ask Password = the password
		v.value = mask
	}
	c.found.errorf(v.line, v.col, "%s = %q: write yes or no", v.key, v.value)
	return otherwise
}

// entry implements entries.
func (w *wvdial) entry(found *findings, cfg *EntryConfig, names []string) (*dialup.Entry, error) {
	c, err := w.chain(found, cfg, names)
	if err != nil {
		return nil, err
	}
	var sections []string // the names that are no KEY=VALUE
	for _, name := range names {
		if !strings.Contains(name, "=") {
			sections = append(sections, name)
		}
	}
	e := &dialup.Entry{Name: strings.Join(sections, " ")}
	if e.Name == "" {
		e.Name = "Defaults"
	}
	if e.Port, err = cfg.mapPort(c.text("Modem", "/dev/modem")); err != nil {
		v, _ := c.get("Modem")
		found.errorf(max(v.line, 1), v.col, "%v", err)
	}
	e.PortConfig = &portname.Config{Port: &port.Config{Mode: port.Mode{
		Baud: c.number("Baud", 57600), DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowRTSCTS,
	}}}
	e.Dialer = c.dialer(cfg)
	if len(e.Dialer.Numbers) > 0 {
		e.Params.PhoneNumber = e.Dialer.Numbers[0]
	}
	e.Params.EntryName = e.Name
	e.Params.UserName = c.text("Username", c.text("Login", ""))
	if !c.yes("Ask Password", false) {
		e.Params.Password = ras.Secret(c.text("Password", ""))
	}
	if !c.yes("Stupid Mode", false) && !c.yes("Tonline", false) {
		login := &script.LoginConfig{Hope: true, DefaultReply: c.text("Default Reply", "ppp")}
		for key, list := range map[string]*[]string{"Login Prompt": &login.NamePrompts, "Password Prompt": &login.PasswordPrompts} {
			if text := c.text(key, ""); text != "" {
				*list = []string{text}
			}
		}
		// wvdial requires a name and a password as well, and before it dials.
		e.Script = checked{script.Login(login), []string{"UserName", "Password"}}
	}
	if c.yes("Compuserve", false) {
		v, _ := c.get("Compuserve")
		found.warnf(v.line, v.col, "the login of CompuServe is not known here: prompts are answered as everywhere else")
	}
	if !c.yes("Carrier Check", true) {
		e.Carrier = &modem.CarrierConfig{Ignore: true}
	}
	idle := c.number("Idle Seconds", 0)
	e.IdleTimeout = time.Duration(idle) * time.Second
	e.Persist = c.yes("Auto Reconnect", true) && idle == 0
	e.PPP = c.ppp(e, idle)
	c.unused()
	return e, nil
}

// checked is an executor that needs parameters.
type checked struct {
	script.Executor
	fields []string
}

func (c checked) Check(p *ras.DialParams) error {
	for _, field := range c.fields {
		if err := script.CheckParam(p, field); err != nil {
			return err
		}
	}
	return nil
}

// dialer returns what sets the modem up and dials.
func (c *chain) dialer(cfg *EntryConfig) *modem.Dialer {
	d := &modem.Dialer{Config: &modem.Config{DialTimeout: time.Duration(c.number("Dial Timeout", 60)) * time.Second}, Init: []string{}}
	for i := 1; i <= 9; i++ {
		key, value := fmt.Sprintf("Init%d", i), ""
		if i == 1 {
			value = "ATZ"
			if _, ok := c.get("Init"); ok {
				key = "Init"
			}
		}
		v, ok := c.get(key)
		if ok {
			value = v.value
		}
		if value == "" {
			continue
		}
		if _, err := modem.CheckCommand(value); err != nil {
			c.found.errorf(v.line, v.col, "%s: %v", key, err)
			continue
		}
		d.Init = append(d.Init, value)
	}
	c.dialCommand(d)
	d.Numbers = c.numbers(cfg)
	d.Redial = modem.Redial{
		Attempts: cmp.Or(c.number("Dial Attempts", 0), -1),
		Pause:    2 * time.Second,
		Pauses:   map[modem.Outcome]time.Duration{modem.NoDialtone: 5 * time.Second, modem.Voice: 5 * time.Second},
		Stop:     []modem.Outcome{modem.Blacklisted, modem.Failed},
	}
	if c.yes("Abort on Busy", false) {
		d.Redial.Stop = append(d.Redial.Stop, modem.Busy)
	}
	if c.yes("Abort on No Dialtone", true) {
		d.Redial.Stop = append(d.Redial.Stop, modem.NoDialtone)
	}
	return d
}

// dialCommand splits "ATX3DT" into a command and what precedes the number.
func (c *chain) dialCommand(d *modem.Dialer) {
	v, ok := c.get("Dial Command")
	if !ok || v.value == "" {
		return
	}
	text := strings.TrimPrefix(strings.ToUpper(strings.ReplaceAll(v.value, " ", "")), "AT")
	at := strings.LastIndexByte(text, 'D')
	if at < 0 || strings.Trim(text[at+1:], "TPW@!,") != "" {
		c.found.errorf(v.line, v.col, "%s = %q does not end with a command that dials, such as ATDT", v.key, v.value)
		return
	}
	if at > 0 {
		if _, err := modem.CheckCommand(text[:at]); err != nil {
			c.found.errorf(v.line, v.col, "%s: %v", v.key, err)
			return
		}
		d.Init = append(d.Init, "AT"+text[:at])
	}
	d.Config.DialPrefix = text[at:]
}

// numbers returns what is dialled, in order: Phone, and Phone1 to Phone4 up to the
// first that is empty.
func (c *chain) numbers(cfg *EntryConfig) (out []string) {
	if cfg.Phone != "" {
		return []string{cfg.Phone}
	}
	prefix := c.text("Dial Prefix", "")
	if prefix != "" && !strings.HasSuffix(prefix, ",") {
		prefix += "," // wvdial adds it
	}
	prefix += c.text("Area Code", "")
	for _, key := range []string{"Phone", "Phone1", "Phone2", "Phone3", "Phone4"} {
		v, ok := c.get(key)
		if !ok || v.value == "" {
			if key == "Phone" {
				continue
			}
			break
		}
		if _, err := modem.CheckNumber(prefix + v.value); err != nil {
			c.found.errorf(v.line, v.col, "%s: %v", key, err)
			continue
		}
		out = append(out, prefix+v.value)
	}
	if len(out) == 0 && c.found.list.Errors() == 0 {
		line := 1
		if len(c.list) > 0 {
			line = c.list[0].line
		}
		c.found.errorf(line, 1, "no Phone: give the entry a number")
	}
	return out
}

// ppp returns the words for pppd that wvdial would give it.
func (c *chain) ppp(e *dialup.Entry, idle int) (words []string) {
	if e.Params.UserName != "" {
		words = append(words, "user", e.Params.UserName)
	}
	words = append(words, "noauth", "defaultroute")
	if c.yes("Auto DNS", true) {
		words = append(words, "usepeerdns")
	}
	if idle > 0 {
		words = append(words, "idle", strconv.Itoa(idle))
	}
	if c.yes("ISDN", false) {
		words = append(words, "default-asyncmap")
	}
	if address := c.text("Force Address", ""); address != "" {
		words = append(words, address+":")
	}
	if name := c.text("Remote Name", "*"); name != "*" && name != "" {
		words = append(words, "remotename", name)
	}
	return append(words, strings.Fields(c.text("PPPD Option", ""))...)
}
