package ras_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rasline/rasline/ras"
)

const password = "hunter2-Zürich"

// TestSecretNeverShows prints a secret in every way we could think of.
func TestSecretNeverShows(t *testing.T) {
	s := ras.Secret(password)
	p := ras.DialParams{UserName: "joe", Password: s}
	call := &ras.Call{Params: &p}
	call.Hide("another-secret")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "p", p, "any", []any{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "p", p, "call", call)
	js, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{log.String(), string(js), fmt.Sprint(s, p, call), fmt.Errorf("%w %v", ras.ErrNoCarrier, s).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%-10v"} {
		outputs = append(outputs, fmt.Sprintf(verb, s), fmt.Sprintf(verb, p), fmt.Sprintf(verb, &p), fmt.Sprintf(verb, call), fmt.Sprintf(verb, []ras.Secret{s}),
			fmt.Sprintf(verb, struct{ P *ras.DialParams }{&p}))
	}
	for _, out := range outputs {
		for _, secret := range []string{password, fmt.Sprintf("%x", password), "another-secret"} {
			if strings.Contains(strings.ToLower(out), strings.ToLower(secret)) {
				t.Errorf("%q shows the secret", out)
			}
		}
	}
	if s.Reveal() != password || fmt.Sprint(s) != "***" || fmt.Sprint(ras.Secret("")) != "" {
		t.Errorf("Reveal %q, String %q, empty %q", s.Reveal(), s, ras.Secret(""))
	}
}

func TestMask(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"nothing", "login: joe", "login: joe"},
		{"echo", "Password: hunter2\r\nWelcome", "Password: ***\r\nWelcome"},
		{"twice", "hunter2hunter2", "***"},
		{"upper case echo", "HUNTER2", "***"},
		{"echo arriving", "Password: hunt", "Password: ***"},
		{"prompt that ends like a secret", "Password", "Password"},
		{"one letter says nothing", "Password: h", "Password: h"},
		{"overlapping secrets", "hunter2paws", "***"},
		{"registered later", "pin 4711!", "pin ***!"},
	}
	call := &ras.Call{Params: &ras.DialParams{Password: "hunter2"}}
	call.Hide("4711")
	call.Hide("2paws")
	call.Hide("")
	for _, tt := range tests {
		if got := string(call.Mask([]byte(tt.in))); got != tt.want {
			t.Errorf("%s: Mask(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got := string(call.MaskTail([]byte("nter2\r\nOK"))); got != "***\r\nOK" {
		t.Errorf("MaskTail of a text that was cut in a secret = %q", got)
	}
}

func FuzzMask(f *testing.F) {
	f.Add("hunter2", "Password: hunter2")
	f.Add("aa", "aaaaaa")
	f.Add("é", "É")
	f.Fuzz(func(t *testing.T, secret, text string) {
		if len(secret) < 4 || strings.Contains(secret, "*") {
			return
		}
		call := &ras.Call{}
		call.Hide(ras.Secret(secret))
		if got := call.Mask([]byte(text + secret + text)); bytes.Contains(got, []byte(secret)) {
			t.Errorf("Mask of %q around %q shows it: %q", text, secret, got)
		}
	})
}

func TestDecision42CredentialsThatDoNotFit(t *testing.T) {
	long := strings.Repeat("x", 257)
	tests := []struct {
		name string
		p    ras.DialParams
		ok   bool
	}{
		{"all at their limits", ras.DialParams{EntryName: long[:256], PhoneNumber: long[:128], CallbackNumber: long[:128],
			UserName: long[:256], Password: ras.Secret(long[:256]), Domain: long[:15]}, true},
		{"entry name", ras.DialParams{EntryName: long}, false},
		{"phone number", ras.DialParams{PhoneNumber: long[:129]}, false},
		{"callback number", ras.DialParams{CallbackNumber: long[:129]}, false},
		{"user name", ras.DialParams{UserName: long}, false},
		{"password", ras.DialParams{Password: ras.Secret(long)}, false},
		{"domain", ras.DialParams{Domain: "corp.example.com"}, false},
		{"NUL", ras.DialParams{UserName: "joe\x00admin"}, false},
		{"surrogate pairs count twice", ras.DialParams{Domain: strings.Repeat("😀", 8)}, false},
		{"umlauts count once", ras.DialParams{Domain: strings.Repeat("ü", 15)}, true},
	}
	for _, tt := range tests {
		err := tt.p.Validate()
		if tt.ok {
			checkCode(t, err, ras.Success)
			continue
		}
		checkCode(t, err, ras.ErrInvalidParameter)
		if strings.Contains(err.Error(), long[:100]) {
			t.Errorf("%s: the error shows the text: %v", tt.name, err)
		}
	}
}
