package phonebook

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/script/lint"
)

// mask is what findings show in the place of a secret.
const mask = "***"

// masked returns the text of a phone book without the values of its secrets, for
// the lines that findings show. Places up to a secret stay what they are. Those of a
// peers file are masked when its words are known.
func masked(kind Kind, src []byte) []byte {
	if kind == KindPeers {
		return src
	}
	var out bytes.Buffer
	for line := range bytes.Lines(src) {
		key, value, ok := bytes.Cut(line, []byte("="))
		if !ok || !isSecret(strings.TrimSpace(string(key)), string(value)) {
			out.Write(line)
			continue
		}
		out.Write(key)
		out.WriteByte('=')
		out.Write(value[:len(value)-len(bytes.TrimLeft(value, " \t"))])
		out.WriteString(mask + "\n")
	}
	return out.Bytes()
}

// isSecret reports whether the value of a key must not be shown. A mistyped
// Password is one too, and so are the modem commands that hold a PIN.
func isSecret(key, value string) bool {
	key = lint.Fold(key)
	if isSecretName(key) || words.Nearest(key, []string{"password"}) != "" {
		return true
	}
	if slices.Contains([]string{"presharedkey", "apninfopassword", "customauthdata"}, key) {
		return true
	}
	value = strings.ToUpper(value)
	return slices.ContainsFunc([]string{"CPIN", "CPUK", "CPWD", "CLCK"}, func(s string) bool { return strings.Contains(value, s) })
}

// isSecretName reports whether a name is that of a secret.
func isSecretName(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"PASS", "PIN", "PWD", "SECRET"}, func(s string) bool { return strings.Contains(name, s) })
}

// maskedWords returns the text of a peers file without the words that are secrets:
// the values of password and of a set with such a name, and commands, which may
// answer a password prompt.
func maskedWords(src string, all []word) []byte {
	lines := strings.SplitAfter(src, "\n")
	for i, w := range all {
		before := ""
		if i > 0 {
			before = lint.Fold(all[i-1].text)
		}
		name, _, _ := strings.Cut(w.text, "=")
		secret := words.Nearest(before, []string{"password"}) != "" ||
			before == "set" && isSecretName(name) ||
			slices.Contains([]string{"init", "connect", "welcome", "disconnect"}, before)
		if !secret {
			continue
		}
		for n := w.line; n <= w.end && n <= len(lines); n++ {
			from := 0
			if n == w.line {
				from = min(w.col-1, len(lines[n-1]))
			}
			lines[n-1] = lines[n-1][:from] + mask + "\n"
		}
	}
	return []byte(strings.Join(lines, ""))
}
