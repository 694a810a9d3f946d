package script_test

import (
	"context"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const prompt, reply = "login: ", "guest\r"

// prompting is a port that costs nothing and always has a prompt.
type prompting struct{ port.Port }

func (prompting) Interruptible() bool { return true }

func (prompting) Read(b []byte) (int, error)       { return copy(b, prompt), nil }
func (prompting) Write(b []byte) (int, error)      { return len(b), nil }
func (prompting) SetDeadline(time.Time) error      { return nil }
func (prompting) SetReadDeadline(time.Time) error  { return nil }
func (prompting) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkOverhead is BenchmarkAnswer without a kernel: what the library itself
// takes for a prompt and its answer.
func BenchmarkOverhead(b *testing.B) {
	_, err := script.Run(b.Context(), prompting{}, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		b.ReportAllocs()
		b.ResetTimer()
		return answers(ctx, script.NewDialog(call, nil), b.N)
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
}

func answers(ctx context.Context, d *script.Dialog, n int) error {
	text := []byte(reply)
	for range n {
		if _, err := d.WaitFor(ctx, 30*time.Second, script.Text(prompt)); err != nil {
			return err
		}
		if err := d.Send(ctx, text); err != nil {
			return err
		}
	}
	return nil
}
