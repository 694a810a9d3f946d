package winetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

const program = `package main

import (
	"crypto/rand"
	"fmt"
	"os"
)

func main() {
	b := make([]byte, 8)
	rand.Read(b)
	fmt.Println(len(b), os.Args[1])
	if os.Args[1] == "crash" {
		panic("crash")
	}
	os.Exit(7)
}
`

func TestGoProgramRuns(t *testing.T) {
	wine := Start(t)
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "main.go"), filepath.Join(dir, "main.exe")
	if err := os.WriteFile(src, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	Go(t, "amd64", false, "build", "-o", exe, src)
	out, code := wine.Output(t, time.Minute, exe, "an argument")
	if strings.TrimSpace(out) != "8 an argument" || code != 7 {
		t.Errorf("the program printed %q and left with %d, want its argument and 7", out, code)
	}
	if out, code = wine.Output(t, time.Minute, exe, "crash"); code != 2 {
		t.Errorf("a panic left with %d, want 2\n%s", code, out)
	}
}

func TestStartGivesOnePrefix(t *testing.T) {
	if a, b := Start(t), Start(t); a != b {
		t.Error("two prefixes in one process")
	}
}
