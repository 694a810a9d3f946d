package guide

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// host is a line whose peer lets joe in.
func host() port.Port {
	near, far := virtual.Pair()
	scripttest.NewLogin(far, &scripttest.LoginConfig{User: "joe", Password: "pw"})
	return near
}

var joe = &script.Config{Params: &ras.DialParams{UserName: "joe", Password: "pw"}}

// A script in the manner of the C one: buffers, a posted receive, an event.
func Example_rawExecutor() {
	login := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		event := ras.NewEvent()
		var got []byte
		expect := func(text string) error {
			for {
				if i := bytes.Index(got, []byte(text)); i >= 0 {
					got = got[i+len(text):]
					return nil
				}
				b, err := call.GetBuffer(0)
				if err != nil {
					return err
				}
				if err := call.ReceiveBuffer(call.Port, b, 10*time.Second, event); err != nil {
					return err
				}
				<-event.C() // WaitForSingleObject
				n, err := call.RetrieveBuffer(call.Port, b)
				got = append(got, b.Bytes()[:n]...)
				call.FreeBuffer(b)
				if err != nil {
					return err // ras.ErrRequestTimeout, ras.ErrRemoteDisconnection, …
				}
			}
		}
		send := func(text string) error {
			b, err := call.GetBuffer(len(text))
			if err != nil {
				return err
			}
			defer call.FreeBuffer(b)
			return call.SendBuffer(call.Port, b, copy(b.Bytes(), text))
		}
		for _, step := range [][2]string{{"login: ", call.Params.UserName}, {"Password: ", call.Params.Password.Reveal()}} {
			if err := expect(step[0]); err != nil {
				return err
			}
			if err := send(step[1] + "\r"); err != nil {
				return err
			}
		}
		if err := expect("Welcome.\r\n"); err != nil {
			return err
		}
		return call.Unread(got) // PPP's first frame may be in it
	})
	res, err := script.Run(context.Background(), host(), login, joe)
	fmt.Printf("%v, PPP begins with %q\n", err, res.Unread[:1])
	// Output: <nil>, PPP begins with "~"
}

// The same on a Dialog.
func Example_dialog() {
	login := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		if _, err := d.Exchange(ctx, 10*time.Second, script.Text("login: "), call.Params.UserName+"\r"); err != nil {
			return err
		}
		if _, err := d.ExchangeSecret(ctx, 10*time.Second, script.Text("Password: "), call.Params.Password+"\r"); err != nil {
			return err
		}
		_, err := d.WaitFor(ctx, 10*time.Second, script.Text("Welcome.\r\n"))
		return err
	})
	res, err := script.Run(context.Background(), host(), login, joe)
	first := make([]byte, 1)
	res.Port().Read(first)
	fmt.Printf("%v, PPP begins with %q\n", err, first)
	// Output: <nil>, PPP begins with "~"
}

// A table of a thousand rows up to the prompt, row by row.
func Example_table() {
	near, far := virtual.Pair()
	go func() {
		for i := range 1000 {
			fmt.Fprintf(far, "%d kWh\r\n", i)
		}
		io.WriteString(far, "> ")
	}()
	rows, last := 0, ""
	read := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		m, err := script.NewDialog(call, nil).WaitFor(ctx, 10*time.Second, script.Text("> "))
		for row := range strings.Lines(string(m.Before)) {
			rows, last = rows+1, strings.TrimSpace(row)
		}
		return err
	})
	_, err := script.Run(context.Background(), near, read, nil)
	fmt.Println(rows, "rows, the last is", last, err)
	// Output: 1000 rows, the last is 999 kWh <nil>
}

// Meters that are dialled through a pool of two modems and read.
func Example_meters() {
	line := func(context.Context, string, *portname.Config) (port.Port, error) { // in the place of portname.Open
		near, dce := virtual.Pair()
		scripttest.NewModem(dce, &scripttest.ModemConfig{Dial: func(ctx context.Context, number string) scripttest.Answer {
			a, b := virtual.Pair()
			fmt.Fprintf(b, "meter %s\r\n%s kWh\r\n> ", number, number[len(number)-2:])
			return scripttest.Answer{Far: a}
		}})
		return near, nil
	}
	quick := &modem.Dialer{Config: &modem.Config{Quiet: 1, Settle: -1, DropTime: 1}}
	pool := dialup.NewPool(nil, dialup.Line{Port: "/dev/ttyS0", Dialer: quick}, dialup.Line{Port: "/dev/ttyS1", Dialer: quick})
	defer pool.Close()
	readings := make([]string, 3)
	var wg sync.WaitGroup
	for i := range readings {
		wg.Go(func() {
			read := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
				m, err := script.NewDialog(call, nil).WaitFor(ctx, time.Minute, script.Text("\r\n> "))
				readings[i] = strings.TrimSpace(string(m.Before[bytes.LastIndexByte(m.Before, '\n')+1:]))
				return err
			})
			conn, err := pool.Dial(context.Background(), &dialup.Entry{
				Script: read, Params: ras.DialParams{PhoneNumber: fmt.Sprintf("55501%02d", i+20)},
			}, &dialup.Config{Open: line})
			if err != nil {
				readings[i] = err.Error()
				return
			}
			conn.Close()
		})
	}
	wg.Wait()
	fmt.Println(readings)
	// Output: [20 kWh 21 kWh 22 kWh]
}

// Consoles on an RFC 2217 server: a command on each, at its prompt.
func Example_consoles() {
	shared, console := virtual.Pair() // a port of the server, and what is on it
	go func() {
		lines := bufio.NewReader(console)
		lines.ReadString('\r') // Enter wakes it
		io.WriteString(console, "\r\nrouter# ")
		command, _ := lines.ReadString('\r')
		fmt.Fprintf(console, "%s\n12:00:00 UTC\r\nrouter# ", command)
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &rfc2217.Server{Port: shared}
	go server.Serve(l)
	defer server.Close()

	p, err := portname.Open(context.Background(), "rfc2217://"+l.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	_, err = script.Run(context.Background(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		if err := d.Send(ctx, []byte("\r")); err != nil {
			return err
		}
		if _, err := d.Exchange(ctx, 10*time.Second, script.Text("# "), "show clock\r"); err != nil {
			return err
		}
		m, err := d.WaitFor(ctx, 10*time.Second, script.Text("router# "))
		fmt.Printf("%q\n", m.Before)
		return err
	}), nil)
	if err != nil {
		fmt.Println(err)
	}
	// Output: "show clock\r\n12:00:00 UTC\r\n"
}

// counting is a port of one's own: a decorator that counts. It embeds
// port.Forward, so it has every ability of the port below.
type counting struct {
	port.Forward
	read int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Forward.Port.Read(b)
	c.read += n
	return n, err
}

func Example_ownPort() {
	c := &counting{Forward: port.Forward{Port: host()}}
	_, err := script.Run(context.Background(), c, script.Login(&script.LoginConfig{Settle: time.Millisecond}), joe)
	fmt.Println("counted:", c.read > 0, "lines:", port.AbilitiesOf(c)&port.AbilityLines != 0, err)
	// Output: counted: true lines: true <nil>
}
