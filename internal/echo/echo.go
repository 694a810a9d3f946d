// Package echo generates the ways in which a peer or a program repeats a
// secret, for tests that no output shows one.
package echo

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"math/bits"
	"net/url"
	"strings"
	"time"
)

// Echo is one way of repeating a secret.
type Echo struct {
	Name  string
	Bytes []byte
	Pause time.Duration // between the bytes; negative: all arrive in one piece
}

// Secrets are texts of 4, 8, 12 and 64 bytes to try, one with characters of
// regular expressions and two that are not ASCII.
var Secrets = []string{
	"k7#Q",
	"hunter22",
	"s3.cr*t[x]+$",
	"pÄsswört9z",
	"ПарольЛевÄ",
	"Th1s-Is_a-L0ng.Passphrase,which/Nob0dy:would;type=by+hand~64!xyz",
}

// Of returns the echoes of a secret.
func Of(secret string) []Echo {
	var list []Echo
	add := func(name, text string) {
		list = append(list, Echo{name, []byte(text), -1})
	}
	whole := secret
	if len(whole) > 8 {
		add("cut at 8", whole[:8]+"\r\n")
	}
	add("first byte lost", whole[1:]+"\r\n")
	add("last byte lost", whole[:len(whole)-1]+"\r\n")
	add("upper case", strings.ToUpper(whole)+"\r\n")
	add("lower case", strings.ToLower(whole)+"\r\n")
	for _, end := range []string{"", "\r", "\n", "\r\n", "\n\r", " \r", "^M"} {
		add(fmt.Sprintf("end %q", end), whole+end)
	}
	for i := 1; i < len(whole); i++ {
		add(fmt.Sprintf("wrapped at %d", i), whole[:i]+"\r\n"+whole[i:]+"\r\n")
		add(fmt.Sprintf("noise at %d", i), whole[:i]+"~"+whole[i+1:]+"\r\n")
		add(fmt.Sprintf("noise before %d", i), whole[:i]+"~"+whole[i:]+"\r\n")
	}
	for _, pause := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond} {
		list = append(list, Echo{fmt.Sprintf("byte by byte, %v apart", pause), []byte(whole + "\r\n"), pause})
	}
	var over, erased strings.Builder
	for i := range len(whole) {
		over.WriteString(whole[i:i+1] + "\b*")
		if i == len(whole)/2 {
			erased.WriteString("~\b")
		}
		erased.WriteByte(whole[i])
	}
	add("overtyped", over.String()+"\r\n")
	add("corrected", erased.String()+"\r\n")
	for name, parity := range map[string]func(byte) byte{
		"even parity":  func(c byte) byte { return c&0x7F | byte(bits.OnesCount8(c&0x7F)&1)<<7 },
		"odd parity":   func(c byte) byte { return c&0x7F | byte(1-bits.OnesCount8(c&0x7F)&1)<<7 },
		"mark parity":  func(c byte) byte { return c | 0x80 },
		"space parity": func(c byte) byte { return c & 0x7F },
	} {
		b := []byte(whole + "\r\n")
		for i := range b {
			b[i] = parity(b[i])
		}
		add(name, string(b))
	}
	add("quoted", fmt.Sprintf("%q", whole))
	add("quoted as ASCII", fmt.Sprintf("%+q", whole))
	add("hexadecimal", hex.EncodeToString([]byte(whole)))
	add("hexadecimal, spaced", fmt.Sprintf("% X", whole))
	add("decimal", fmt.Sprint([]byte(whole)))
	add("Go syntax", fmt.Sprintf("%#v", []byte(whole)))
	add("URL", url.QueryEscape(whole))
	add("HTML", html.EscapeString(whole))
	add("base64", base64.StdEncoding.EncodeToString([]byte(whole)))
	add("base64 of a pair", base64.StdEncoding.EncodeToString([]byte("user:"+whole)))
	add("title", "\x1b]0;"+whole+"\a")
	add("title of a command", "\x1b]2;sh: "+whole+"\x1b\\")
	add("twice", whole+whole+"\r\n")
	add("twice on two lines", whole+"\r\n"+whole+"\r\n")
	return list
}

// Leak returns a recognisable piece of the secret that output shows, or "".
// Line ends, control characters and terminal sequences are ignored. A piece is
// recognisable if it has eight bytes of the secret or all but one, as it is, in
// other letter case or without parity bits, or as much of its hexadecimal, decimal
// or base64 form.
func Leak(output, secret string) string {
	text := plain(output)
	stripped := []byte(secret)
	for i := range stripped {
		stripped[i] &= 0x7F
	}
	least := min(8, len(secret)-1)
	code := base64.RawStdEncoding.EncodeToString([]byte(secret))
	decimal := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	for form, least := range map[string]int{
		secret:                             least,
		string(stripped):                   least,
		hex.EncodeToString([]byte(secret)): max(2*least, 6),
		code[:len(code)-1]:                 max(least*4/3, 4),
		decimal:                            max(len(decimal)*least/len(secret), 6),
	} {
		form = plain(form)
		for i := 0; i+least <= len(form); i++ {
			if piece := form[i : i+least]; strings.Contains(text, piece) {
				return piece
			}
		}
	}
	return ""
}

// plain returns what a person sees of a text, in lower case.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i] & 0x7F
		if c < ' ' || c == 0x7F {
			continue
		}
		b.WriteByte(c)
	}
	return strings.ToLower(b.String())
}
