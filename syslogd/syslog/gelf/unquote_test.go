package gelf

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzJSON: of valid JSON, extent finds the end, and unquote is as
// encoding/json, but for what that replaces: bytes that are no UTF-8, and
// halves of surrogate pairs.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`"a\"b\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\u0041"`, "\"caf\xe9\"", `{"a":[1,{"b":"}]\""}],"c":null}`, `[]`, `-1.5e+3`, `true`, `""`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.Trim(s, " \t\r\n")
		if !json.Valid([]byte(s)) {
			return
		}
		for _, behind := range []string{"", ",", "}", " x", "]"} {
			if n := extent(s + behind); n != len(s) {
				t.Fatalf("%q: %d, want %d", s+behind, n, len(s))
			}
		}
		if s[0] != '"' {
			return
		}
		var want string
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		got := unquote(s[1 : len(s)-1])
		if utf8.ValidString(s) && !strings.ContainsRune(want, utf8.RuneError) && got != want {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}
