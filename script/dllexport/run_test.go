package dllexport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// login is a script written with a Dialog.
func login(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	for _, step := range []struct{ prompt, answer string }{
		{"login: ", call.Params.UserName}, {"Password: ", call.Params.Password.Reveal()},
	} {
		if _, err := d.WaitFor(ctx, 10*time.Second, script.Text(step.prompt)); err != nil {
			return err
		}
		if err := d.Send(ctx, []byte(step.answer+"\r")); err != nil {
			return err
		}
	}
	_, err := d.WaitFor(ctx, 10*time.Second, script.Text("Entering PPP"))
	call.Params.Domain = "D"
	return err
}

// serve answers a login and sends a frame in the same breath as the last text.
func serve(v *visit) {
	say := func(text string) {
		v.far.Write([]byte(text))
		v.far.Read(make([]byte, 64))
	}
	say("host\r\nlogin: ")
	say("Password: ")
	v.far.Write([]byte("Entering PPP~FRAME~"))
}

func TestLogin(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		go serve(v)
		if code := v.run(v.t.Context(), login); code != 0 {
			v.t.Errorf("the host got %v, want success", code)
		}
		if got := v.text(rasabi.Domain); got != "D" {
			v.t.Errorf("domain %q, want D", got)
		}
		if got := v.text(rasabi.UserName); got != "ann" {
			v.t.Errorf("user name %q, want ann", got)
		}
		if stats := v.host.s.Stats(); v.host.events != 0 && !v.host.neverSignals {
			v.t.Errorf("%d events open after the run (%+v)", v.host.events, stats)
		}
	})
}

// TestHandleIsUsedAgain holds that a run on a handle that an earlier run had
// finds nothing of it, and that a call made by hand finds the run's own.
func TestHandleIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			for range 3 {
				go v.far.Write([]byte("login: rest"))
				code := v.run(t.Context(), func(ctx context.Context, call *ras.Call) error {
					inner := &ras.Call{API: struct{ ras.API }{call.API}, Port: call.Port, Params: call.Params}
					if _, err := script.NewDialog(inner, nil).WaitFor(ctx, time.Second, script.Text("login: r")); err != nil {
						return err
					}
					m, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("st"))
					if err == nil && string(m.Before) != "e" {
						err = fmt.Errorf("%q came before", m.Before)
					}
					return err
				})
				if code != 0 {
					t.Fatalf("the host got %v", code)
				}
			}
		})
	})
}

func TestWhatFollowsTheLastMatchStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			go serve(v)
			if code := v.run(t.Context(), login); code != 0 {
				t.Fatalf("the host got %v", code)
			}
			synctest.Wait()
			rest := v.host.s.Unread()
			v.host.s.Close()
			b := make([]byte, 64)
			near := v.host.s.Line()
			near.SetReadDeadline(time.Now().Add(time.Second))
			n, _ := near.Read(b)
			if got := string(rest) + string(b[:n]); got != "~FRAME~" {
				t.Errorf("after the script the line holds %q, want %q", got, "~FRAME~")
			}
		})
	})
}

func TestTimeoutAndAfter(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		code := v.run(v.t.Context(), func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			defer d.Close()
			start := time.Now()
			if _, err := d.WaitFor(ctx, 5*time.Second, script.Text("never")); !errors.Is(err, ras.ErrRequestTimeout) {
				return fmt.Errorf("the wait ended with %w", err)
			}
			if took := time.Since(start); took < 5*time.Second || took > 5*time.Second+2*slack {
				return fmt.Errorf("the limit of 5s passed after %v", took)
			}
			v.far.Write([]byte("late"))
			_, err := d.WaitFor(ctx, 20*time.Second, script.Text("late"))
			return err
		})
		if code != 0 {
			v.t.Errorf("the host got %v, want success: the line works after a time-out", code)
		}
	})
}

// The bytes that follow the last match are PPP's. A host that grants larger
// buffers than were asked for makes the script receive them; the loss is reported.
func TestLostBytesAreReported(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		var log bytes.Buffer
		v.log = slog.New(slog.NewTextHandler(&log, nil))
		go serve(v)
		code := v.run(v.t.Context(), login)
		lost := 0
		if v.host.bigBuffers {
			lost = len("~FRAME~")
		}
		if code != 0 || v.result.Lost != lost || v.result.Code != code || v.result.Entry != "Work" {
			v.t.Errorf("the result is %+v, want %d bytes lost", v.result, lost)
		}
		if said := strings.Contains(log.String(), "bytes=7"); said != (lost > 0) {
			v.t.Errorf("log %q with %d bytes lost", log.String(), lost)
		}
	})
}

// A script that is certain to send again reads as much as the host has.
func TestReadAhead(t *testing.T) {
	const size = 12400
	onEveryHost(t, func(v *visit) {
		go func() {
			v.far.Write(bytes.Repeat([]byte("motd motd motd motd\r\n"), size/21))
			serve(v)
		}()
		code := v.run(v.t.Context(), func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			for i, step := range []struct{ prompt, answer string }{{"login: ", "ann\r"}, {"Password: ", "secret\r"}, {"Entering PPP", ""}} {
				d.SetReadAhead(i < 2)
				if _, err := d.WaitFor(ctx, 10*time.Second, script.Text(step.prompt)); err != nil {
					return err
				}
				if err := d.Send(ctx, []byte(step.answer)); err != nil {
					return err
				}
			}
			return nil
		})
		if max := size/ras.MaxBuffer + 30; code != 0 || v.host.receives > max {
			v.t.Errorf("the host got %v after %d receives, want success after at most %d", code, v.host.receives, max)
		}
		if v.result.Lost > 0 && !v.host.bigBuffers {
			v.t.Errorf("%d bytes were lost", v.result.Lost)
		}
	})
}

// Fields that no script needs are not checked.
func TestNumbersThatAreNoText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			for i := 518; i < 1034; i += 2 { // phone and callback number
				v.params.Bytes()[i], v.params.Bytes()[i+1] = 0, 0xD8
			}
			code := v.run(t.Context(), func(_ context.Context, call *ras.Call) error {
				call.Params.Domain = "D"
				if p := call.Params; p.PhoneNumber != "" || p.CallbackNumber != "" || p.UserName != "ann" {
					return fmt.Errorf("the script got %v", p)
				}
				return nil
			})
			if code != 0 || v.text(rasabi.Domain) != "D" {
				t.Errorf("the host got %v and domain %q", code, v.text(rasabi.Domain))
			}
		})
	})
}

// A receive that the host continues with has an older limit than the wait that
// takes it over; that limit must not end the wait.
func TestOlderLimitDoesNotEndANewWait(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		code := v.run(v.t.Context(), func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			defer d.Close()
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := d.WaitFor(short, 3*time.Second, script.Text("x")); !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("the cancelled wait ended with %w", err)
			}
			time.AfterFunc(10*time.Second, func() { v.far.Write([]byte("x")) })
			_, err := d.WaitFor(ctx, 20*time.Second, script.Text("x"))
			return err
		})
		if code != 0 {
			v.t.Errorf("the host got %v, want success", code)
		}
	})
}

func TestHangUp(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		time.AfterFunc(time.Second, func() { v.far.Close() })
		code := v.run(v.t.Context(), func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			defer d.Close()
			_, err := d.WaitFor(ctx, 0, script.Text("never"))
			return err
		})
		if code != ras.ErrRemoteDisconnection {
			v.t.Errorf("the host got %v, want %v", code, ras.ErrRemoteDisconnection)
		}
	})
}

func TestFlood(t *testing.T) {
	const size = 1 << 15
	onEveryHost(t, func(v *visit) {
		go func() {
			v.far.Write(bytes.Repeat([]byte("junk and more junk\r\n"), size/20))
			v.far.Write([]byte("login: "))
		}()
		code := v.run(v.t.Context(), func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			defer d.Close()
			_, err := d.WaitFor(ctx, time.Minute, script.Text("login: "))
			return err
		})
		if code != 0 {
			v.t.Errorf("the host got %v, want success", code)
		}
	})
}

func TestCancel(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		ctx, cancel := context.WithCancel(v.t.Context())
		time.AfterFunc(time.Second, cancel)
		var after []ras.Code
		code := v.run(ctx, func(_ context.Context, call *ras.Call) error {
			b, err := call.GetBuffer(10)
			if err != nil {
				return err
			}
			ev := ras.NewEvent()
			for range 2 {
				if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
					return err
				}
				<-ev.C()
				_, err = call.RetrieveBuffer(call.Port, b)
				after = append(after, ras.CodeOf(err))
			}
			after = append(after, ras.CodeOf(call.SendBuffer(call.Port, b, 1)))
			return nil // although the user has cancelled
		})
		if want := "[631 631]"; code != ras.ErrUserDisconnection || len(after) != 3 || fmt.Sprint(uint32(after[0]), uint32(after[1])) != "631 631" {
			v.t.Errorf("the host got %v, the script %v; want 631 and %s", code, after, want)
		}
	})
}

func TestMisuse(t *testing.T) {
	pending := func(f func(call *ras.Call, b ras.Buffer, ev *ras.Event) error) script.ExecutorFunc {
		return func(_ context.Context, call *ras.Call) error {
			b, err := call.GetBuffer(10)
			if err != nil {
				return err
			}
			ev := ras.NewEvent()
			if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
				return err
			}
			return f(call, b, ev)
		}
	}
	tests := []struct {
		name string
		run  script.ExecutorFunc
		want ras.Code
	}{
		{"a second receive", pending(func(call *ras.Call, b ras.Buffer, ev *ras.Event) error {
			return call.ReceiveBuffer(call.Port, b, 0, ev)
		}), ras.ErrAsyncRequestPending},
		{"retrieve too early", pending(func(call *ras.Call, b ras.Buffer, _ *ras.Event) error {
			_, err := call.RetrieveBuffer(call.Port, b)
			return err
		}), ras.ErrPending},
		{"free what a receive uses", pending(func(call *ras.Call, b ras.Buffer, _ *ras.Event) error {
			return call.FreeBuffer(b)
		}), ras.ErrAsyncRequestPending},
		{"send what a receive uses", pending(func(call *ras.Call, b ras.Buffer, _ *ras.Event) error {
			return call.SendBuffer(call.Port, b, 1)
		}), ras.ErrAsyncRequestPending},
		{"no event", func(_ context.Context, call *ras.Call) error {
			b, _ := call.GetBuffer(10)
			return call.ReceiveBuffer(call.Port, b, 0, nil)
		}, ras.ErrInvalidHandle},
		{"retrieve with nothing posted", func(_ context.Context, call *ras.Call) error {
			b, _ := call.GetBuffer(10)
			_, err := call.RetrieveBuffer(call.Port, b)
			return err
		}, ras.ErrInvalidParameter},
		{"free twice", func(_ context.Context, call *ras.Call) error {
			b, _ := call.GetBuffer(10)
			call.FreeBuffer(b)
			return call.FreeBuffer(b)
		}, ras.ErrBufferInvalid},
		{"a foreign buffer", func(_ context.Context, call *ras.Call) error {
			return call.SendBuffer(call.Port, foreign{}, 1)
		}, ras.ErrBufferInvalid},
		{"a wrong port", func(_ context.Context, call *ras.Call) error {
			b, _ := call.GetBuffer(10)
			return call.SendBuffer(call.Port+1, b, 1)
		}, ras.ErrInvalidPortHandle},
		{"send too much", func(_ context.Context, call *ras.Call) error {
			b, _ := call.GetBuffer(10)
			return call.SendBuffer(call.Port, b, 11)
		}, ras.ErrBufferTooSmall},
		{"all buffers", func(_ context.Context, call *ras.Call) error {
			for {
				if _, err := call.GetBuffer(1); err != nil {
					return err
				}
			}
		}, ras.ErrOutOfBuffers},
		{"settings that no line has", func(_ context.Context, call *ras.Call) error {
			return call.SetCommSettings(call.Port, ras.CommSettings{ByteSize: 9})
		}, ras.ErrWrongInfoSpecified},
		{"a panic", func(context.Context, *ras.Call) error { panic("script") }, ras.ErrUnknown},
		{"an error of its own", func(context.Context, *ras.Call) error { return fmt.Errorf("x: %w", ras.ErrLineBusy) }, ras.ErrLineBusy},
		{"an unknown error", func(context.Context, *ras.Call) error { return errors.New("x") }, ras.ErrUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onEveryHost(t, func(v *visit) {
				if code := v.run(v.t.Context(), tt.run); code != tt.want {
					v.t.Errorf("the host got %v, want %v", code, tt.want)
				}
			})
		})
	}
}

type foreign struct{}

func (foreign) Bytes() []byte { return make([]byte, 10) }

func TestSettings(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		code := v.run(v.t.Context(), func(_ context.Context, call *ras.Call) error {
			return call.SetCommSettings(call.Port, ras.CommSettings{Parity: 2, ByteSize: 7})
		})
		want := ras.Success
		if v.host.noExtension {
			want = ras.ErrNotSupported
		}
		if code != want {
			v.t.Errorf("the host got %v, want %v", code, want)
		}
	})
}

func TestCallbacksAfterTheRun(t *testing.T) {
	onEveryHost(t, func(v *visit) {
		var kept *ras.Call
		v.run(v.t.Context(), func(_ context.Context, call *ras.Call) error {
			kept = call
			return nil
		})
		if _, err := kept.GetBuffer(1); !errors.Is(err, ras.ErrOutOfBuffers) {
			v.t.Errorf("GetBuffer after the run = %v, want %v", err, ras.ErrOutOfBuffers)
		}
		if err := kept.SendBuffer(kept.Port, foreign{}, 1); !errors.Is(err, ras.ErrInvalidPortHandle) {
			v.t.Errorf("SendBuffer after the run = %v, want %v", err, ras.ErrInvalidPortHandle)
		}
	})
}

func TestLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			var log bytes.Buffer
			v.log = slog.New(slog.NewTextHandler(&log, nil))
			v.run(t.Context(), func(_ context.Context, call *ras.Call) error {
				call.GetBuffer(1)
				call.GetBuffer(2)
				return nil
			})
			v.host.s.Close()
			if left := v.host.s.Stats().Leaked; left != 0 || !strings.Contains(log.String(), "buffers=2") {
				t.Errorf("%d buffers left with the host, log %q; want 0 and a warning of 2", left, log.String())
			}
		})
	})
}

func TestRunning(t *testing.T) {
	tests := []struct {
		name string
		run  func(ctx context.Context) ras.Code
		want ras.Code
	}{
		{"returns", func(context.Context) ras.Code { return 700 }, 700},
		{"ends its goroutine", func(context.Context) ras.Code { runtime.Goexit(); return 0 }, ras.ErrUnknown},
		{"is cancelled", func(ctx context.Context) ras.Code {
			<-ctx.Done()
			return ras.Cause(context.Cause(ctx))
		}, ras.ErrUserDisconnection},
	}
	for _, tt := range tests {
		ended := make(chan struct{})
		r := start(tt.run, func() { close(ended) })
		if tt.name == "is cancelled" {
			r.cancel()
		}
		if code := r.finish(); code != tt.want {
			t.Errorf("a script that %s: the host got %v, want %v", tt.name, code, tt.want)
		}
		<-ended
	}
}

func TestNothingRegistered(t *testing.T) {
	if code := (registration{}).run(t.Context(), nil); code != ras.ErrNotSupported {
		t.Errorf("the host got %v, want %v", code, ras.ErrNotSupported)
	}
}

func TestRegister(t *testing.T) {
	err := Register(script.ExecutorFunc(login), nil)
	if supported() != nil {
		if !errors.Is(err, errors.ErrUnsupported) || Path() != "" {
			t.Errorf("Register = %v, Path %q; want ErrUnsupported and none", err, Path())
		}
		return
	}
	if err != nil || Register(nil, nil) == nil {
		t.Errorf("Register = %v, and of nothing = nil; want nil and an error", err)
	}
}

func TestMilliseconds(t *testing.T) {
	for _, tt := range []struct {
		limit time.Duration
		want  uint32
	}{
		{0, infinite}, {-1, infinite}, {1, 1}, {time.Millisecond, 1}, {time.Millisecond + 1, 2},
		{time.Hour, 3600000}, {1 << 62, infinite}, {(infinite - 1) * time.Millisecond, infinite - 1}, {infinite * time.Millisecond, infinite},
		{1<<63 - 1, infinite},
	} {
		if got := milliseconds(tt.limit); got != tt.want {
			t.Errorf("milliseconds(%v) = %d, want %d", tt.limit, got, tt.want)
		}
	}
}
