package switchinf_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/switchinf"
)

const exampleISP = `
[Example ISP]
COMMAND=
OK=<match>"ogin:"
LOOP=<ignore>
COMMAND=<username><cr>
OK=<match>"assword:"
COMMAND=<password><cr>
CONNECT=<match>"PPP"
ERROR_AUTHENTICATION_FAILURE=<match>"incorrect"
`

// loginServer lets guest in with the password secret.
func loginServer(line io.ReadWriter) {
	in := bufio.NewReader(line)
	io.WriteString(line, "Welcome to example.net\r\nlogin: ")
	name, _ := in.ReadString('\r')
	io.WriteString(line, name+"\nPassword: ")
	password, _ := in.ReadString('\r')
	if name != "guest\r" || password != "secret\r" {
		io.WriteString(line, "\r\nLogin incorrect\r\n")
		return
	}
	io.WriteString(line, "\r\nPPP\r\n")
}

func Example() {
	file, err := switchinf.Parse("switch.inf", []byte(exampleISP))
	if err != nil {
		fmt.Println(err)
		return
	}
	// An impatient configuration, since this example runs on real time.
	login, err := file.Executor("example isp", &switchinf.Config{EmptyPause: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, password := range []ras.Secret{"secret", "wrong"} {
		near, far := virtual.Pair()
		go loginServer(far)
		params := &ras.DialParams{UserName: "guest", Password: password}
		_, err := script.Run(context.Background(), near, login, &script.Config{Params: params})
		fmt.Println(errors.Is(err, ras.ErrAuthenticationFailure), err)
		near.Close()
		far.Close()
	}
	// Output:
	// false <nil>
	// true switch.inf:10: [Example ISP]: device reported ERROR_AUTHENTICATION_FAILURE
}

func ExampleParse() {
	file, err := switchinf.Parse("switch.inf", []byte("[ISP]\nCOMMAND=<user><cr>\nwait\nOK=<match>\"PPP\n"))
	for _, found := range file.Findings() {
		fmt.Println(found)
	}
	fmt.Println(errors.Is(err, ras.ErrScriptSyntax))
	// Output:
	// switch.inf:2:9: error: there is no macro <user>: write <username>
	// switch.inf:3:1: error: this is no command, response or comment, and is skipped: begin a comment with ; in column 1
	// switch.inf:4:11: error: the closing quote is missing: write <h22> for a quote in the text
	// true
}

func ExampleFile_Sections() {
	file, _ := switchinf.Parse("switch.inf", []byte(exampleISP+"[Other]\nCOMMAND=ppp<cr>\n"))
	for _, s := range file.Sections() {
		fmt.Printf("%s: %d commands, line %d\n", s.Name, s.Commands, s.Line)
	}
	// Output:
	// Example ISP: 3 commands, line 2
	// Other: 1 commands, line 11
}
