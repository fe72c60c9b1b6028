package loki

import (
	"net/url"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	f := func(s string, want time.Time) {
		t.Helper()
		if got, err := parseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", s, got, err, want)
		}
	}
	f("1795240800", base())
	f("1795240800.25", base().Add(250*time.Millisecond))
	f("1795240800000000001", base().Add(1))
	f("1.7952408e+18", base())
	f("2026-11-21T07:00:00.5+01:00", base().Add(500*time.Millisecond))
	f("4", time.Unix(4, 0))
	f("4000000000", time.Unix(4000000000, 0))
	for _, s := range []string{"", "now", "NaN", "1e40", "2026-11-21"} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("%s: got %v", s, got)
		}
	}
}

// TestSpan: since counts from end, or from now where end is to come.
func TestSpan(t *testing.T) {
	f := func(query string, from, to time.Duration) {
		t.Helper()
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		p := &params{Values: v, now: base()}
		start, end := p.span(time.Hour)
		if p.err != nil || start.Sub(base()) != from || end.Sub(base()) != to {
			t.Errorf("%s: %v to %v, %v", query, start.Sub(base()), end.Sub(base()), p.err)
		}
	}
	f("", -time.Hour, 0)
	f("since=5m", -5*time.Minute, 0)
	f("end=1795240740&since=90", -150*time.Second, -time.Minute)
	f("end=1795240860&since=1m", -time.Minute, time.Minute)
	f("start=1795240740&since=1m&end=1795240800", -time.Minute, 0)
}

func TestDurations(t *testing.T) {
	f := func(s string, want time.Duration) {
		t.Helper()
		if got, ok := parseDuration(s); !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", s, got, ok, want)
		}
	}
	f("5m", 5*time.Minute)
	f("1h30m", 90*time.Minute)
	f("1.5s", 1500*time.Millisecond)
	f("1d12h", 36*time.Hour)
	f("2w", 14*24*time.Hour)
	f("60000ms", time.Minute)
	for _, s := range []string{"", "m", "5", "5x", "99999999y", "1d-2h"} {
		if got, ok := parseDuration(s); ok {
			t.Errorf("%s: got %v", s, got)
		}
	}
}
