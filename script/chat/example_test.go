package chat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/lint"
)

// A login over a line whose peer has said everything already.
func Example() {
	line, server := virtual.Pair()
	io.WriteString(server, "login: Password: \n~ first frame")

	s, err := chat.ParseFile("login.chat", []byte(`
		TIMEOUT 5
		ogin:--ogin: ppp
		ssword:      '\qhello2u2'
		\n           \c
	`))
	if err != nil {
		fmt.Println(err)
		return
	}
	e := s.Executor(&chat.Config{Gap: -1}) // the peer is fast
	result, err := script.Run(context.Background(), line, e, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := make([]byte, 13)
	io.ReadFull(server, sent)
	fmt.Printf("sent %q, left for PPP %q\n", sent, result.Unread)
	// Output: sent "ppp\rhello2u2\r", left for PPP "~ first frame"
}

// The exit status of chat(8) and the code of RAS tell why a call failed.
func ExampleExitError() {
	line, modem := virtual.Pair()
	io.WriteString(modem, "\r\nBUSY\r\n")

	s, _ := chat.Parse([]string{"ABORT", "NO CARRIER", "ABORT", "BUSY", "CONNECT", ""})
	_, err := script.Run(context.Background(), line, s, nil)

	var exit *chat.ExitError
	if errors.As(err, &exit) {
		fmt.Println(exit.Status, exit.Abort)
	}
	fmt.Println(errors.Is(err, ras.ErrLineBusy))
	fmt.Println(err)
	// Output:
	// 5 BUSY
	// true
	// chat: argument 5:1: aborted on "BUSY" (exit status 5)
}

// Reports are written to Config.Report, and what the user should see to Stderr.
func ExampleConfig() {
	line, modem := virtual.Pair()
	io.WriteString(modem, "CONNECT 9600\r\n")

	s, _ := chat.Parse([]string{"SAY", `calling\n\c`, "", `ATDT\T`, "CONNECT", `\c`, `\n`})
	number := "5551212"
	e := s.Executor(&chat.Config{T: &number, Stderr: os.Stdout, Timeout: time.Second, Echo: true})
	if _, err := script.Run(context.Background(), line, e, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// calling
	// CONNECT 9600
}

// Warnings tell what looks wrong in a script that can run.
func ExampleScript_Warnings() {
	s, _ := chat.ParseFile("dial.chat", []byte("ABORT OK\n'' ABORT\nOKAY 555-1212\n# end\n #\tCONNECT\n"))
	for _, w := range s.Warnings() {
		fmt.Println(w)
	}
	// Output:
	// dial.chat:2:4: warning: ABORT is sent here and is no keyword: count the words before it, or write ''
	// dial.chat:3:1: warning: the abort string "OK" is a part of "OKAY" and comes first: make it longer
	// dial.chat:5:2: warning: "#" is a word, not a comment: a comment has its # in column 1 (quote the word to say that you mean it)
}

// A parser reports every error that it finds.
func ExampleParseFile() {
	_, err := chat.ParseFile("dial.chat", []byte("'' 'ATZ\nOK \"ATDT\n"))
	var mistakes *lint.ParseError
	if errors.As(err, &mistakes) {
		for _, m := range mistakes.Errors() {
			fmt.Println(m)
		}
	}
	// Output:
	// dial.chat:1:4: error: unterminated quote (line 1): close it before the line ends
	// dial.chat:2:4: error: unterminated quote (line 2): close it before the line ends
}
