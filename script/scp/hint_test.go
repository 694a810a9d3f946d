package scp

import "testing"

// Each message names what is wrong and what to write instead.
func TestHints(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"raw without its comma", body(`transmit "a" raw`), `2:14 error "raw" needs a comma before it: transmit TEXT, raw`},
		{"matchcase without its comma", body(`waitfor "a" matchcase until 5`), `2:13 error "matchcase" needs a comma before it`},
		{"then after until", body(`waitfor "a" until 5 then X`, "X:", "delay 1"), `2:21 error "then" stands before "until"`},
		{"single quotes", body(`transmit 'a'`), `2:10 error a text is enclosed in the quote ", not in '`},
		{"colon and equals sign", body("integer a", "a := 1"), "3:3 error to set a variable, write = without the colon"},
		{"address without quotes", body("set ipaddr 1.2.3.4"), `2:13 error an address is a text and needs quotes: "10.0.0.7"`},
		{"fraction", body(`waitfor "a" until 1.5`), "2:20 error a number is whole: the language has no fractions"},
		{"parentheses", "proc main()\ndelay 1\nendproc\n", `1:10 error a procedure has no parentheses: write "proc" and the name alone`},
		{"goto after then", body(`waitfor "a" then goto x until 5`, "x:", "delay 1"), `2:18 error after "then" a "waitfor" has the label alone, without "goto"`},
		{"no-break space", body("delay\u00a01"), "2:6 error a no-break space (U+00A0) has no meaning here: replace it by a plain space"},
		{"no-break space of a code page", body("delay\xa01"), "2:6 error a no-break space (byte 0xA0) has no meaning here"},
		{"zero width space", body("\u200bdelay 1"), "2:1 error a zero width space (U+200B) has no meaning here"},
		{"comment of another language", body("// note"), "2:1 error a comment begins with ; and not with /"},
		{"not equal", body("if 1 <> 2 then delay 1 endif"), "2:7 error two values differ with !=, not with <>"},
		{"and", body("if $SUCCESS && $FAILURE then delay 1 endif"), `2:13 error two conditions are joined by the word "and"`},
		{"braces", body("if $SUCCESS {", "delay 1", "endif"), "2:13 error the language has no braces"},
		{"a code outside quotes", body("transmit $USERID^M"), `2:17 error ^ and the letter after it stand for a control character only inside quotes`},
		{"conflict marker", body("<<<<<<< HEAD", "delay 1"), "2:1 error <<<<<<< is the conflict marker of a version control system"},
		{"Ctrl-Z in a comment", "proc main ; a\x1ab\ndelay 1\nendproc\n", "1:14 error a Ctrl-Z (byte 0x1A) ends the file here: what follows is not read"},
		{"escape of another language", body(`transmit "at\r"`), `2:10 warning \r in this text is two characters: write ^M or <cr>`},
		{"no address", body(`set ipaddr "1.2.3"`), "2:12 warning this text is no address such as 10.0.0.7"},
		{"address number 0", body("string s = getip 0", "set ipaddr getip -1"), "2:18 warning addresses are counted from 1"},
		{"a goto to itself", body("x:", "goto x"), "3:1 warning this goes to itself, again and again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, f := range findingsOf(tt.src) {
				if len(f) >= len(tt.want) && f[:len(tt.want)] == tt.want {
					return
				}
			}
			t.Errorf("findings %q, want %q among them", findingsOf(tt.src), tt.want)
		})
	}
}
