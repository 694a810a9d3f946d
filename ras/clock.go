package ras

import (
	"math"
	"time"
)

// instant is a moment on the monotonic clock, which costs half as much to read
// as the time of day. Zero stands for none.
type instant int64

var epoch = time.Now()

func now() instant { return instant(time.Since(epoch)) }

// add returns the instant d later, or the last of all.
func (i instant) add(d time.Duration) instant {
	if sum := i + instant(d); sum >= i {
		return sum
	}
	return math.MaxInt64
}

// time returns the instant as a deadline for a port. One that lies centuries
// ahead is none.
func (i instant) time(now instant) time.Time {
	d := time.Duration(i - now)
	if i == 0 || i > now && d < 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
