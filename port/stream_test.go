package port_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/virtual"
)

// pipes is one end of two io.Pipes: a stream without deadlines.
type pipes struct {
	*io.PipeReader
	*io.PipeWriter
}

func (p pipes) Close() error { return errors.Join(p.PipeReader.Close(), p.PipeWriter.Close()) }

func newPipes() (a, b pipes) {
	fromB, toA := io.Pipe()
	fromA, toB := io.Pipe()
	return pipes{fromB, toB}, pipes{fromA, toA}
}

func TestFromStreamSuite(t *testing.T) {
	for _, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.Run(t, func(t *testing.T) (port.Port, port.Port) {
					a, b := newPipes()
					return port.FromStream(a, "a"), port.FromStream(b, "b")
				})
			})
		})
	}
}

func TestFromStreamWithDeadlinesSuite(t *testing.T) {
	runSuite(t, func(t *testing.T) (port.Port, port.Port) {
		a, b := net.Pipe()
		return port.FromStream(a, "a"), port.FromStream(b, "b")
	})
}

// counting is a stream that reports what it is told to.
type counting struct{ n int }

func (c counting) Read([]byte) (int, error) { return c.n, nil }

func (c counting) Write([]byte) (int, error) { return c.n, nil }

func (c counting) Close() error { return nil }

// TestFromStreamChecksCounts has streams report counts that cannot be: they fail,
// and do not end the program from a goroutine that the program cannot see.
func TestFromStreamChecksCounts(t *testing.T) {
	for _, n := range []int{-1, 0, 4, 5000} {
		p := port.FromStream(counting{n}, "stream")
		want := "reports"
		if n == 0 {
			want = io.ErrShortWrite.Error()
		} else if k, err := p.Read(make([]byte, 3)); k != 0 || err == nil || !strings.Contains(err.Error(), "reports") {
			t.Errorf("Read of a stream that reports %d: %d, %v", n, k, err)
		}
		if k, err := p.Write(make([]byte, 3)); k != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Write to a stream that reports %d: %d, %v", n, k, err)
		}
		p.Close()
	}
}

// TestFromStreamKeepsWhatALateReadReceives: the deadline ends the port's Read
// and not the stream's.
func TestFromStreamKeepsWhatALateReadReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newPipes()
		p := port.FromStream(near, "ssh")
		defer p.Close()
		p.SetReadDeadline(time.Now().Add(time.Second))
		_, err := p.Read(make([]byte, 3))
		wantOp(t, err, "read", os.ErrDeadlineExceeded)
		if name := p.(port.Named).Name(); name != "ssh" {
			t.Errorf("name %q", name)
		}

		// The stream's Read asked for 3 bytes and gets no more.
		go far.Write([]byte("login: "))
		synctest.Wait()
		p.SetReadDeadline(time.Time{})
		got := make([]byte, 7)
		if n, err := io.ReadFull(p, got); err != nil || string(got) != "login: " {
			t.Errorf("read %q, %v", got[:n], err)
		}
		far.Close()
		_, err = p.Read(got)
		wantOp(t, err, "read", port.ErrCarrierLost)
	})
}

func TestFromStreamReturnsAPortAsItIs(t *testing.T) {
	a, _ := virtual.Pair()
	if p := port.FromStream(a, "x"); p != port.Port(a) {
		t.Errorf("a port with abilities became a %T", p)
	}
}

// refusing has the methods of a net.Conn and no deadlines, as a connection of
// golang.org/x/crypto/ssh.
type refusing struct{ pipes }

var errNoDeadlines = errors.New("ssh: tcpChan: deadline not supported")

func (refusing) SetDeadline(time.Time) error      { return errNoDeadlines }
func (refusing) SetReadDeadline(time.Time) error  { return errNoDeadlines }
func (refusing) SetWriteDeadline(time.Time) error { return errNoDeadlines }

func TestFromStreamThatRefusesDeadlinesSuite(t *testing.T) {
	for _, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.Run(t, func(t *testing.T) (port.Port, port.Port) {
					a, b := newPipes()
					return port.FromStream(refusing{a}, "a"), port.FromStream(refusing{b}, "b")
				})
			})
		})
	}
}
