package dialup

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
)

// The pauses of Persist.
const (
	pauseMin   = 5 * time.Second
	pauseMax   = 600 * time.Second
	longEnough = 45 * time.Second
)

// Persist keeps a connection: it dials, calls use with the Conn, closes the Conn
// when use returns, and dials again, until ctx ends. The pause before the next
// dial is 5 seconds, and twice as long after each further connection that failed
// or lasted less than 45 seconds, up to 600 seconds.
//
// It returns the context's error, joined with that of the last dial or use; or
// the error of a dial that no repetition can help: of an entry that fails Check,
// of a user name and password that are refused, which would lock the account, of a
// port that has no proper name, and of a program for Handover that is missing or must
// not be run.
func Persist(ctx context.Context, e *Entry, cfg *Config, use func(ctx context.Context, c *Conn) error) error {
	return persist(ctx, func() (*Conn, error) { return Dial(ctx, e, cfg) }, use)
}

// Persist keeps a connection as the function Persist does, on whatever line of the
// pool is free for each dial. It returns when the pool is closed, too.
func (p *Pool) Persist(ctx context.Context, e *Entry, cfg *Config, use func(ctx context.Context, c *Conn) error) error {
	return persist(ctx, func() (*Conn, error) { return p.Dial(ctx, e, cfg) }, use)
}

func persist(ctx context.Context, dial func() (*Conn, error), use func(ctx context.Context, c *Conn) error) error {
	pause := pauseMin
	for {
		lasted, err := once(ctx, dial, use)
		var own *Error
		switch {
		case ctx.Err() != nil:
			return errors.Join(context.Cause(ctx), err)
		case errors.As(err, &own) && own.Op == "check", // another dial would fail as well
			errors.As(err, new(*script.MissingError)),
			errors.As(err, new(*modem.InputError)),
			errors.Is(err, portname.ErrBadName),
			errors.Is(err, errPoolClosed),
			errors.As(err, new(*exec.Error)), // of a Handover
			errors.Is(err, ras.ErrAuthenticationFailure):
			return err
		}
		if lasted >= longEnough {
			pause = pauseMin
		}
		if wait.Sleep(ctx, pause) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		pause = min(2*pause, pauseMax)
	}
}

// once makes one connection and returns how long it has lasted.
func once(ctx context.Context, dial func() (*Conn, error), use func(ctx context.Context, c *Conn) error) (lasted time.Duration, err error) {
	c, err := dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	began := time.Now()
	err = use(ctx, c)
	return time.Since(began), err
}
