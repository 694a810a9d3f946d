//go:build cgo

package dllexport

import (
	"context"

	"golang.org/x/sys/windows"
)

// event is a Windows event, and another that frees those who wait for it.
type event struct{ handle, stop windows.Handle }

func newEvent() (*event, error) {
	h, err := windows.CreateEvent(nil, 0, 0, nil)
	if err != nil {
		return nil, err
	}
	stop, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		windows.CloseHandle(h)
		return nil, err
	}
	return &event{h, stop}, nil
}

// wait implements hostEvent. A context that has ended ends all later waits.
func (e *event) wait(ctx context.Context) error {
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(stopped)
		windows.SetEvent(e.stop)
	})
	which, err := windows.WaitForMultipleObjects([]windows.Handle{e.handle, e.stop}, false, windows.INFINITE)
	if !unhook() {
		<-stopped
	}
	if err == nil && which != windows.WAIT_OBJECT_0 {
		err = context.Cause(ctx)
	}
	return err
}

// close implements hostEvent.
func (e *event) close(hostHasIt bool) {
	windows.CloseHandle(e.stop)
	if !hostHasIt {
		windows.CloseHandle(e.handle)
	}
}
