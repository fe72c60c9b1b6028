package filter

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/syslogd/syslog"
)

// sameTree compares regular expressions by their text.
func sameTree() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b *regexp.Regexp) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b *Field) bool { return *a == *b }),
	}
}

func roundTrip(t interface {
	Fatalf(string, ...any)
}, f *Filter) {
	again, err := Parse(f.Canonical())
	if err != nil {
		t.Fatalf("%q -> %q: %v", f, f.Canonical(), err)
	}
	if d := cmp.Diff(f.Root, again.Root, sameTree()); d != "" {
		t.Fatalf("%q -> %q: %s", f, f.Canonical(), d)
	}
}

func drawFilter(depth int) *rapid.Generator[string] {
	leaf := rapid.OneOf(
		rapid.SampledFrom([]string{
			"alpha", "Beta*", "10.0.0.1", "*", `"a phrase"`, `"q\"\\"`, "/re[g]?ex/", `/a\/b/`,
			"host:web*", `app="a b"`, "severity<=err", "pid>7", "sd.k!=v", "host:(a or b*)", "app!=(a or b)", "sender:10.0.0.0/8", "größe",
		}),
		rapid.StringMatching(`[a-zA-Z0-9_.]{1,8}[*]?`),
	)
	if depth == 0 {
		return leaf
	}
	sub := drawFilter(depth - 1)
	return rapid.OneOf(
		leaf,
		rapid.Custom(func(t *rapid.T) string { return "(" + sub.Draw(t, "a") + " " + sub.Draw(t, "b") + ")" }),
		rapid.Custom(func(t *rapid.T) string { return "(" + sub.Draw(t, "a") + " or " + sub.Draw(t, "b") + ")" }),
		rapid.Custom(func(t *rapid.T) string { return "-(" + sub.Draw(t, "a") + ")" }),
	)
}

func TestCanonicalParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := Parse(drawFilter(4).Draw(t, "filter"))
		if err != nil {
			t.Skip(err)
		}
		roundTrip(t, f)
	})
}

// Words must never rule out a message that matches: a store that trusts them
// would lose it.
func TestWordsAreImplied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := Parse(drawFilter(3).Draw(t, "filter"))
		if err != nil {
			t.Skip(err)
		}
		text := rapid.StringMatching(`((alpha|BETA|betaX|10\.0\.0\.1|a phrase|GRÖSSE|größe|regex|x)[ .,])*`).Draw(t, "text")
		m := &syslog.Message{Text: text, Severity: 3, Host: "web1", PID: "8"}
		if !f.Match(m) {
			return
		}
		tokens := slices.Collect(Tokens(Lower(text)))
		for _, w := range Words(f) {
			if !slices.Contains(tokens, w) {
				t.Fatalf("%s matches %q, which lacks %q", f, text, w)
			}
		}
	})
}

// A phrase found by the folding search is found by the plain one in lower
// case, and the other way round.
func TestIndexFoldIsLower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[aAbBéÉßſKİ\x80.]{0,12}`).Draw(t, "s")
		p := Lower(rapid.StringMatching(`[aAbBéÉßſKİ.]{1,3}`).Draw(t, "p"))
		start, end := indexFold(s, p)
		if want := strings.Index(Lower(s), p); (want >= 0) != (start >= 0) {
			t.Fatalf("%q in %q: %d, want %d", p, s, start, want)
		}
		if start >= 0 && Lower(s[start:end]) != p {
			t.Fatalf("%q in %q: found %q", p, s, s[start:end])
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`severity<=err host:web* app:nginx "timed out" -"health check" /re[g]ex/`,
		`a or (b c | d) not "x\"y" sd.k@1.x!=v`, "sender:::1/64", "*", "pid>=7", "12:30 fe80::1", "OR", "SD.a@b=c", "host:(a|b)", "a | top b",
	} {
		f.Add(s, "the text of Web 12:30")
	}
	f.Fuzz(func(t *testing.T, s, text string) {
		if rows, n, err := ParseRows(s); err == nil {
			if n > len(s) || n < len(s) && s[n] != '|' {
				t.Fatalf("%q: took %d bytes", s, n)
			}
			rows.Match(&syslog.Message{Text: text, SD: text})
		}
		parsed, err := Parse(s)
		if err != nil {
			return
		}
		roundTrip(t, parsed)
		parsed.Match(&syslog.Message{Text: text, Host: text, SD: text})
	})
}
