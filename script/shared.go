package script

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// Shared returns the T that all executors of one call share. It is zero until
// one of them has set it. A package declares a type of its own for what its
// executors have to know of each other: package modem, whether one of them has
// dialled. It must be used by one goroutine at a time, as a Dialog.
func Shared[T any](call *ras.Call) *T {
	l := lineOf(call)
	key := reflect.TypeFor[T]()
	if v, ok := l.shared[key].(*T); ok {
		return v
	}
	if l.shared == nil {
		l.shared = make(map[reflect.Type]any)
	}
	v := new(T)
	l.shared[key] = v
	return v
}

// deferred holds the functions of Defer for one call.
type deferred struct {
	functions []func(ctx context.Context, p port.Port, err error) error
}

// Defer has f called at the end of the run of the call, before Run returns: when
// the script has returned or panicked and its session no longer uses the port.
// It is for what must not be left behind, such as a telephone call. Functions
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
		if failed := protected(func() error { return f(context.WithoutCancel(ctx), p, err) }); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// protected returns a panic of f as an error.
func protected(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &ras.Error{Op: "clean up", Code: ras.ErrUnknown, Err: fmt.Errorf("panic: %v", v)}
		}
	}()
	return f()
}

// OnReceive has f called with what Dialogs of the call receive from now on, in
// order and before they use it, until the returned function is called. It is for
// what must be seen wherever a script waits, such as the word of a modem that
// the connection is lost. Bytes that a Dialog has left to the next one are seen
// again. f must not keep the slice nor use the call.
func OnReceive(call *ras.Call, f func(b []byte)) (stop func()) {
	l := lineOf(call)
	l.observers = append(l.observers, &f)
	return func() {
		l.observers = slices.DeleteFunc(slices.Clone(l.observers), func(o *func([]byte)) bool { return o == &f })
	}
}
