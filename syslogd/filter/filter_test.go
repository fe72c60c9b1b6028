package filter

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

func parse(t testing.TB, s string) *Filter {
	t.Helper()
	f, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return f
}

func TestMatchText(t *testing.T) {
	match := func(want bool, filter, text string) {
		t.Helper()
		if got := parse(t, filter).Match(&syslog.Message{Text: text}); got != want {
			t.Errorf("%s on %q: %v", filter, text, got)
		}
	}
	match(true, "", "anything")
	match(true, "  ", "")
	match(true, "*", "")

	// Words are whole.
	match(true, "time", "the Time is now")
	match(false, "time", "a timeout")
	match(false, "out", "a timeout")
	match(true, "time*", "a TIMEOUT")
	match(false, "out*", "a timeout, timeouts")
	match(true, "timeout", "timeouts or timeout")
	match(true, "timeout", "timeout")
	match(false, "timeout", "")
	match(false, "user", "user_id=7")
	match(true, "user_id", "user_id=7")

	// Words of several parts match where the run stands whole.
	match(true, "10.0.0.1", "from 10.0.0.1:22")
	match(false, "10.0.0.1", "from 10.0.0.12")
	match(false, "10.0.0.1", "from 110.0.0.1")
	match(true, "10.0.*", "from 10.0.7.7")
	match(true, "foo-bar", "x foo-bar y")
	match(false, "foo-bar", "x foo-barn y")
	match(true, "12:30:00", "at 12:30:00Z 12:30:00")
	match(true, "user@host:22", "login user@host:22 ok")

	// Case beyond ASCII; and never from beyond it into it.
	match(true, "größe", "die GRÖßE zählt")
	match(true, "ÉTÉ", "un été")
	match(false, "kelvin", "\u212Aelvin") // Kelvin sign
	match(true, "\u0130stanbul", "\u0130STANBUL")
	match(true, "\u023a", "x \u2c65 y") // lower case is longer
	match(true, "caf\xe9", "un caf\xe9 noir")

	match(true, `"timed out"`, "it Timed Out here")
	match(true, `"ed ou"`, "it timed out")
	match(true, `"a \"b\" c\\d"`, `x a "b" c\d`)
	match(false, `"timed out"`, "timed  out")
	match(true, `"or"`, "this or that")

	match(true, `/re[g]ex/`, "a regex")
	match(false, `/re[g]ex/`, "a REGEX")
	match(true, `/(?i)re[g]ex/`, "a REGEX")
	match(true, `/a\/b\d/`, "a/b7")
	match(true, `/a b|c/`, "xx a b")

	match(true, "a b", "b a")
	match(false, "a b", "a")
	match(true, "a and b", "b a")
	match(true, "a or b", "b")
	match(true, "(a|b)", "b")
	match(true, "(a|b) c", "c a")
	match(true, "a b or c d", "c d")
	match(false, "a (b or c) d", "a b")
	match(true, "a -b", "a c")
	match(false, "a -b", "a b")
	match(true, "not (a or b)", "c")
	match(false, "NOT a", "a")
	match(true, `-"health check" get`, "GET /")
}

func TestMatchFields(t *testing.T) {
	m := &syslog.Message{
		Facility: 4, Severity: syslog.Error, Host: "Web-01.example", App: "sshd", PID: "812", MsgID: "ID47",
		Sender: netip.MustParseAddr("::ffff:10.1.2.3"),
		SD:     `[ex@1 ip="1" ip="2" q="a\"b\]"][t.x ms="12.5"]`,
	}
	match := func(want bool, filter string) {
		t.Helper()
		if got := parse(t, filter).Match(m); got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
	match(true, "severity:err")
	match(true, "severity=3")
	match(true, "severity<=err")
	match(true, "severity<=warning")
	match(false, "severity<err")
	match(true, "severity>=err")
	match(false, "severity>error")
	match(true, "severity!=info")
	match(true, "facility:auth")
	match(false, "facility!=auth")

	match(true, "host:web-01.example")
	match(false, "host=web-01.example")
	match(true, "host=Web-01.example")
	match(true, "host:web*")
	match(true, "host:*.EXAMPLE")
	match(true, "host:*01*")
	match(false, "host:*02*")
	match(false, "host=web*")
	match(true, "host!=web*")
	match(false, `host:"web*"`)
	match(true, "host:*")
	match(true, "HOST:web*")

	match(true, "host:(db* or web*)")
	match(true, `host:(db1|"web-01.example")`)
	match(false, "host:(db1 or db2)")
	match(true, "host!=(db1 or db2)")
	match(false, "host!=(db1 or Web*)")
	match(true, "severity:(err or crit) -facility:(cron or mail)")
	match(true, "pid:(7 or 812)")
	match(true, "sender:(10.9.0.0/16 or 10.1.0.0/16)")

	match(true, "app:SSHD program:sshd")
	match(false, "app:ssh")
	match(true, "pid:812 pid>800 pid<900 pid>=812 pid!=813")
	match(true, "msgid:id47")

	match(true, "sender:10.1.2.3")
	match(true, "sender:10.0.0.0/8")
	match(false, "sender!=10.0.0.0/8")
	match(true, "sender:10.1.*")
	match(false, "sender:10.2.*")

	match(true, "sd.ip:1")
	match(true, "sd.ip:2")
	match(false, "sd.ip!=2")
	match(true, "sd.ip!=3")
	match(true, "sd.ex@1.ip:2")
	match(false, "sd.t.x.ip:2")
	match(true, "sd.t.x.ms>12")
	match(true, `sd.q:"a\"b]"`)
	match(true, "sd.ms:*")
	match(false, "sd.none:*")

	bare := &syslog.Message{Sender: netip.MustParseAddr("10.9.9.9")}
	if !parse(t, `host:10.9.9.9 app:"" -app:*`).Match(bare) {
		t.Error("a message without host: not found by its sender")
	}
}

func TestSyntaxErrors(t *testing.T) {
	fail := func(s string, offset int, want string) {
		t.Helper()
		_, err := Parse(s)
		e, ok := errors.AsType[*SyntaxError](err)
		if !ok || e.Offset != offset || !strings.Contains(e.Error(), want) {
			t.Errorf("Parse(%q): %v; want offset %d and %q", s, err, offset, want)
		}
	}
	fail("a hots:web", 2, "did you mean host?")
	fail("sevreity<=err", 0, "did you mean severity?")
	fail("prog:x", 0, "did you mean program?")
	fail("status=500", 0, `write "status=500"`)
	fail("severity<=bad", 0, "emerg")
	fail("host<a", 0, "no order")
	fail("pid<a", 0, "not a number")
	fail("host:", 5, "without a value")
	fail("sender:10.0.0.0/99", 0, "prefix")
	fail(`a "b`, 2, "not closed")
	fail("a (b", 2, "not closed")
	fail("a) b", 1, "opening bracket")
	fail("a | b", 2, "write \"or\"")
	fail("a|b", 1, "pipe")
	fail("host:(a b)", 5, "set of values")
	fail("host:(a or b", 5, "set of values")
	fail("host:()", 6, "without a value")
	fail("pid<(1 or 2)", 4, "one value")
	fail("severity:(err or bad)", 0, "emerg")
	fail("a or", 4, "ends where")
	fail("or b", 0, "quotes")
	fail("a and or", 6, "quotes")
	fail("()", 1, "expected")
	fail("a - b", 3, "word")
	fail("--a", 1, "quotes")
	fail("=>", 0, "quotes")
	fail("a*b", 0, "end of a word")
	fail(`""`, 2, "empty phrase")
	fail("/var/log/x", 0, "path")
	fail("/var", 0, "path")
	fail("//", 0, "path")
	fail("/a(/", 0, "missing closing")
	fail(strings.Repeat("(", 100), MaxDepth, "nested")
	fail(strings.Repeat("a", MaxLength+1), MaxLength, "longer")
}

func TestCanonical(t *testing.T) {
	canon := func(s, want string) {
		t.Helper()
		f := parse(t, s)
		if got := f.Canonical(); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
		if f.String() != s {
			t.Errorf("%q: source is %q", s, f.String())
		}
	}
	canon("", "")
	canon("  A   and B", "a b")
	canon("(a (b c)) d", "a b c d")
	canon("host:(a | B)", "host:a or host:B")
	canon("x host!=(a or b)", "x host!=a host!=b")
	canon("(a b | C)", "(a b) or c")
	canon("not (a or b)", "-(a or b)")
	canon("-(-a)", "-(-a)")
	canon(`program:"x y" severity<=3`, `app:"x y" severity<=err`)
	canon(`/a\/b/`, `/a\/b/`)
	canon(`"A\"b"`, `"a\"b"`)
	canon("tim*", "tim*")
	canon("sender:::ffff:10.0.0.1", "sender:10.0.0.1")
}

func TestParsePrefix(t *testing.T) {
	prefix := func(s, want string, rest string) {
		t.Helper()
		f, n, err := ParsePrefix(s)
		if err != nil || f.Canonical() != want || s[n:] != rest {
			t.Errorf("%q: %q and %q (%v), want %q and %q", s, f.Canonical(), s[n:], err, want, rest)
		}
	}
	prefix("", "", "")
	prefix(" | top app", "", "| top app")
	prefix(`(a|b) "|" /x|y/ | top app | limit 3`, `(a or b) "|" /x|y/`, "| top app | limit 3")
	prefix("err*", "err*", "")

	f, n, err := ParseRows("count>10 Status:(5* or 404) | limit 3")
	if err != nil || n != 28 || f.Canonical() != "count>10 (Status:5* or Status:404)" {
		t.Errorf("%v %d %v", f, n, err)
	}
	if _, _, err := ParseRows("count>many"); err == nil {
		t.Error("no error for a comparison with text")
	}
}

// The example at the head of the package's comment is a filter.
func TestDocExample(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "//\tseverity")
	example, _, ok := strings.Cut(example, "\n")
	if !ok {
		t.Fatal("the package's comment begins with no example")
	}
	parse(t, "severity"+example)
}

func TestWords(t *testing.T) {
	words := func(s string, want ...string) {
		t.Helper()
		if got := Words(parse(t, s)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
	words("")
	words("A b a", "a", "b")
	words("10.0.0.1", "0", "1", "10")
	words("10.0.1*", "0", "10")
	words("foo*")
	words("-a b", "b")
	words(`"a foo b"`, "foo")
	words(`" foo "`, "foo")
	words(`"foo"`)
	words("(a b) or (b c)", "b")
	words("a or host:x")
	words("a (b or c) /x/ host:y", "a")
}

func TestUnmarshal(t *testing.T) {
	var f Filter
	if err := f.UnmarshalText([]byte("severity<=err")); err != nil || !f.Match(&syslog.Message{Severity: syslog.Alert}) {
		t.Errorf("%v %v", f, err)
	}
	if err := f.UnmarshalText([]byte("(")); err == nil {
		t.Error("no error")
	}
	if (*Filter)(nil).Match(&syslog.Message{}) != true || (*Filter)(nil).String() != "" {
		t.Error("the nil filter does not match all")
	}
}

func BenchmarkMatch(b *testing.B) {
	m := &syslog.Message{
		Severity: syslog.Informational, Host: "web-01", App: "nginx",
		Text: `10.0.0.7 - - "GET /static/app.js HTTP/1.1" 200 5316 "https://example.org/" "Mozilla/5.0 (X11; Linux)" 0.012`,
	}
	for _, s := range []string{"severity<=err", "host:web* app:nginx", "timeout", "größe", `"timed out"`, "/time(d|s) out/"} {
		f := parse(b, s)
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Match(m)
			}
		})
	}
}
