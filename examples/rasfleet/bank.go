package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/scripttest"
)

// What the meters of the simulation let in.
const (
	simUser     = "reader"
	simPassword = "kilowatt-9731"
)

// bank is a bank of simulated modems: the ports sim:NAME. A number reaches a meter
// that prompts for a name and a password. Numbers that end in 7 are busy half of the
// time, and those that end in 99 do not answer.
type bank struct {
	pace time.Duration // of a call, roughly; 0: no pauses

	mu  sync.Mutex // guards log
	log io.Writer  // one line for each call: "PORT NUMBER"; nil: none
}

// open opens a port of the bank, or any other as usual.
func (b *bank) open(ctx context.Context, name string, cfg *portname.Config) (port.Port, error) {
	if !strings.HasPrefix(name, "sim:") {
		return portname.Open(ctx, name, cfg)
	}
	dte, dce := virtual.Pair(virtual.Names(name, "modem"))
	scripttest.NewModem(dce, &scripttest.ModemConfig{
		Info: []string{"rasfleet simulated modem"},
		Dial: func(ctx context.Context, number string) scripttest.Answer { return b.call(ctx, name, number) },
	})
	return dte, nil // the modem ends when its port is closed
}

func (b *bank) call(ctx context.Context, name, number string) scripttest.Answer {
	if b.log != nil {
		b.mu.Lock()
		fmt.Fprintf(b.log, "%s %s\n", name, number)
		b.mu.Unlock()
	}
	ringing, thinks := b.pace, b.pace/8
	if b.pace > 0 {
		ringing = b.pace/2 + rand.N(b.pace)
	}
	switch {
	case strings.HasSuffix(number, "99"):
		return scripttest.Answer{Result: "NO ANSWER", After: ringing}
	case strings.HasSuffix(number, "7") && rand.N(2) == 0:
		return scripttest.Answer{Result: "BUSY", After: ringing / 2}
	}
	h := fnv.New32a()
	io.WriteString(h, number)
	near, far := virtual.Pair()
	host := scripttest.NewLogin(far, &scripttest.LoginConfig{
		User: simUser, Password: ras.Secret(simPassword), Delay: thinks,
		Banner:        "\r\nMETER " + number + "\r\n",
		Welcome:       fmt.Sprintf("\r\nREADING %06d.%d kWh\r\n", h.Sum32()%1000000, h.Sum32()%10),
		ServicePrompt: "> ",
	})
	context.AfterFunc(ctx, func() { host.Close() })
	return scripttest.Answer{Far: near, After: ringing, Connect: "CONNECT 9600"}
}

// simScript reads a meter.
const simScript = `TIMEOUT 20
"ogin:" "\T"
"word:" "\U"
"kWh" ""
`

// simLines are n lines of a bank.
func simLines(prefix string, n int) []lineConfig {
	var lines []lineConfig
	for i := range n {
		name := fmt.Sprintf("%s-%03d", prefix, i+1)
		lines = append(lines, lineConfig{Name: name, Port: "sim:" + name, Class: "modem"})
	}
	return lines
}

// simJob is the job number i of a demonstration.
func simJob(i int) *Job {
	return &Job{
		ID: fmt.Sprintf("meter-%05d", i), Class: "modem", Number: fmt.Sprintf("555%05d", i),
		Script: &Script{Language: "chat", Text: simScript}, Params: Params{User: simUser}, Credentials: "meters",
		Attempts: 4, Pause: map[string]Duration{"BUSY": Duration(2 * time.Second), "NO ANSWER": Duration(time.Second)},
		Priority: i % 3,
	}
}
