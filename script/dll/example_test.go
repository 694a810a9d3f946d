package dll_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dll"
)

// A program that runs DLLs calls Main before anything else.
func ExampleLoad() {
	dll.Main()

	old, err := dll.Load("no-such-login.dll", &dll.Config{Timeout: time.Minute})
	if err != nil {
		fmt.Println("there is no such DLL")
		return
	}
	line, _ := virtual.Pair()
	params := &ras.DialParams{UserName: "ann", Password: "secret"}
	result, err := script.Run(context.Background(), line, old, &script.Config{Params: params})
	fmt.Println(result.Params.Domain, err)
	// Output: there is no such DLL
}

// Inspect works on every system.
func ExampleInspect() {
	f, err := os.Open("no-such-login.dll")
	if err != nil {
		fmt.Println("there is no such file")
		return
	}
	defer f.Close()
	img, err := dll.Inspect(f)
	if err == nil && img.Arch == "386" {
		fmt.Println("use a program built with GOARCH=386")
	}
	// Output: there is no such file
}
