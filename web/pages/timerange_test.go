package pages

import (
	"net/url"
	"testing"
	"time"
)

// noon is the present in these tests.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestParseRange(t *testing.T) {
	f := func(from, to, start, end string) {
		t.Helper()
		r, err := ParseRange(url.Values{"from": {from}, "to": {to}}, "", noon())
		if err != nil {
			t.Errorf("%s to %s: %v", from, to, err)
		}
		if s, e := r.Start.Format(time.RFC3339), r.End.Format(time.RFC3339); s != start || e != end {
			t.Errorf("%s to %s: got %s to %s, want %s to %s", from, to, s, e, start, end)
		}
	}
	f("", "", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z")
	f("-1h", "now", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z")
	f("now-90s", "now", "2026-03-01T11:58:30Z", "2026-03-01T12:00:00Z")
	f("-2d", "-1d", "2026-02-27T12:00:00Z", "2026-02-28T12:00:00Z")
	f("-1w", "now", "2026-02-22T12:00:00Z", "2026-03-01T12:00:00Z")
	f("-15min", "now", "2026-03-01T11:45:00Z", "2026-03-01T12:00:00Z")
	f("-1mon", "now", "2026-01-30T12:00:00Z", "2026-03-01T12:00:00Z")
	f("2026-01-31T14:00:00Z", "2026-01-31T16:00:00+01:00", "2026-01-31T14:00:00Z", "2026-01-31T15:00:00Z")
	f("2026-01-31T14:00", "2026-02-01", "2026-01-31T14:00:00Z", "2026-02-01T00:00:00Z")
	// What the log search takes, the pages take too.
	f("yesterday", "today", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z")
	f("-1h30m", "now-1.5m", "2026-03-01T10:30:00Z", "2026-03-01T11:58:30Z")
	f("2026-01-31 14:00", "2026-01-31 14:30:05", "2026-01-31T14:00:00Z", "2026-01-31T14:30:05Z")
	f("now-1y", "-6mon", "2025-03-01T12:00:00Z", "2025-09-02T12:00:00Z")
	f("1700000000", "1700003600", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20Z")
}

func TestParseRangeRefuses(t *testing.T) {
	f := func(from, to string) {
		t.Helper()
		r, err := ParseRange(url.Values{"from": {from}, "to": {to}}, "", noon())
		if err == nil {
			t.Errorf("%q to %q was taken", from, to)
		}
		if r.From != "-1h" || r.Span() != time.Hour || !r.Live() {
			t.Errorf("%q to %q: fell back to %+v", from, to, r)
		}
	}
	f("tomorrow", "now")
	f("-1fortnight", "now")
	f("-", "now")
	f("-99999999999999999999s", "now")
	f("-9999999y", "now")
	f("-10y", "now")
	f("-y", "now")
	f("-0mon", "now")
	f("2250-01-01", "2250-01-02")
	f("now", "-1h")
	f("-1h", "-1h")
	f("NaN", "now")
	f("1e300", "now")
	f("0001-01-01", "now")
}

func TestFallback(t *testing.T) {
	if r, err := ParseRange(nil, "-10m", noon()); err != nil || r.Span() != 10*time.Minute {
		t.Errorf("got %+v %v", r, err)
	}
	if r, err := ParseRange(nil, "nonsense", noon()); err == nil || r.Span() != time.Hour {
		t.Errorf("got %+v %v", r, err)
	}
}

func TestRangeLinks(t *testing.T) {
	f := func(r Range, from, to string) {
		t.Helper()
		if r.From != from || r.To != to {
			t.Errorf("got %s to %s, want %s to %s", r.From, r.To, from, to)
		}
	}
	live, err := ParseRange(nil, "", noon())
	if err != nil {
		t.Fatal(err)
	}
	f(live.Wider(), "-2h", "now")
	f(live.Wider().Wider(), "-4h", "now")
	f(live.Moved(-0.5), "1772361000", "1772364600")
	f(live.Moved(-0.5).Wider(), "1772359200", "1772366400")
	frame := Frame{Path: "/hosts/a b", Keep: []Param{{"q", "x&y"}}, Now: noon(), Range: live}
	for got, want := range map[string]string{
		frame.Out(): "/hosts/a%20b?q=x%26y&from=-2h&to=now", frame.Later(): "/hosts/a%20b?q=x%26y&from=-1h&to=now",
		frame.Earlier(): "/hosts/a%20b?q=x%26y&from=1772361000&to=1772364600",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	frame.Range = live.Moved(-2)
	if got := frame.Follow(); got != "/hosts/a%20b?q=x%26y&from=-1h&to=now" {
		t.Errorf("follow: %s", got)
	}
}

func TestStepIsRoundAndEnough(t *testing.T) {
	for span := 10 * time.Second; span < 4*365*24*time.Hour; span = span*13/10 + time.Second {
		step := Range{Start: noon().Add(-span), End: noon()}.Step(300)
		if step < time.Second || step*300 < span {
			t.Errorf("%v: step %v leaves more than 300 points", span, step)
		}
		if day := 24 * time.Hour; step < day && day%step != 0 || step > day && step%day != 0 {
			t.Errorf("%v: step %v does not divide a day", span, step)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"-1h", "now", "now-5m", "1700000000", "2026-01-31T14:00:00Z", "-9999999999s", "1e11", "--1h", ""} {
		f.Add(s, "now")
	}
	f.Fuzz(func(t *testing.T, from, to string) {
		r, err := ParseRange(url.Values{"from": {from}, "to": {to}}, "", noon())
		if span := r.Span(); span < minSpan || span > maxSpan {
			t.Fatalf("%q to %q: span %v", from, to, span)
		}
		if err != nil {
			return
		}
		// What a page links to must read back as what it shows.
		for _, next := range []Range{r.Moved(-0.5), r.Wider()} {
			q, err := url.ParseQuery(next.Query())
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseRange(q, "", noon())
			if err != nil && next.Span() <= maxSpan && next.Start.Year() > 1970 && next.End.Year() < maxYear {
				t.Fatalf("%q to %q: link %s: %v", from, to, next.Query(), err)
			}
			if d := back.Start.Sub(next.Start); err == nil && (d > time.Second || d < -time.Second) {
				t.Fatalf("%s starts at %v, not %v", next.Query(), back.Start, next.Start)
			}
		}
	})
}
