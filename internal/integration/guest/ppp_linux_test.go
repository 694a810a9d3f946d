package guest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// loginHost is a host that is not ours: a shell on a terminal that asks for a
// name and a password and then becomes pppd. It reports its steps on its
// descriptor 3, where pppd writes its log after it.
const loginHost = `
stty sane -echo 115200
echo ready >&3
read -r enter
printf '\r\nTest host\r\n\r\nlogin: '
read -r name
printf '\r\nPassword: '
read -r word
if [ "$name:$word" != guest:open-sesame ]; then
	printf '\r\nLogin incorrect\r\n'
	exit 1
fi
echo prompt >&3
printf '\r\nWelcome. PPP starts now.\r\n'
exec pppd nodetach local debug noauth noccp noipv6 nocrtscts lcp-restart 10 logfd 3 10.9.0.1:10.9.0.2
`

// The login in two languages. Both end with the last text before PPP.
const (
	loginSCP = `proc main
  transmit "^M"
  waitfor "ogin:"
  transmit $USERID
  transmit "^M"
  waitfor "word:"
  transmit $PASSWORD
  transmit "^M"
  waitfor "starts now."
endproc
`
	loginChat = `TIMEOUT 45
ABORT incorrect
'' '' ogin: guest word: \qopen-sesame 'starts now.'
`
)

// connectors are the programs that dial for pppd, as its connect option names
// them, with a directory for DIR.
var connectors = []struct{ name, command string }{
	{"chat", "/bin/chat -s -S -v -f DIR/login.chat"},
	{"rasdial", "/bin/rasdial -port - -script DIR/login.scp -user guest -password-file DIR/password"},
}

// command returns a connector's command line, with the files that it needs.
func command(t *testing.T, line string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "login.chat"), loginChat)
	writeFile(t, filepath.Join(dir, "login.scp"), loginSCP)
	writeFile(t, filepath.Join(dir, "password"), "open-sesame\n")
	return strings.ReplaceAll(line, "DIR", dir)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(name, []byte(text), 0o600))
}

// TestPPP has pppd dial over the joined UARTs with each of our programs, and
// pings the peer, which is in a network of its own so that no packet can
// take another way.
func TestPPP(t *testing.T) {
	inGuest(t)
	for _, c := range connectors {
		t.Run(c.name, func(t *testing.T) {
			host := startHost(t)
			began := time.Now()
			near := startPPP(t, "near", nil, exec.Command("pppd", uart, "115200", "nodetach", "local", "debug", "noauth",
				"noccp", "noipv6", "nocrtscts", "logfd", "3", "connect", command(t, c.command), "10.9.0.2:10.9.0.1"))
			near.await("local  IP address 10.9.0.2")
			host.await("local  IP address 10.9.0.1")
			t.Logf("the link was up after %v", time.Since(began))
			firstFrame(t, near, host)
			ping(t)
			must(t, near.cmd.Process.Signal(unix.SIGTERM))
			near.await("Connection terminated.")
			host.await("Connection terminated.")
		})
	}
}

// TestExecPPP has rasdial log in with the connect script of a peers file and hand
// the line to pppd, with the first frame, which has arrived by then: on a terminal
// of its own pppd would discard it, so notty. The call ends when pppd does.
func TestExecPPP(t *testing.T) {
	inGuest(t)
	host := startHost(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "login.chat"), loginChat)
	peer := filepath.Join(dir, "field.peer")
	writeFile(t, peer, uart+" 115200 local nocrtscts\nconnect 'chat -f login.chat'\n")
	near := startPPP(t, "near", nil, exec.Command("sh", "-c", "exec /bin/rasdial -phonebook "+peer+
		" -exec 'pppd notty nodetach local debug noauth noccp noipv6 nocrtscts logfd 2 10.9.0.2:10.9.0.1' 2>&3"))
	near.await("local  IP address 10.9.0.2")
	host.await("local  IP address 10.9.0.1")
	firstFrame(t, near, host)
	ping(t)
	must(t, host.cmd.Process.Signal(unix.SIGTERM))
	select {
	case <-near.over:
	case <-within(t, patience).Done():
		t.Fatal("rasdial did not end with pppd")
	}
	t.Logf("rasdial ended with status %d", near.cmd.ProcessState.ExitCode())
}

// firstFrame proves that the first frame of the host's pppd reached ours: had
// it been lost, the host would have sent it again ten seconds later.
func firstFrame(t *testing.T, near, host *program) {
	t.Helper()
	const request = "[LCP ConfReq id=0x1 "
	prompt, _ := host.first("prompt")
	sent, n := host.first("sent " + request)
	received, _ := near.first("rcvd " + request)
	t.Logf("the host sent its first frame %v after the prompt; pppd received it after %v", sent.Sub(prompt), received.Sub(prompt))
	if n != 1 {
		t.Errorf("the host sent its first frame %d times: some were lost", n)
	}
	if late := received.Sub(sent); late > 9*time.Second {
		t.Errorf("the frame was %v under way", late)
	}
}

// ping sends three packets and looks whether they took the link.
func ping(t *testing.T) {
	t.Helper()
	before := received(t)
	out, err := exec.CommandContext(within(t, patience), "ping", "-c", "3", "-i", "0.2", "-W", "5", "10.9.0.1").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("ping: %v", err)
	}
	if n := received(t) - before; n < 3 {
		t.Errorf("%d packets came over the PPP link, want 3", n)
	}
}

func received(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/sys/class/net/ppp0/statistics/rx_packets")
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	return n
}

// startHost starts the login host on the far UART and returns when it listens.
func startHost(t *testing.T) *program {
	t.Helper()
	line, err := os.OpenFile(farUART, os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer line.Close()
	must(t, unix.IoctlSetInt(int(line.Fd()), unix.TCFLSH, unix.TCIOFLUSH))
	cmd := exec.Command("sh", "-c", loginHost)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = line, line, os.Stderr
	p := startPPP(t, "host", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}, cmd)
	p.await("ready")
	return p
}

// program is a running pppd, or what becomes one, and the lines that it logged.
type program struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	over chan struct{} // closed when it ended

	mu    sync.Mutex
	lines []line
}

type line struct {
	at   time.Time
	text string
}

// startPPP starts a program with a pipe for its log as its descriptor 3. It
// ends with the test.
func startPPP(t *testing.T, name string, attr *syscall.SysProcAttr, cmd *exec.Cmd) *program {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	p := &program{t: t, name: name, cmd: cmd, over: make(chan struct{})}
	cmd.SysProcAttr = attr
	cmd.ExtraFiles = []*os.File{w}
	must(t, cmd.Start())
	w.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.follow(r)
	}()
	go func() {
		defer close(p.over)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop()
		r.Close()
		<-read
		if t.Failed() {
			t.Logf("%s:\n%s", name, p.log())
		}
	})
	return p
}

// stop asks a program to end, so that pppd gives the terminal back, and kills
// it if it does not.
func (p *program) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-p.over:
	case <-ctx.Done():
		p.t.Errorf("%s did not end in %v", p.name, patience)
		p.cmd.Process.Kill()
		<-p.over
	}
}

func (p *program) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, line{time.Now(), lines.Text()})
		p.mu.Unlock()
	}
}

// await waits until a line with a text has been logged.
func (p *program) await(text string) {
	p.t.Helper()
	const limit = 60 * time.Second
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		if _, n := p.first(text); n > 0 {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s did not say %q in %v", p.name, text, limit)
		}
	}
}

// first returns when a line with a text was logged first, and how often.
func (p *program) first(text string) (at time.Time, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if strings.Contains(l.text, text) {
			if n == 0 {
				at = l.at
			}
			n++
		}
	}
	return at, n
}

func (p *program) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, l := range p.lines {
		fmt.Fprintf(&b, "%s %s\n", l.at.Format("05.000"), l.text)
	}
	return b.String()
}

// TestHandOver runs each connector as pppd does, with the line as its standard
// input and output, against a peer that sends the end of the login and the
// first frame in one piece. All of the frame has to be on the line afterwards.
func TestHandOver(t *testing.T) {
	inGuest(t)
	frame := append([]byte{'\r', '\n', '~', 0xFF, 0x7D, 0x23}, pattern(64)...)
	for _, c := range connectors {
		t.Run(c.name, func(t *testing.T) {
			near, far := openPair(t, "115200,8N1,none")
			must(t, near.Close())
			raw := mode(t, "115200,8N1,none") // as pppd hands the line over
			raw.KeepSettings = true
			must(t, open(t, uart, raw).Close())
			tty, err := os.OpenFile(uart, os.O_RDWR|unix.O_NOCTTY, 0)
			must(t, err)
			defer tty.Close()
			args := strings.Fields(command(t, c.command))
			cmd := exec.CommandContext(within(t, patience), args[0], args[1:]...)
			log := new(journal)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, log
			must(t, cmd.Start())
			for _, step := range []struct{ wait, send string }{
				{"\r", "login: "}, {"guest\r", "Password: "}, {"open-sesame\r", "Welcome. PPP starts now." + string(frame)},
			} {
				readThrough(t, far, []byte(step.wait))
				say(t, far, step.send)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			readAll(t, open(t, uart, nil), frame)
		})
	}
}
