package extract

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// collect writes the values of a text as one line.
func collect(ok *bool, each func(Yield) bool) string {
	var all []string
	*ok = each(func(name, value string) bool {
		all = append(all, fmt.Sprintf("%s=%q", name, value))
		return true
	})
	return strings.Join(all, " ")
}

func TestPattern(t *testing.T) {
	f := func(pattern, text, want string) {
		t.Helper()
		p, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		var ok bool
		got := collect(&ok, func(y Yield) bool { return p.Each(text, y) })
		if got != want || ok != (want != "") {
			t.Errorf("%s in %q: %s %v, want %s", pattern, text, got, ok, want)
		}
	}
	f("user=<user> ip=<ip>", "login user=ann ip=10.0.0.7 port=22", `user="ann" ip="10.0.0.7"`)
	f("user=<user> ip=<ip>", "login user=ann ip=10.0.0.7", `user="ann" ip="10.0.0.7"`)
	f("took <ms>ms", "it took 17ms all in all", `ms="17"`)
	f("<method> <path> <_> <*rest>", "GET /x HTTP/1.1 200 17 a", `method="GET" path="/x" rest="200 17 a"`)
	f("msg=<m> n=<n>", `msg="a \"b\" n=7" n=8`, `m="a \"b\" n=7" n="8"`)
	f(`"<request>"`, `10.0.0.1 "GET /" 200`, `request="GET /"`)
	f("a=<a>", "a= b", "")
	f("a=<a>", "none", "")
	f("<a>", "first word", `a="first"`)
}

func TestPatternErrors(t *testing.T) {
	f := func(pattern string, offset int, want string) {
		t.Helper()
		_, err := Compile(pattern)
		e, ok := errors.AsType[*PatternError](err)
		if !ok || e.Offset != offset || !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v, want offset %d and %q", pattern, err, offset, want)
		}
	}
	f("nothing", 0, "no <name>")
	f("a=<b", 2, "without >")
	f("a=<b c>", 2, "is no name")
	f("a=<>", 2, "is no name")
	f("<a><b>", 3, "between")
	f("<*a> x", 0, "at the end")
	f(strings.Repeat("<a> ", 300), 4*256, "more than")
}

func TestJSON(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var ok bool
		if got := collect(&ok, func(y Yield) bool { return JSON(text, y) }); got != want || ok != (want != "" || strings.Contains(text, "{}")) {
			t.Errorf("%s: %s %v, want %s", text, got, ok, want)
		}
	}
	f(`{"user":"ann","req":{"ms":7.50,"ok":true},"l":[1, 2],"n":null}`, `user="ann" req.ms="7.50" req.ok="true" l="[1, 2]"`)
	f(`prefix: {"a":"b\n"} suffix`, `a="b\n"`)
	f(`{}`, "")
	f(`{"a":1`, "")
	f("no object", "")
	f(`{"a":01}`, "")
	f(`{"a":-}`, "")
	f(`{"a":"x`, "")
	f(`{"a":"\x"}`, "")
	f(`{"a":[1,2}`, "")
	f(`{ "a" : -0.5e+3 , "b" : { } , "\u0063" : [ ] }`, `a="-0.5e+3" c="[ ]"`)
	f(strings.Repeat(`{"a":`, 10)+"1"+strings.Repeat("}", 10), `a.a.a.a.a.a.a.a="{\"a\":{\"a\":1}}"`)
}

func TestLogfmt(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var ok bool
		if got := collect(&ok, func(y Yield) bool { return Logfmt(text, y) }); got != want || ok != (want != "") {
			t.Errorf("%s: %s %v, want %s", text, got, ok, want)
		}
	}
	f(`level=info msg="timed \"out\"" ms=17 err= x`, `level="info" msg="timed \"out\"" ms="17" err=""`)
	f("payment for user=42 failed (code=E7)", `user="42" code="E7)"`)
	f("a=1,b=2; c.d-e=3", `a="1" b="2" c.d-e="3"`)
	f("no pairs at all = 7", "")
	f(`q="not closed`, `q="\"not"`)
}

func FuzzExtract(f *testing.F) {
	f.Add("user=<user> ip=<ip>", `user=ann ip="10.0.0.7" {"a":{"b":[1]}}`)
	f.Add("<*x>", `{"a":"\ud800"} k="\x"`)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		n := 0
		count := func(string, string) bool { n++; return true }
		JSON(text, count)
		Logfmt(text, count)
		if n > 2*MaxFields {
			t.Fatalf("%d values", n)
		}
		p, err := Compile(pattern)
		if err != nil {
			return
		}
		names := p.Names()
		p.Each(text, func(name, value string) bool {
			if name != names[0] {
				t.Fatalf("%q before %q", name, names[0])
			}
			names = names[1:]
			return true
		})
	})
}
