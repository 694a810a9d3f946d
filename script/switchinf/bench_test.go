package switchinf_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/switchinf"
)

// tenThousandLines is a file with sections of ten lines.
func tenThousandLines() []byte {
	const section = "\n; A comment stands here.\nCOMMAND=\nOK=<match>\"ogin:\"\nLOOP=<ignore>\nCOMMAND=<username><cr>\n" +
		"OK=<match>\"assword:\"\nCOMMAND=<password><cr>\nCONNECT=<match>\"PPP\"\n"
	var b bytes.Buffer
	for i := range 1000 {
		b.WriteString("[Section ")
		b.WriteString(strings.Repeat("i", i%20))
		b.WriteByte(byte('a' + i/20%26))
		b.WriteByte(byte('a' + i/520))
		b.WriteString("]" + section + "\n")
	}
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	src := tenThousandLines()
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := switchinf.Parse("switch.inf", src)
		if err != nil || len(f.Sections()) != 1000 {
			b.Fatal(err, len(f.Sections()))
		}
	}
}

// BenchmarkWait reads a mebibyte of banner until the prompt comes.
func BenchmarkWait(b *testing.B) {
	const size = 1 << 20
	banner := bytes.Repeat([]byte("Welcome to example.net. "), size/24)
	e := compile(b, "switch.inf", "[x]\nCOMMAND=<cr>\nERROR=<match>\"refused\"\nOK=<match>\"login:\"\nLOOP=<match>\"etc.\"\n", nil)
	b.SetBytes(int64(len(banner)))
	for b.Loop() {
		near, far := virtual.Pair(virtual.BufferSize(1 << 16))
		go func() {
			far.Write(banner)
			io.WriteString(far, "login:")
		}()
		if _, err := script.Run(context.Background(), near, e, guest()); err != nil {
			b.Fatal(err)
		}
		near.Close()
		far.Close()
	}
}
