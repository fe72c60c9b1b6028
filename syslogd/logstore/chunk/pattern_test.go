package chunk

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/syslogd/syslog"
)

func TestPatterns(t *testing.T) {
	p := NewPatterns()
	now := time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC).UnixNano()
	f := func(text, want string) {
		t.Helper()
		if got := p.Of(text, now); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("", "")
	f("Accepted publickey for root from 10.0.0.7 port 52144 ssh2", "Accepted publickey for root from <ip> port <n> ssh2")
	f("user=4711 ms=0.018 id=9f86d081884c7d65", "user=<n> ms=<n>.<n> id=<hex>")
	f("2026-11-21T07:00:00.123Z took 12s", "<time>Z took <*>")
	f("[21/Nov/2026:07:00:00 +0000] ok", "[<time> +<n>] ok")
	f("de:ad:be:ef:00:01 joined", "<mac> joined")
	f("a 7 b\x01c 7", "a <n><...>")
}

// A type knows the pattern of all its lines, or knows that it does not.
func TestTypesKnowPatterns(t *testing.T) {
	patterns := NewPatterns()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`([a-z]{1,3}|[0-9]{1,5}|10\.0\.[0-9]\.7|2026-11-2[0-9]T07:00:00(\.[0-9]{1,6})?|Nov 2[0-9] 07:0[0-9]:00|[0-9a-f]{8}|0x[0-9A-F]{4})([ .:/=-](a|7|10))*`),
		).Draw(t, "text")
		at := time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)
		m := syslog.Parse("<13>1 2026-11-21T07:00:00Z web1 app 7 - - "+text, at, netip.Addr{})
		b := NewBuilder(NewTypes())
		b.scan.coarse = rapid.IntRange(0, 5).Draw(t, "coarse") == 0
		b.Add(&m)
		want := patterns.Of(m.Text, m.When().UnixNano())
		if got, ok := b.types[0].Pattern(); ok && got != want {
			t.Fatalf("%q: type says %q, text %q", m.Text, got, want)
		} else if !ok && !b.scan.coarse && want != "<...>" {
			t.Fatalf("%q: type does not know %q", m.Text, want)
		}
	})
}
