package dialup_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// connect dials the exchange.
func connect(t *testing.T, x *exchange, e *dialup.Entry, cfg *dialup.Config) *dialup.Conn {
	t.Helper()
	if cfg == nil {
		cfg = new(dialup.Config)
	}
	cfg.Open = x.open
	c, err := dialup.Dial(t.Context(), e, cfg)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestCarrierLoss ends the connection, after what was received before.
func TestCarrierLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		var seen states
		c := connect(t, x, entry(), &dialup.Config{OnState: seen.add})
		began := time.Now()
		x.modem.Drop()
		<-c.Done()
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("seen after %v", took)
		}
		var lost *modem.CarrierError
		if !errors.As(c.Err(), &lost) || lost.After < 0 {
			t.Errorf("Err: %#v", c.Err())
		}
		got, err := io.ReadAll(c)
		wantErr(t, "Read", err, port.ErrCarrierLost)
		wantErr(t, "Read", err, ras.ErrRemoteDisconnection)
		if !strings.HasPrefix(string(got), string(scripttest.PPPFrame())) {
			t.Errorf("read %q before the error", got)
		}
		_, err = c.Write([]byte("x"))
		wantErr(t, "Write", err, port.ErrCarrierLost)
		rep, err := c.HangUp(t.Context())
		if err != nil || !rep.Proved {
			t.Errorf("HangUp: %+v, %v", rep, err)
		}
		if st := seen.last(); st.Conn != ras.StateDisconnected || st.Err == nil {
			t.Errorf("last state %+v", st)
		}
	})
}

// TestCarrierLossEndsARead frees a Read that waits, and gives it what has arrived
// since the loss began first.
func TestCarrierLossEndsARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		c := connect(t, x, entry(), nil)
		readAll(c, len(scripttest.PPPFrame()))
		result := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			for err == nil { // the modem's NO CARRIER
				_, err = c.Read(make([]byte, 1))
			}
			result <- err
		}()
		synctest.Wait()
		x.modem.Drop()
		wantErr(t, "Read", <-result, port.ErrCarrierLost)
	})
}

// TestNoCarrierText notices the loss on a line without DCD by the modem's word.
func TestNoCarrierText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		e := entry()
		e.Carrier = &modem.CarrierConfig{Ignore: true}
		e.HangUp = []modem.Method{modem.ATH}
		c := connect(t, x, e, nil)
		x.modem.Drop()
		_, err := io.ReadAll(c)
		wantErr(t, "Read", err, port.ErrCarrierLost)
		var lost *modem.CarrierError
		if !errors.As(c.Err(), &lost) || lost.Text != "NO CARRIER" {
			t.Errorf("Err: %v", c.Err())
		}
		if rep, err := c.HangUp(t.Context()); err != nil || !rep.Confirmed {
			t.Errorf("HangUp: %+v, %v", rep, err)
		}
	})
}

// TestDeadlines keep the meaning that they have on a net.Conn.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		c := connect(t, x, entry(), nil)
		readAll(c, len(scripttest.PPPFrame()))
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, err := c.Read(make([]byte, 1))
		wantErr(t, "Read", err, os.ErrDeadlineExceeded)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		if c.Err() != nil {
			t.Errorf("a deadline has ended the connection: %v", c.Err())
		}
		must(t, c.SetDeadline(zero))
		_, err = c.Write([]byte("~"))
		must(t, err)
	})
}

// TestLimits end the connection and hang up, though nothing calls the Conn.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(e *dialup.Entry)
		want   error
		after  time.Duration
	}{
		{"idle", func(e *dialup.Entry) { e.IdleTimeout = time.Minute }, dialup.ErrIdle, 90 * time.Second},
		{"session", func(e *dialup.Entry) { e.SessionTimeout = 2 * time.Minute }, dialup.ErrSession, 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t, nil, nil)
				e := entry()
				tt.change(e)
				c := connect(t, x, e, nil)
				start := time.Now()
				peertest.Pass(30 * time.Second)
				c.Write([]byte("~"))
				<-c.Done()
				wantErr(t, "Err", c.Err(), tt.want)
				wantErr(t, "Err", c.Err(), os.ErrDeadlineExceeded)
				if got := time.Since(start); got != tt.after {
					t.Errorf("ended after %v, want %v", got, tt.after)
				}
				peertest.Pass(time.Minute)
				if x.modem.Connected() {
					t.Error("the call is up")
				}
			})
		})
	}
}

// TestClosesInAnyOrder calls everything that ends a connection at the same time.
func TestClosesInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		c := connect(t, x, entry(), nil)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { c.Read(make([]byte, 1000)) })
			wg.Go(func() { c.HangUp(cancelled) })
			wg.Go(func() { c.Close() })
			wg.Go(func() { x.modem.Drop() })
			wg.Go(func() { c.Write([]byte("x")) })
			wg.Go(func() { c.SetDeadline(time.Now().Add(time.Second)) })
		}
		wg.Wait()
		if x.modem.Connected() {
			t.Error("the call is up")
		}
	})
}

// stuckPort is a port whose Read ignores its deadlines.
type stuckPort struct {
	*virtual.Port
	closed chan struct{}
	once   sync.Once
}

func (p *stuckPort) Read([]byte) (int, error) { <-p.closed; return 0, net.ErrClosed }
func (p *stuckPort) Interruptible() bool      { return false }
func (p *stuckPort) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Port.Close()
}

// TestStuckPort closes a port whose Read only Close frees.
func TestStuckPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := virtual.Pair()
		p := &stuckPort{Port: near, closed: make(chan struct{})}
		c, err := dialup.Dial(t.Context(), &dialup.Entry{Port: "stuck"}, &dialup.Config{Open: openOf(p)})
		must(t, err)
		result := make(chan error, 1)
		go func() { _, err := c.Read(make([]byte, 1)); result <- err }()
		synctest.Wait()
		if _, _, err := c.Detach(); err == nil {
			t.Error("detached")
		}
		if err := c.Close(); err == nil || !strings.Contains(err.Error(), "ignores its deadline") {
			t.Errorf("Close: %v", err)
		}
		wantErr(t, "Read", <-result, net.ErrClosed)
	})
}

// TestKeptCall leaves a call up where that is requested.
func TestKeptCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, &scripttest.ModemConfig{Profile: "&D0"}, nil)
		e := entry()
		e.HangUp = []modem.Method{}
		c := connect(t, x, e, nil)
		must(t, c.Close())
		if !x.modem.Connected() {
			t.Error("the call was hung up")
		}
	})
}

// TestDetachUnsupported leaves the connection as it was.
func TestDetachUnsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		c := connect(t, x, entry(), nil)
		_, _, err := c.Detach()
		wantErr(t, "Detach", err, errors.ErrUnsupported)
		if got, err := readAll(c, 4); err != nil || got != string(scripttest.PPPFrame()[:4]) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// TestPersist dials again, with pauses that grow and start anew after a long
// connection.
func TestPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials []time.Duration
		start := time.Now()
		e := entry()
		ctx, cancel := context.WithCancel(t.Context())
		near, _ := virtual.Pair()
		e.Dialer = nil
		e.Script = nil
		uses := 0
		err := dialup.Persist(ctx, e, &dialup.Config{Open: openOf(reopened{near, near}), OnState: func(s dialup.State) {
			if s.Conn == ras.StateOpenPort {
				dials = append(dials, time.Since(start))
			}
		}}, func(ctx context.Context, c *dialup.Conn) error {
			switch uses++; uses {
			case 4:
				peertest.Pass(time.Minute) // a long one
			case 6:
				cancel()
			}
			return errors.New("ended")
		})
		wantErr(t, "Persist", err, context.Canceled)
		want := []time.Duration{0, 5, 15, 35, 100, 110}
		for i := range want {
			if i >= len(dials) || dials[i].Round(time.Second) != want[i]*time.Second {
				t.Fatalf("dialled at %v, want %v seconds", dials, want)
			}
		}
	})
}

// TestPersistAfterSlowFailures lets the pauses grow although a dial lasts longer than a
// connection that counts as one.
func TestPersistAfterSlowFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		opens := 0
		err := dialup.Persist(ctx, &dialup.Entry{Port: "line"}, &dialup.Config{
			Open: func(ctx context.Context, _ string, _ *portname.Config) (port.Port, error) {
				opens++
				<-time.After(time.Minute)
				return nil, os.ErrNotExist
			},
		}, nil)
		wantErr(t, "Persist", err, context.DeadlineExceeded)
		// 60+5, +10, +20, +40, +80, +160, +320, then +600 each.
		if opens != 9 {
			t.Errorf("%d dials in 30 minutes", opens)
		}
	})
}

// TestPersistGivesUp where another dial cannot help.
func TestPersistGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, &scripttest.LoginConfig{Password: "other"})
		err := dialup.Persist(t.Context(), entry(), &dialup.Config{Open: x.open}, nil)
		wantErr(t, "Persist", err, ras.ErrAuthenticationFailure)
		e := entry()
		e.Params.PhoneNumber = ""
		wantErr(t, "Persist", dialup.Persist(t.Context(), e, nil, nil), ras.ErrInvalidParameter)
		wantErr(t, "Persist", dialup.Persist(t.Context(), &dialup.Entry{Port: "udp://h:1"}, nil, nil), portname.ErrBadName)
	})
}
