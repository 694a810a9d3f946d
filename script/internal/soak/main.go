// Soak runs many scripts in parallel on virtual ports, with noise, cancels and
// hang-ups, and checks every byte that they receive. It ends with status 1 if a
// byte was lost, duplicated or changed, if a run ended with another error than
// expected, or if goroutines or memory leaked.
//
//	go run ./script/internal/soak -sessions 500 -for 30m
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

var (
	sessions = flag.Int("sessions", 500, "sessions that run at the same time")
	length   = flag.Duration("for", time.Minute, "how long to run")
	seed     = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random choices")

	runs, lines atomic.Int64
	failures    atomic.Int64
)

const maxShown = 20 // failures that are printed

func main() {
	flag.Parse()
	fmt.Printf("seed %d\n", *seed)
	goroutines := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), *length)
	defer cancel()
	var wg sync.WaitGroup
	for i := range *sessions {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(*seed, uint64(i)))
			for ctx.Err() == nil {
				if err := session(ctx, rnd); err != nil {
					if failures.Add(1) <= maxShown {
						fmt.Printf("session %d: %v\n", i, err)
					}
				}
				runs.Add(1)
			}
		})
	}
	warm := sample(ctx, *length/6)
	last := sample(ctx, *length)
	wg.Wait()

	// Goroutines end soon after their runs: within ten seconds on a busy machine.
	left := runtime.NumGoroutine() - goroutines
	for i := 0; i < 1000 && left > 0; i++ {
		time.Sleep(10 * time.Millisecond)
		left = runtime.NumGoroutine() - goroutines
	}
	left = max(left, 0)
	fmt.Printf("%d runs, %d lines, %d failures; memory %d KiB after a sixth of the time, %d KiB at its end; %d goroutines left\n",
		runs.Load(), lines.Load(), failures.Load(), warm>>10, last>>10, left)
	if failures.Load() > 0 || left > 0 || last > 2*warm+16<<20 {
		os.Exit(1)
	}
}

// sample returns the memory in use after d, or at the end of ctx.
func sample(ctx context.Context, d time.Duration) uint64 {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// session runs one script on a new pair of ports.
func session(ctx context.Context, rnd *rand.Rand) error {
	var opts []virtual.Option
	noisy := rnd.IntN(5) == 0
	if noisy {
		opts = append(opts, virtual.Noise(0.01), virtual.Seed(rnd.Uint64()))
	}
	near, far := virtual.Pair(opts...)
	defer near.Close()
	defer far.Close()
	var peer sync.WaitGroup
	defer peer.Wait()
	hangUp := rnd.IntN(4) == 0
	count := 1 + rnd.IntN(200)
	cuts := rand.New(rand.NewPCG(rnd.Uint64(), 0))
	peer.Go(func() {
		for i := range count {
			for line := fmt.Appendf(nil, "line %08d\r\n", i); len(line) > 0; {
				n := 1 + cuts.IntN(len(line))
				if _, err := far.Write(line[:n]); err != nil {
					return
				}
				line = line[n:]
			}
			if cuts.IntN(20) == 0 {
				time.Sleep(time.Duration(cuts.IntN(1000)) * time.Microsecond)
			}
		}
		if hangUp {
			far.Close()
		}
	})
	limited := ctx
	cancelled := rnd.IntN(4) == 0
	if cancelled {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(20_000))*time.Microsecond)
		defer cancel()
	}
	e := reader(count, noisy, rand.New(rand.NewPCG(rnd.Uint64(), 1)))
	res, err := script.Run(limited, near, e, nil)
	switch {
	case res.Leaks > 0:
		return fmt.Errorf("%d buffers leaked", res.Leaks)
	case err == nil, limited.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return nil
	case hangUp && errors.Is(err, ras.ErrRemoteDisconnection):
		return nil // a port that is closed discards what it has not sent
	case noisy && errors.Is(err, ras.ErrRequestTimeout):
		return nil // a line end was damaged
	}
	return err
}

// reader returns a script that reads count lines and checks them, unless the line
// is noisy.
func reader(count int, noisy bool, choices *rand.Rand) script.Executor {
	return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		got := 0
		d := script.NewDialog(call, nil)
		for got < count {
			if choices.IntN(10) == 0 { // a cancelled wait must not change the input
				short, cancel := context.WithTimeout(ctx, time.Duration(choices.IntN(300))*time.Microsecond)
				d.WaitFor(short, 0, script.Text("never"))
				cancel()
			}
			limit := time.Minute
			if noisy {
				limit = 100 * time.Millisecond
			}
			m, err := d.WaitFor(ctx, limit, script.Text("\r\n"))
			if err != nil {
				return err
			}
			if want := fmt.Sprintf("line %08d", got); string(m.Before) != want && !noisy {
				return fmt.Errorf("received %q, want %q", m.Before, want)
			}
			got++
			lines.Add(1)
			if noisy && choices.IntN(20) == 0 {
				return nil
			}
		}
		return nil
	})
}
