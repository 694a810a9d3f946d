package dllexport

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

func TestCredentials(t *testing.T) {
	tests := []struct {
		name   string
		change func(p *ras.DialParams)
		err    error
		want   ras.Code
		after  string // user name, password, domain, phone number
	}{
		{"none changed", func(*ras.DialParams) {}, nil, 0, "ann secret  "},
		{"all changed", func(p *ras.DialParams) { p.UserName, p.Password, p.Domain = "bob", "new", "D" }, nil, 0, "bob new D "},
		{"not after a failure", func(p *ras.DialParams) { p.Password = "new" }, ras.ErrAuthenticationFailure, 691, "ann secret  "},
		{"not what is not the script's", func(p *ras.DialParams) { p.PhoneNumber = "555" }, nil, 0, "ann secret  "},
		{"a domain that does not fit", func(p *ras.DialParams) { p.UserName, p.Domain = "bob", "corp.example.com" }, nil, 87, "ann secret  "},
		{"a password that does not fit", func(p *ras.DialParams) { p.Password = ras.Secret(strings.Repeat("x", 257)) }, nil, 87, "ann secret  "},
		{"as long as fits", func(p *ras.DialParams) { p.Domain = "fifteen letters" }, nil, 0, "ann secret fifteen letters "},
		{"a NUL", func(p *ras.DialParams) { p.UserName = "a\x00b" }, nil, 87, "ann secret  "},
		{"not UTF-8", func(p *ras.DialParams) { p.UserName = "a\xff" }, nil, 87, "ann secret  "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				onHost(t, habits{}, func(v *visit) {
					code := v.run(t.Context(), func(_ context.Context, call *ras.Call) error {
						tt.change(call.Params)
						return tt.err
					})
					after := fmt.Sprint(v.text(rasabi.UserName), " ", v.text(rasabi.Password), " ", v.text(rasabi.Domain), " ", v.text(rasabi.PhoneNumber))
					if code != tt.want || after != tt.after {
						t.Errorf("the host got %v and %q, want %v and %q", code, after, tt.want, tt.after)
					}
				})
			})
		})
	}
}

func TestEmptyUserName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			v.params.SetText(rasabi.UserName, "")
			var saw string
			v.run(t.Context(), func(_ context.Context, call *ras.Call) error {
				saw = call.Params.UserName
				return nil
			})
			if saw != "windows user" || v.text(rasabi.UserName) != "" {
				t.Errorf("the script saw %q and the host has %q, want the Windows user and still nothing", saw, v.text(rasabi.UserName))
			}
		})
	})
}

func TestUnterminatedParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			for i := 1548; i < 2062; i++ {
				v.params.Bytes()[i] = 'x'
			}
			code := v.run(t.Context(), func(context.Context, *ras.Call) error {
				t.Error("the script ran")
				return nil
			})
			if code != ras.ErrInvalidParameter {
				t.Errorf("the host got %v, want %v", code, ras.ErrInvalidParameter)
			}
		})
	})
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		onHost(t, habits{}, func(v *visit) {
			var log bytes.Buffer
			v.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			v.run(t.Context(), func(_ context.Context, call *ras.Call) error {
				panic("the password is " + call.Params.Password.Reveal())
			})
			if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "panic") {
				t.Errorf("the log reads %q; want a panic without the password", log.String())
			}
		})
	})
}
