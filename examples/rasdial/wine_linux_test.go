package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/script/scripttest"
)

// TestLoginOnACOMPort runs rasdial.exe under wine on a COM port, which is a
// pseudo-terminal on which a login server answers.
func TestLoginOnACOMPort(t *testing.T) {
	wine := winetest.Start(t)
	dir := t.TempDir()
	exe := filepath.Join(dir, "rasdial.exe")
	winetest.Go(t, "amd64", false, "build", "-o", exe, ".")
	for com, device := range map[string]string{"COM7": "COM7", "COM12": `\\.\COM12`} {
		line, err := pty.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer line.Close()
		login := scripttest.NewLogin(line.Port, &scripttest.LoginConfig{Password: password, Wake: "\r"})
		defer login.Close()
		link := wine.Path("dosdevices", strings.ToLower(com))
		os.Remove(link)
		if err := os.Symlink(line.Name, link); err != nil {
			t.Fatal(err)
		}
		script := filepath.Join(dir, "login.scp")
		err = os.WriteFile(script, []byte(`proc main
  transmit "^M"
  waitfor "ogin:" until 20
  transmit $USERID
  transmit "^M"
  waitfor "assword:" until 20
  transmit $PASSWORD
  transmit "^M"
  waitfor "elcome" until 20
endproc
`), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		secret := filepath.Join(dir, "secret")
		if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		text, status := wine.Output(t, time.Minute, exe, "-port", device, "-mode", "115200,8N1,rtscts", "-hangup", "none",
			"-user", "guest", "-password-file", "Z:"+secret, "-script", "Z:"+script, "-v")
		if status != exitOK {
			t.Errorf("%s: exit status %d after %v\n%s", device, status, time.Since(begin), text)
		}
		if strings.Contains(text, password) {
			t.Errorf("%s: the output shows the password", device)
		}
	}
}
