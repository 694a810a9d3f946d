package ras_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// The callbacks as a custom-scripting DLL uses them: get a buffer, post a
// receive, wait for the event, retrieve, send, free.
func Example() {
	p, far := virtual.Pair()
	defer p.Close()
	defer far.Close()
	io.WriteString(far, "login: ")

	s := ras.NewSession(p, nil)
	defer s.Close()

	buf, err := s.GetBuffer(ras.MaxBuffer)
	if err != nil {
		log.Fatal(err)
	}
	event := ras.NewEvent()
	if err := s.ReceiveBuffer(s.Handle(), buf, 30*time.Second, event); err != nil {
		log.Fatal(err)
	}
	<-event.C()
	n, err := s.RetrieveBuffer(s.Handle(), buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", buf.Bytes()[:n])

	n = copy(buf.Bytes(), "guest\r")
	if err := s.SendBuffer(s.Handle(), buf, n); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.FreeBuffer(buf))
	// Output:
	// "login: "
	// <nil>
}

// A time-out is an error with a code, and the port lives on.
func ExampleSession_RetrieveBuffer() {
	p, far := virtual.Pair()
	defer p.Close()
	defer far.Close()
	s := ras.NewSession(p, nil)
	defer s.Close()
	buf, _ := s.GetBuffer(80)
	event := ras.NewEvent()

	s.ReceiveBuffer(s.Handle(), buf, time.Millisecond, event)
	<-event.C()
	_, err := s.RetrieveBuffer(s.Handle(), buf)
	fmt.Println(errors.Is(err, ras.ErrRequestTimeout), ras.CodeOf(err).Name())

	io.WriteString(far, "late")
	s.ReceiveBuffer(s.Handle(), buf, time.Second, event)
	<-event.C()
	n, err := s.RetrieveBuffer(s.Handle(), buf)
	fmt.Println(n, err)
	// Output:
	// true ERROR_REQUEST_TIMEOUT
	// 4 <nil>
}

// A Secret shows itself to nobody.
func ExampleSecret() {
	p := ras.DialParams{UserName: "joe", Password: "hunter2"}
	fmt.Println(p.Password, len(p.Password.Reveal()))
	fmt.Printf("%+v\n", p)
	// Output:
	// *** 7
	// {entry "", phone "", callback "", user "joe", password "***", domain ""}
}

// Codes are errors, and find the standard library's error of the same meaning.
func ExampleCode() {
	var err error = &ras.Error{Op: "dial", Code: ras.ErrNotSupported}
	fmt.Println(err)
	fmt.Println(errors.Is(err, ras.ErrNotSupported), errors.Is(err, errors.ErrUnsupported))
	// Output:
	// dial: error 50 ERROR_NOT_SUPPORTED: request is not supported here
	// true true
}
