package scp_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/scp"
	"github.com/rasline/rasline/script/scripttest"
)

// A login script runs against a host and leaves the line to PPP.
func Example() {
	src := []byte(`
proc main
    waitfor "ogin:" until 30
    if $SUCCESS then
        transmit $USERID, raw
        transmit "^M"
        waitfor "assword:" until 30
        if $SUCCESS then
            transmit $PASSWORD, raw
            transmit "^M"
            waitfor "welcome" then ready until 30
        endif
    endif
    halt
ready:
endproc
`)
	prog, err := scp.Parse("isp.scp", src)
	if err != nil {
		fmt.Println(err)
		return
	}
	line, far := virtual.Pair()
	defer line.Close()
	host := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "guest", Password: "secret"})
	defer host.Close()
	_, err = script.Run(context.Background(), line, prog, &script.Config{
		Params: &ras.DialParams{UserName: "guest", Password: "secret"},
	})
	fmt.Println(err, host.LoggedIn())
	// Output: <nil> true
}

// Parse reports every error, with its place.
func ExampleParse() {
	_, err := scp.Parse("isp.scp", []byte(`proc main
	integer tries = "3"
	transmit $USER
	goto start
endproc
`))
	var list *lint.ParseError
	if errors.As(err, &list) {
		for _, f := range list.Findings {
			fmt.Println(f)
			fmt.Println(f.Excerpt())
		}
	}
	// Output:
	// isp.scp:2:18: error: "tries" holds a whole number, but this is a text
	//  integer tries = "3"
	//                  ^
	// isp.scp:3:11: error: "$USER" is unknown: there are $USERID, $PASSWORD, $SUCCESS and $FAILURE
	//  transmit $USER
	//           ^
	// isp.scp:4:7: error: there is no label "start" in this procedure: mark the place to go to with the label and a colon
	//  goto start
	//       ^
}

// A script that parses may still deserve a second look.
func ExampleProgram_Warnings() {
	prog, err := scp.Parse("isp.scp", []byte("proc main\n  waitfor \"login:\"\n  transmit $PASSWORD\nendproc\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range prog.Warnings() {
		fmt.Println(f)
	}
	// Output:
	// isp.scp:2:3: warning: without "until" this waits for ever if the text never comes
	// isp.scp:3:12: warning: without ", raw" a ^, < or \ in $PASSWORD may be sent as something else
}
