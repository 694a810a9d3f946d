package scripttest

import (
	"maps"
	"slices"
	"strings"
)

// NoResult, as a result of a Personality, is a modem that answers nothing.
const NoResult = "-"

// Personality is how a kind of modem differs from V.250. The
// zero Personality is V.250.
type Personality struct {
	Name string

	// Profile is obeyed at the start and after Z, before ModemConfig.Profile.
	Profile string

	// Info, Extended and Codes are those of ModemConfig, which take precedence.
	Info     []string
	Extended map[string]string
	Codes    map[string]int

	// LineEnd is sent before and after verbose results and texts. Default: the
	// characters of S3 and S4, CR LF.
	LineEnd string

	// Framed writes numeric results on lines of their own, between CR LF.
	// Default: with a CR after them, as V.250 specifies.
	Framed bool

	// Numeric and NoEcho are modems on which V1 and E1 have no effect.
	Numeric, NoEcho bool

	// HangUp is the result of H that ends a call, NoCall that of H without a
	// call, and Online that of O. Default: OK, OK and that of the call.
	HangUp, NoCall, Online string

	// OffHook is a modem that stays off hook after a failed call: the next character
	// is answered by OK, and the rest of its line is lost.
	OffHook bool

	// Addresses accepts letters, dots and colons in what is dialled: a host and a
	// port.
	Addresses bool

	// ThreeWire is a cable without modem lines: none is set and none is read.
	ThreeWire bool
}

// personalities are built from the documents of the makers and from the sources
// of the programs named.
var personalities = []Personality{
	{Name: "hayes", Info: []string{"249", "", "", "Hayes Smartmodem"}},
	{
		Name: "usr", Info: []string{"3360", "", "", "Sportster 33600/Fax V4.11.2"},
		Extended: map[string]string{
			"I4": "U.S. Robotics Settings\r\nBUSY TONE DETECT ON\r\nNO CARRIER TIMEOUT 60\r\nRING COUNT 4\r\nOK-LED ON",
		},
		Codes: map[string]int{
			"CONNECT 4800": 18, "CONNECT 9600": 13, "CONNECT 14400": 25, "CONNECT 19200": 85, "CONNECT 28800": 107,
			"CONNECT 33600": 155, "CONNECT 115200/ARQ": 213, "RINGING": 11, "VOICE": 12,
		},
	},
	{
		// tcpser, src/modem_core.c: numeric results are framed, O answers
		// nothing, and a failed call has to be hung up by another line.
		Name: "tcpser", Framed: true, Online: NoResult, OffHook: true, Addresses: true,
	},
	{
		// RetroWiFiModem, support.h and at_basic.h.
		Name: "retrowifi", Framed: true, HangUp: "NO CARRIER (00:01:28)", NoCall: "ERROR", Addresses: true,
	},
	{Name: "zimodem", Framed: true, Online: "OK", Addresses: true},
	{
		Name: "cellular",
		Extended: map[string]string{
			"+CSQ": "+CSQ: 20,99", "+CREG?": "+CREG: 0,1", "+CGREG?": "+CGREG: 0,1", "+CEREG?": "+CEREG: 0,1", "+CPIN?": "+CPIN: READY",
			"+CGMI": "QUECTEL", "+CGMM": "EC25", "+CMEE=1": "", "+CMEE=2": "", "^SYSINFO": "^SYSINFO: 2,3,0,5,1",
		},
	},
	{Name: "numeric only", Profile: "V0", Numeric: true},
	{Name: "quiet", Profile: "Q1"},
	{Name: "no echo", Profile: "E0", NoEcho: true},
	{Name: "bare CR", LineEnd: "\r"},
	{Name: "three-wire", ThreeWire: true},
}

// Personalities returns the kinds of modems that this package knows, in no
// order that matters: hayes, usr, tcpser, retrowifi, zimodem, cellular, numeric
// only, quiet, no echo, bare CR and three-wire. A test that dials runs over all
// of them:
//
//	for _, p := range scripttest.Personalities() {
//		t.Run(p.Name, func(t *testing.T) {
//			m := scripttest.NewModem(far, &scripttest.ModemConfig{Personality: p, …})
//			…
func Personalities() []Personality {
	all := slices.Clone(personalities)
	for i := range all {
		all[i].Info = slices.Clone(all[i].Info)
		all[i].Extended = maps.Clone(all[i].Extended)
		all[i].Codes = maps.Clone(all[i].Codes)
	}
	return all
}

// PersonalityOf returns the personality with the name, in any letter case.
func PersonalityOf(name string) (Personality, bool) {
	for _, p := range Personalities() {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return Personality{}, false
}
