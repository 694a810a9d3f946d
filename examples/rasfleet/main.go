// Rasfleet runs many dial-up calls on many lines of many hosts. Jobs are queued in
// NATS JetStream; workers fetch those for which they have a free line; each job has
// exactly one result. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // some jobs have failed, or the connection was lost
	exitUsage  = 2 // wrong flags, or a job or lines.json that does not parse
)

const usage = `usage: rasfleet COMMAND [flags]

  demo      40 simulated modems in 2 worker processes, 500 jobs, and the page
  serve     the queue and the page         rasfleet serve -store DIR
  work      take jobs for lines            rasfleet work -nats URL -creds FILE -lines lines.json -secrets DIR
  submit    queue jobs                     rasfleet submit -nats URL -creds FILE [-wait] job.json… or -
  status    what the lines and jobs do     rasfleet status -nats URL -creds FILE [-json]
  results   the results, one a line        rasfleet results -nats URL -creds FILE [-f] [-json]
  cancel    end jobs                       rasfleet cancel -nats URL -creds FILE ID…

rasfleet COMMAND -h lists the flags of a command.
`

// program is the program's surroundings.
type program struct {
	ctx         context.Context
	in          io.Reader
	out, errOut io.Writer
}

// usageError is an error of the flags or of the files that they name.
type usageError struct{ error }

// errSomeFailed is the error of a command that worked, for jobs that did not.
var errSomeFailed = errors.New("some jobs have failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	p := &program{ctx: ctx, in: os.Stdin, out: os.Stdout, errOut: os.Stderr}
	status := p.run(os.Args[1:])
	stop()
	os.Exit(status)
}

func (p *program) run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(p.errOut, usage)
		return exitUsage
	}
	commands := map[string]func([]string) error{
		"demo": p.demo, "serve": p.serve, "work": p.work, "submit": p.submit,
		"status": p.status, "results": p.results, "cancel": p.cancel,
	}
	name := args[0]
	if name == "-h" || name == "-help" || name == "--help" || name == "help" {
		fmt.Fprint(p.out, usage)
		return exitOK
	}
	command := commands[name]
	if command == nil {
		fmt.Fprintf(p.errOut, "rasfleet: no command %q; rasfleet -h lists them\n", name)
		return exitUsage
	}
	err := command(args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, new(usageError)):
		fmt.Fprintf(p.errOut, "rasfleet %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "\nrasfleet "+name+": "))
		return exitUsage
	}
	fmt.Fprintf(p.errOut, "rasfleet %s: %v\n", name, err)
	return exitFailed
}

// flags returns a flag set whose errors are usage errors.
func (p *program) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("rasfleet "+name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parse parses the flags of a command; extra is whether it has arguments.
func (p *program) parse(f *flag.FlagSet, args []string, extra bool) error {
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(p.out, "flags of %s:\n", f.Name())
		f.SetOutput(p.out)
		f.PrintDefaults()
		return err
	}
	if err == nil && !extra && f.NArg() > 0 {
		err = fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

// client are the flags of a command that connects to a server.
type client struct{ url, creds string }

func (c *client) flags(f *flag.FlagSet) {
	f.StringVar(&c.url, "nats", "", "`URL` of the server, nats://host:port, as serve prints it")
	f.StringVar(&c.creds, "creds", "", "`file` with the seed or the credentials, whose path serve prints")
}

var userInfo = regexp.MustCompile(`^([A-Za-z]+://)?.*@`)

// connectError is the error of a connection that was not made. It shows the URLs of
// the servers without passwords, and without user names, which are the tokens of
// nats://TOKEN@host.
func connectError(urls string, err error) error {
	if errors.As(err, new(*url.Error)) { // which quotes the URL
		err = errors.New("-nats is no URL; nats://host:port is needed")
	}
	all := strings.Split(urls, ",")
	for i, u := range all {
		all[i] = userInfo.ReplaceAllString(u, "$1")
	}
	return fmt.Errorf("%s: %w", strings.Join(all, ","), err)
}

// queue connects. The caller calls close.
func (p *program) queue(c *client) (q *Queue, close func(), err error) {
	if c.url == "" {
		return nil, nil, usageError{errors.New("-nats URL is needed, as serve prints it")}
	}
	nc, err := connect(c.url, c.creds)
	if err != nil {
		return nil, nil, connectError(c.url, err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
	defer cancel()
	if q, err = openQueue(ctx, nc); err != nil {
		nc.Close()
		return nil, nil, err
	}
	return q, nc.Close, nil
}
