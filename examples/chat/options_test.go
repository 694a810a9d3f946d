package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		words      string
		file       string
		timeout    time.Duration
		t, u       string // "" for none
		flags      string
	}{
		{name: "none", args: "a b", words: "a b"},
		{name: "nothing at all", args: ""},
		{name: "letters apart", args: "-e -E -v -V -s -S x", words: "x", flags: "eEvVsS"},
		{name: "letters together", args: "-eEvVsS x", words: "x", flags: "eEvVsS"},
		{name: "a value glued", args: "-t3 x", words: "x", timeout: 3 * time.Second},
		{name: "a value apart", args: "-t 3 x", words: "x", timeout: 3 * time.Second},
		{name: "after other letters", args: "-svt3 x", words: "x", timeout: 3 * time.Second, flags: "vs"},
		{name: "timeout 0", args: "-t0 x", words: "x", timeout: -1},
		{name: "no number", args: "-t x", timeout: -1},
		{name: "a number and more", args: "-t 3x", timeout: 3 * time.Second},
		{name: "a negative number", args: "-t -3", timeout: -1},
		{name: "file", args: "-f x", file: "x"},
		{name: "texts", args: "-T 1 -U2 x", words: "x", t: "1", u: "2"},
		{name: "an option as a value", args: "-T -t x", words: "x", t: "-t"},
		{name: "the script ends the options", args: "x -v", words: "x -v"},
		{name: "so does a double dash", args: "-v -- -s", words: "-s", flags: "v"},
		{name: "and a dash", args: "- -s", words: "- -s"},
		{name: "a report without name", args: "-r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseOptions(strings.Fields(tt.args))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(o.words, strings.Fields(tt.words)) || o.file != tt.file || o.chat.Timeout != tt.timeout {
				t.Errorf("words %q, file %q, timeout %v; want %q, %q, %v", o.words, o.file, o.chat.Timeout, tt.words, tt.file, tt.timeout)
			}
			if text(o.chat.T) != tt.t || text(o.chat.U) != tt.u {
				t.Errorf("texts %q and %q, want %q and %q", text(o.chat.T), text(o.chat.U), tt.t, tt.u)
			}
			if got := flags(o); got != tt.flags {
				t.Errorf("flags %q, want %q", got, tt.flags)
			}
		})
	}
}

func text[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

func flags(o *options) string {
	var b strings.Builder
	for _, f := range []struct {
		letter string
		set    bool
	}{{"e", o.chat.Echo}, {"E", o.env}, {"v", o.verbose}, {"V", o.chat.Copy}, {"s", o.stderr}, {"S", o.silent}} {
		if f.set {
			b.WriteString(f.letter)
		}
	}
	return b.String()
}

func TestBadOptions(t *testing.T) {
	for _, args := range []string{"-x", "-vx", "-f", "-t", "-T", "-U", "-f x y", "-?", "-h", "-\xff"} {
		if _, err := parseOptions(strings.Fields(args)); !errors.Is(err, errUsage) {
			t.Errorf("options %q: error %v, want %v", args, err, errUsage)
		}
	}
}
