package scriptfile_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/scriptfile"
	"github.com/rasline/rasline/script/scripttest"
)

// The ending of the name decides how a script is read.
func Example() {
	s, err := scriptfile.Load("isp.chat", []byte("ogin: \\T\nword: \\q\\U\n~ \\c\n"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	line, far := virtual.Pair()
	defer line.Close()
	host := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "guest", Password: "secret"})
	defer host.Close()
	_, err = script.Run(context.Background(), line, s.Executor(), &script.Config{
		Params: &ras.DialParams{UserName: "guest", Password: "secret"},
	})
	fmt.Println(s.Language(), err, host.LoggedIn())
	// Output: chat <nil> true
}

// Load reports every error of a script, in any language.
func ExampleLoad() {
	_, err := scriptfile.Load("isp.scp", []byte("proc main\n transmit\n"), nil)
	var list *lint.ParseError
	if errors.As(err, &list) {
		for _, f := range list.Errors() {
			fmt.Println(f)
		}
	}
	// Output:
	// isp.scp:1:1: error: this "proc" has no "endproc"
	// isp.scp:3:1: error: a value is missing here: the end of the file is none
}
