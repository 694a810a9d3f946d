package script

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// Shared returns the T that all executors of one call share. It is zero until
// one of them has set it. A package declares a type of its own for what its
// executors have to know of each other: package modem, whether one of them has
// dialled. It must be used by one goroutine at a time, as a Dialog.
func Shared[T any](call *ras.Call) *T {
	key := reflect.TypeFor[T]()
	if v, ok := call.Value(key).(*T); ok {
		return v
	}
	v := new(T)
	call.SetValue(key, v)
	return v
}

// deferred holds the functions of Defer for one call.
type deferred struct {
	functions []func(ctx context.Context, p port.Port, err error) error
}

// Defer has f called at the end of the run of the call, before Run returns: when
// the script has returned or panicked and its session no longer uses the port.
// It is for what must be ended in any case, such as a telephone call. Functions
// are called in the reverse order of Defer.
//
// f gets the port to use as it likes, and the error of the run, or nil. ctx has
// no end, even where the run's own context has ended: that may be the very
// reason for the clean-up. So f bounds its own time. An error of f is joined to
// the run's. Defer has no effect where the call is not one of Run's, as in a DLL
// that RAS has loaded.
func Defer(call *ras.Call, f func(ctx context.Context, p port.Port, err error) error) {
	d := Shared[deferred](call)
	d.functions = append(d.functions, f)
}

// cleanUp calls the functions of Defer and returns err with their errors.
func cleanUp(ctx context.Context, call *ras.Call, p port.Port, err error) error {
	d := Shared[deferred](call)
	for len(d.functions) > 0 {
		last := len(d.functions) - 1
		f := d.functions[last]
		d.functions = d.functions[:last]
		if failed := protected("clean up", call, func() error { return f(context.WithoutCancel(ctx), p, err) }); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// protected returns a panic of f as an error, secrets of the call masked.
func protected(op string, call *ras.Call, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &ras.Error{Op: op, Code: ras.ErrUnknown, Err: fmt.Errorf("panic: %s", call.Mask(fmt.Append(nil, v)))}
		}
	}()
	return f()
}
