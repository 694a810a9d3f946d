package scp

import "testing"

func TestFindSends(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []bool // for what follows each waitfor
	}{
		{"the last wait", `waitfor "a" transmit "b" waitfor "c"`, []bool{true, false}},
		{"no transmit", `waitfor "PPP"`, []bool{false}},
		{"a failure between", `waitfor "a" until 5 if $FAILURE then halt endif transmit "b"`, []bool{true}},
		{"a transmit in one branch", `waitfor "a" until 5 if $SUCCESS then transmit "b" endif`, []bool{false}},
		{"a transmit in both", `waitfor "a" until 5 if $SUCCESS then transmit "b" endif if $FAILURE then transmit "c" endif transmit "d"`, []bool{true}},
		{"an answer that ends", `waitfor "a" then more, "b" then done more: transmit "c" done:`, []bool{false}},
		{"a loop that never ends", `again: waitfor "a" goto again`, []bool{true}},
		{"a loop", `integer n n = 0 while n < 3 do waitfor "a" n = n + 1 endwhile transmit "b"`, []bool{true}},
	} {
		p, err := Parse("test.scp", []byte("proc main\n"+tt.body+"\nendproc\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []bool
		for i, in := range p.code {
			if in.op == opWaitfor {
				got = append(got, p.sends[i])
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
	}
}
