package script_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// TestOthersOnATerminal ends receives on a pseudo-terminal from other goroutines,
// by what is given back, cancels, contexts, limits and at last a failure of the
// port: no byte is lost and no call blocks.
func TestOthersOnATerminal(t *testing.T) {
	for name, decorate := range decorations {
		t.Run(name, func(t *testing.T) {
			far, device := terminal(t)
			near, err := port.Open(t.Context(), device, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			s := ras.NewSession(near, nil)
			call := decorate(&ras.Call{API: s, Port: s.Handle()})
			const rounds = 200
			var others, reader sync.WaitGroup
			stop := make(chan struct{})
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						call.CancelReceive()
					}
				}
			})
			reader.Go(func() { io.Copy(io.Discard, far) })
			others.Go(func() {
				for range rounds {
					far.Write([]byte("data"))
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					if err := call.Send(ctx, []byte("up")); err != nil {
						t.Error(err)
					}
					cancel()
					runtime.Gosched()
				}
			})
			for got := 0; got < 4*rounds; {
				limited, cancel := context.WithTimeout(t.Context(), time.Millisecond<<(got%8))
				b := make([]byte, 1+got%7)
				n, err := call.Receive(limited, b, time.Millisecond<<(got%3))
				cancel()
				if code := ras.CodeOf(err); err != nil && code != ras.ErrRequestTimeout && code != ras.ErrInvalidParameter {
					t.Fatalf("after %d bytes: %v", got, err)
				}
				for i := range n {
					if b[i] != "data"[(got+i)%4] {
						t.Fatalf("byte %d is %q", got+i, b[i])
					}
				}
				if back := n / 2; back > 0 {
					if err := call.Unread(b[n-back : n]); err != nil {
						t.Fatal(err)
					}
					n -= back
				}
				got += n
			}
			close(stop)
			others.Wait()
			time.AfterFunc(time.Millisecond, func() { s.Fail(errors.New("failed by the test")) })
			if n, err := call.Receive(t.Context(), make([]byte, 1), time.Minute); n > 0 || ras.CodeOf(err) == ras.ErrRequestTimeout {
				t.Errorf("a receive on a port that has failed: %d, %v", n, err)
			}
			if _, err := call.End(); err != nil {
				t.Error(err)
			}
			s.Close()
			near.Close()
			far.Close()
			reader.Wait()
		})
	}
}
