package telnet

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Deadline
		passed := func() bool {
			synctest.Wait()
			select {
			case <-d.Done():
				return d.Passed()
			default:
				return false
			}
		}
		steps := []struct {
			why  string
			set  time.Duration // from now; 0 is never
			wait time.Duration
			want bool
		}{
			{"never", 0, time.Hour, false},
			{"ahead", time.Minute, 59 * time.Second, false},
			{"pushed back", time.Minute, 59 * time.Second, false},
			{"passes", time.Second, time.Second, true},
			{"set again after that", time.Minute, 59 * time.Second, false},
			{"cleared", 0, time.Hour, false},
			{"in the past", -time.Second, 0, true},
			{"and ahead again", time.Second, 2 * time.Second, true},
		}
		for _, s := range steps {
			var at time.Time
			if s.set != 0 {
				at = time.Now().Add(s.set)
			}
			d.Set(at)
			<-time.After(s.wait)
			if got := passed(); got != s.want {
				t.Errorf("%s: passed = %v, want %v", s.why, got, s.want)
			}
			if !d.Time().Equal(at) {
				t.Errorf("%s: Time = %v, want %v", s.why, d.Time(), at)
			}
		}
	})
}

func TestDeadlineAllocations(t *testing.T) {
	var d Deadline
	d.Set(time.Now().Add(time.Hour))
	if n := testing.AllocsPerRun(100, func() { d.Set(time.Now().Add(time.Hour)) }); n != 0 {
		t.Errorf("moving a deadline takes %v allocations, want 0", n)
	}
	d.Set(time.Time{})
}
