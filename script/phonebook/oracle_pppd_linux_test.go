package phonebook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/dialup"
)

const peerFiles = 100

// TestPPPDAgrees reads generated options files with pppd, which prints the options
// that are in effect, and with this package.
//
// What is different on purpose, and not generated or compared:
//
//	the words of a peer     pppd ends at a word that it does not know; here it is a
//	                        warning, and the call is made. The test has such words,
//	                        and both must find them.
//	crtscts, xonxoff        pppd's last one counts; here both are in effect (FlowBoth),
//	                        as the manual page reads
//	an open quote           a warning in pppd, an error here
//	a NUL in a word         ends it in pppd, an error here
//	1,024 bytes and more    cut by pppd
//	a device that is absent an unknown word in pppd, a device here
//	/etc/ppp/options        read by pppd, not here
func TestPPPDAgrees(t *testing.T) {
	pppd := peertest.Program(t, "pppd")
	dir := t.TempDir()
	peers := make([]generatedPeer, peerFiles)
	for i := range peers {
		peers[i] = generatePeer(rand.New(rand.NewPCG(*seed, uint64(i))))
		for name, text := range map[string]string{"": peers[i].text, ".inner": peers[i].inner} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("peer", i, name)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	dumps := dumpAll(t, pppd, dir)
	refused := 0
	for i, g := range peers {
		fsys := fstest.MapFS{fmt.Sprint("peers/peer", i, ".inner"): &fstest.MapFile{Data: []byte(g.inner)}}
		text := strings.ReplaceAll(g.text, "INNER", fmt.Sprint("peer", i, ".inner"))
		book, err := Parse("peer", []byte(text), &Config{Kind: KindPeers, FS: fsys})
		if err != nil {
			t.Errorf("file %d: %v\n%s", i, err, text)
			continue
		}
		if dumps[i].status != 0 {
			refused++
			if !g.unknown || !strings.Contains(texts(book.Findings()), "pppd has no option") {
				t.Errorf("file %d: pppd ends with status %d, %s; found here:\n%s\nin\n%s", i, dumps[i].status, dumps[i].text, texts(book.Findings()), text)
			}
			continue
		}
		ours, theirs := effective(t, book.entries.(*peer)), dumps[i].options()
		for _, key := range slices.Sorted(func(yield func(string) bool) {
			for key := range ours {
				yield(key)
			}
			for key := range theirs {
				if _, both := ours[key]; !both {
					yield(key)
				}
			}
		}) {
			if ours[key] != theirs[key] {
				t.Errorf("file %d: %s: ours %q, pppd %q in\n%s%s", i, key, ours[key], theirs[key], text, g.inner)
			}
		}
	}
	t.Logf("seed %d: %d files, %d of them with a word that pppd refuses", *seed, peerFiles, refused)
	if refused == 0 || refused > peerFiles/2 {
		t.Error("the files are not what they should be")
	}
}

// generatedPeer is an options file, one that it calls, and whether one of them has a
// word that is no option.
type generatedPeer struct {
	text, inner string
	unknown     bool
}

func generatePeer(r *rand.Rand) generatedPeer {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	gap := func() string { return pick(" ", " ", "\t", "\n", "  ", "\r\n", "\f", "\n# crtscts \"it's\n", " \\\n ") }
	value := func() string {
		var b strings.Builder
		for range 1 + r.IntN(5) {
			b.WriteString(pick("chat", "-v", " ", "OK", "ATDT*99#", "'", `"`, `\`, "\n", "\t", "joe", "é", "$X", ";", "#", "a=b", "\x01", "\r"))
		}
		return b.String()
	}
	write := func(s string) string { return quotePPPD(r, s) }
	var g generatedPeer
	options := func(n int) string {
		text := ""
		for range n {
			switch r.IntN(24) {
			case 0, 1:
				text += pick("ttyS0", "/dev/ttyUSB0", "/dev/ttyS0", `"ttyUSB0"`)
			case 2, 3:
				text += pick("9600", "115200", "57600", "460800")
			case 4:
				text += pick("crtscts", "nocrtscts", "-crtscts")
			case 5:
				text += pick("lock", "nolock")
			case 6:
				text += pick("modem", "local")
			case 7:
				text += "stop-bits" + gap() + pick("1", "2")
			case 8, 9, 10:
				text += "connect" + gap() + write(value())
			case 11:
				text += pick("init", "welcome", "disconnect") + gap() + write(value())
			case 12, 13:
				text += "user" + gap() + write(value())
			case 14:
				text += "password" + gap() + write(value())
			case 15:
				text += pick("idle", "maxconnect") + gap() + pick("0", "60", "0x10", "3600")
			case 16:
				text += pick("persist", "nopersist")
			case 17:
				text += "mru" + gap() + pick("1400", "296")
			case 18:
				text += pick("noipdefault", "usepeerdns", "defaultroute")
			case 19:
				text += "lcp-echo-interval" + gap() + pick("10", "30")
			case 20:
				text += pick("10.0.0.1:10.0.0.2", "10.0.0.3:10.0.0.4")
			case 21:
				text += "set" + gap() + write("V="+pick("joe", "a b", "$X"))
			case 22:
				text += "holdoff" + gap() + "5"
			case 23:
				if r.IntN(4) == 0 {
					g.unknown = true
					text += pick("crtcts", "user=joe", "nolocks", `""`)
				}
			}
			text += gap()
		}
		return text
	}
	g.inner = options(2 + r.IntN(4))
	g.text = "noauth ttyS0 " + options(3+r.IntN(10))
	if r.IntN(3) == 0 {
		g.text += "call INNER" + gap() + options(r.IntN(5))
	} else {
		g.inner = ""
	}
	return g
}

// quotePPPD writes a word so that pppd reads it again, in one of many ways.
func quotePPPD(r *rand.Rand, s string) string {
	out := ""
	quote := byte(0)
	for i := range len(s) {
		if quote == 0 && r.IntN(3) == 0 {
			quote = "'\""[r.IntN(2)]
			out += string(rune(quote))
		}
		c := s[i]
		switch special := strings.IndexByte(" \t\n\r\"'#\\\x01", c) >= 0; {
		case !special && r.IntN(12) > 0, special && quote != 0 && c != quote && c != '\\' && r.IntN(2) == 0:
			out += s[i : i+1]
		case c == '\n':
			out += `\n`
		case c == '\t':
			out += `\t`
		case c == '\r':
			out += `\r`
		case c == ' ':
			out += `\s`
		case r.IntN(2) == 0 && strings.IndexByte("abfnrstx01234567\x01", c) < 0:
			out += `\` + s[i:i+1]
		case r.IntN(2) == 0:
			out += fmt.Sprintf(`\x%02x`, c)
		default:
			out += fmt.Sprintf(`\%03o`, c)
		}
		if quote != 0 && r.IntN(4) == 0 {
			out += string(rune(quote))
			quote = 0
		}
	}
	if quote != 0 {
		out += string(rune(quote))
	}
	return out
}

// dump is what pppd prints for a file.
type dump struct {
	status int
	text   string
}

// dumpAll runs pppd on the files peer0, peer1 and so on of dir. It prints its options
// only where it finds /dev/ppp, and accepts only devices that exist: it is given a
// /dev and an /etc/ppp of its own, in a mount namespace.
func dumpAll(t *testing.T, pppd, dir string) []dump {
	t.Helper()
	const script = `set -e
mkdir "$2/dev"
mount --rbind /dev "$2/dev"
mount -t tmpfs none /dev
mount -t tmpfs none /etc/ppp
ln -s "$2/dev/null" /dev/null
for device in ttyS0 ttyUSB0 ppp; do ln -s null /dev/$device; done
mkdir /etc/ppp/peers
: >/etc/ppp/options
i=0
while test -f "$2/peer$i"; do
	sed "s/INNER/peer$i.inner/" "$2/peer$i" >/etc/ppp/peers/peer
	cp "$2/peer$i.inner" /etc/ppp/peers
	status=0
	"$1" call peer dryrun dump nodetach </dev/null 2>&1 || status=$?
	echo "== $status"
	i=$((i+1))
done
`
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script, "sh", pppd, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	var errors_ bytes.Buffer
	cmd.Stderr = &errors_
	out, err := cmd.Output()
	if errors.Is(err, fs.ErrPermission) || strings.Contains(errors_.String(), "ermission denied") {
		peertest.Need(t, errors.New("pppd prints its options only with /dev/ppp, and this user may not mount a /dev of the test's own"))
	}
	if err != nil {
		t.Fatalf("%v: %s", err, errors_.String())
	}
	var all []dump
	text := ""
	for line := range strings.Lines(string(out)) {
		if status, ok := strings.CutPrefix(line, "== "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(status))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, dump{n, text})
			text = ""
			continue
		}
		text += line
	}
	if len(all) != peerFiles {
		t.Fatalf("pppd has read %d files: %s", len(all), text)
	}
	return all
}

// options returns what is in effect, by the option's name: a switch is its own
// value.
func (d dump) options() map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(d.text) {
		text, from, ok := strings.Cut(line, "\t\t# (from ")
		if !ok || strings.HasPrefix(from, "command line") {
			continue
		}
		name, value, _ := strings.Cut(text, " ")
		switch {
		case isDevice(name):
			name, value = "device", name
		case isNumber(name):
			name, value = "speed", name
		case strings.Contains(name, ":"):
			name, value = "addresses", name
		case name == "crtscts":
			name, value = "flow", name
		case name == "nocrtscts", name == "-crtscts":
			name, value = "flow", "nocrtscts"
		case name == "modem", name == "local":
			name, value = "modem", name
		case name == "password":
			value = "?"
		case name == "nopersist", name == "nolock": // as without them
			continue
		case name == "lcp-echo-interval", name == "mru", name == "idle", name == "maxconnect", name == "stop-bits":
			if value == "0" {
				continue
			}
		case value == "":
			value = name
		}
		all[name] = unquoteDump(value)
	}
	delete(all, "noauth")
	delete(all, "holdoff")
	delete(all, "hide-password")
	return all
}

// unquoteDump returns the value that pppd has printed: bytes that do not show are
// \n, \t, \b, \f and \xHH.
func unquoteDump(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'b':
			out.WriteByte('\b')
		case 'f':
			out.WriteByte('\f')
		case 'x':
			if n, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8); err == nil {
				out.WriteByte(byte(n))
				i += 2
			}
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// effective returns the same of what this package has read.
func effective(t *testing.T, p *peer) map[string]string {
	t.Helper()
	b := peerEntry{found: new(findings), cfg: new(EntryConfig), peer: p, env: make(map[string]string), modem: true, entry: new(dialup.Entry)}
	all := make(map[string]string)
	for _, o := range p.options {
		b.option(o)
		switch o.text { // what has no field, or whose field has the default besides
		case "modem", "local":
			all["modem"] = o.text
		case "crtscts":
			all["flow"] = "crtscts"
		case "nocrtscts", "-crtscts":
			all["flow"] = "nocrtscts"
		}
	}
	if b.found.list.Errors() > 0 {
		t.Error(texts(b.found.list.Sorted()))
	}
	put := func(key, value string) {
		if value != "" {
			all[key] = value
		}
	}
	put("device", b.device)
	if b.mode.Baud > 0 {
		put("speed", strconv.Itoa(b.mode.Baud))
	}
	if b.lock {
		put("lock", "lock")
	}
	if b.entry.Persist {
		put("persist", "persist")
	}
	switch b.mode.StopBits {
	case port.StopOne:
		put("stop-bits", "1")
	case port.StopTwo:
		put("stop-bits", "2")
	}
	for name, o := range map[string]option{"connect": b.command.connect, "init": b.command.init, "welcome": b.command.welcome, "disconnect": b.command.disconnect} {
		if len(o.values) > 0 {
			put(name, o.values[0].text)
		}
	}
	put("user", b.entry.Params.UserName)
	if b.entry.Params.Password != "" {
		put("password", "?")
	}
	for name, d := range map[string]time.Duration{"idle": b.entry.IdleTimeout, "maxconnect": b.entry.SessionTimeout} {
		if d > 0 {
			put(name, strconv.Itoa(int(d.Seconds())))
		}
	}
	for name, value := range b.env {
		put("set", name+"="+value)
	}
	for i := 0; i < len(b.entry.PPP); i++ {
		switch name := b.entry.PPP[i]; name {
		case "user", "idle", "maxconnect":
			i++ // above
		case "mru", "lcp-echo-interval":
			i++
			put(name, b.entry.PPP[i])
		case "noauth":
		default:
			if strings.Contains(name, ":") {
				all["addresses"] = name
			} else {
				put(name, name)
			}
		}
	}
	return all
}
