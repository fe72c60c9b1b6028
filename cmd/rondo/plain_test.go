package main

import (
	"strings"
	"testing"
)

func TestPlainWriter(t *testing.T) {
	f := func(want string, writes ...string) {
		t.Helper()
		var b strings.Builder
		p := &plainWriter{w: &b}
		for _, w := range writes {
			if n, err := p.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%q: %d, %v", w, n, err)
			}
		}
		if b.String() != want {
			t.Errorf("%q became %q, want %q", writes, b.String(), want)
		}
	}
	f("plain\ttext\n", "plain\ttext\n")
	f("Grüße € ©", "Grüße € ©")
	f(`\u001b[31mred`, "\x1b[31mred")
	f(`a\u000db\u007f`, "a\rb\x7f")
	f(`\u009bA`, "\u009bA")
	f(`\u009bA©`, "\xc2", "\x9bA\xc2", "\xa9")
	f(`\u009bA`+"\xff", "\x9bA\xff")
	f(`\u202efdp.exe\u2066`, "\xe2\x80", "\xaefdp.exe\u2066")
}
