package script_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// FuzzDialog waits for two texts in turn in a stream that is cut anyhow, and
// compares with the result of strings.Index on the whole.
func FuzzDialog(f *testing.F) {
	f.Add("banner login: joe Password: x", "login: ", "Password: ", uint64(0x5), false)
	f.Add("aaaaab", "aab", "b", uint64(0xFFFF), true)
	f.Add("", "a", "b", uint64(0), false)
	f.Add("abcabcabc", "abc", "abcabc", uint64(0x924924), true)
	f.Fuzz(func(t *testing.T, stream, first, second string, cuts uint64, exact bool) {
		if len(stream) > 3000 || first == "" || second == "" {
			return
		}
		want, rest := firstOf(stream, first, second)
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair(virtual.BufferSize(1 << 13))
			defer near.Close()
			defer far.Close()
			go sendCut(far, stream, cuts)
			res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
				d := script.NewDialog(call, nil)
				for {
					m, err := d.WaitFor(ctx, time.Minute, script.Text(first), script.Text(second))
					if errors.Is(err, ras.ErrRequestTimeout) {
						break
					}
					if err != nil {
						return err
					}
					if len(want) == 0 {
						t.Fatalf("found %q after all that is there", m.Text)
					}
					if string(m.Text) != want[0] {
						t.Fatalf("found %q, want %q", m.Text, want[0])
					}
					want = want[1:]
				}
				return nil
			}), &script.Config{Exact: exact})
			// The wait that has failed has given back what it read.
			if err != nil || len(want) != 0 || string(res.Unread) != rest {
				t.Errorf("%v; %q were not found, %q was not read, want %q", err, want, res.Unread, rest)
			}
		})
	})
}

// firstOf returns the texts in the order in which they complete, each search
// beginning behind the last, and what is behind them all.
func firstOf(stream, first, second string) (found []string, rest string) {
	for {
		i, j := strings.Index(stream, first), strings.Index(stream, second)
		switch {
		case i < 0 && j < 0:
			return found, stream
		case j < 0 || i >= 0 && i+len(first) <= j+len(second):
			found, stream = append(found, first), stream[i+len(first):]
		default:
			found, stream = append(found, second), stream[j+len(second):]
		}
	}
}

// sendCut sends the stream in pieces, whose ends the bits of cuts tell.
func sendCut(far *virtual.Port, stream string, cuts uint64) {
	for len(stream) > 0 {
		n := 1
		for n < len(stream) && cuts&1 == 0 && n < 64 {
			cuts = cuts>>1 | cuts<<63
			n++
		}
		cuts = cuts>>1 | cuts<<63
		if _, err := far.Write([]byte(stream[:n])); err != nil {
			return
		}
		stream = stream[n:]
		<-time.After(time.Millisecond)
	}
}
