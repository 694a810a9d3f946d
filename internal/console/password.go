package console

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rasline/rasline/ras"
)

const maxPasswordFile = 4096

// PasswordFile reads a password: the first line of a file, or of standard input if
// the name is "-".
func PasswordFile(name string) (ras.Secret, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return "", err
		}
		defer f.Close()
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPasswordFile))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(string(data), "\ufeff"), "\n") // some editors begin a file with the mark
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("the first line of %s is empty", name)
	}
	return ras.Secret(line), nil
}
