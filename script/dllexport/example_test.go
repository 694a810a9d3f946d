package dllexport_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dllexport"
)

// In a DLL this stands in an init function of package main.
func ExampleRegister() {
	err := dllexport.Register(script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		if _, err := d.WaitFor(ctx, time.Minute, script.Text("login: ")); err != nil {
			return err
		}
		return d.Send(ctx, []byte(call.Params.UserName+"\r"))
	}), nil)
	if errors.Is(err, errors.ErrUnsupported) {
		fmt.Println("this program is not a DLL for Windows")
	}
}
