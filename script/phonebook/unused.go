package phonebook

import (
	"fmt"
	"slices"
	"strings"
)

// usedPBK are the keys that are read, and those that describe a number or a port and
// ask for nothing.
var usedPBK = []string{"encoding", "type", "autologon", "baseprotocol", "redialattempts", "redialseconds", "idledisconnectseconds",
	"redialonlinkfailure", "callbackmode", "preferredport", "preferreddevice", "preferredbps", "preferredhwflow", "ipassign", "ipaddress",
	"ipnameassign", "ipheadercompression", "ipprioritizeremote", "customscript", "customdialdll", "prerequisiteentry",
	"usecountryandareacodes", "customauthkey", "port", "device", "otherportok", "connectbps", "phonenumber", "areacode", "countrycode",
	"countryid", "usedialingrules", "comment", "friendlyname", "trynextalternateonfail", "hwflowcontrol", "speaker",
	"terminal", "name", "script", "x25pad", "x25address", "userdata", "facilities"}

// isNone reports whether a value asks for nothing: it is empty, off, or no address.
func isNone(value string) bool {
	return slices.Contains([]string{"", "0", "-1", "0.0.0.0"}, strings.TrimSpace(value))
}

// maxUnused is how many keys the finding of unused lists. An entry of Windows 11 has
// some 60 of them.
const maxUnused = 200

// unused reports the keys that are not used, in one finding: programs write many that
// mean nothing to a serial line.
func (b *pbkBuilder) unused() {
	slip := b.in.keys.code("BaseProtocol") == "2"
	var list []setting
	for _, g := range b.in.groups(b.media) {
		for key, v := range g.keys {
			none := isNone(v.value)
			if key == "protocol" || key == "compression" { // the modem's, which are on unless the entry asks otherwise
				none = v.value != "0"
			}
			if !none && !slices.Contains(usedPBK, key) && !(slip && key == "slipipaddress") {
				list = append(list, v)
			}
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b setting) int { return a.line - b.line })
	var names []string
	for _, v := range list[:min(len(list), maxUnused)] {
		names = append(names, fmt.Sprintf("%s (line %d)", v.key, v.line))
	}
	text := strings.Join(names, ", ")
	if n := len(list) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	b.found.warnf(list[0].line, 1, "not used here: %s", text)
}

// unusedWvdial are keys that have no effect here. Modem Type, which has none in
// wvdial either, is not reported.
var unusedWvdial = []string{"PPPD Path", "Check DNS", "DNS Test1", "DNS Test2", "Check Def Route", "Provider", "Product", "Homepage",
	"Country", "DialMessage1", "DialMessage2", "USB", "Set Volume", "SetVolume", "FlowControl"}

// unused reports keys that are not used.
func (c *chain) unused() {
	report := func(v setting, why string) {
		if v.value != "" {
			c.found.warnf(v.line, v.col, "%s is not used here%s", v.key, why)
		}
	}
	for _, key := range unusedWvdial {
		v, _ := c.get(key)
		report(v, "")
	}
	if v, _ := c.get("New PPPD"); !c.yes("New PPPD", true) {
		report(v, ": every pppd is a new one")
	}
	if v, _ := c.get("Password"); c.yes("Ask Password", false) {
		report(v, ": Ask Password is on")
	}
	ended := ""
	for _, key := range []string{"Phone1", "Phone2", "Phone3", "Phone4"} {
		switch v, _ := c.get(key); {
		case ended != "":
			report(v, ": the list ends at "+ended+", which is empty")
		case v.value == "":
			ended = key
		}
	}
}
