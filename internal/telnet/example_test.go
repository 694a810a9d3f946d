package telnet_test

import (
	"fmt"

	"github.com/rasline/rasline/internal/telnet"
)

func ExampleDecoder() {
	var d telnet.Decoder
	for _, piece := range []string{"log\xff", "\xfd\x2cin", "\xff\xff: "} {
		for raw := []byte(piece); len(raw) > 0; {
			data, rest, ev := d.Next(raw)
			fmt.Printf("%q", data)
			if ev.Kind == telnet.Negotiate {
				fmt.Printf(" DO %d", ev.Option)
			}
			fmt.Println()
			raw = rest
		}
	}
	// Output:
	// "log"
	// "" DO 44
	// "in"
	// "\xff: "
}

func ExampleAppendSub() {
	setBaud := telnet.AppendSub(nil, telnet.ComPort, 1, 0, 0, 0xff, 0)
	fmt.Printf("% x\n", setBaud)
	// Output: ff fa 2c 01 00 00 ff ff 00 ff f0
}
