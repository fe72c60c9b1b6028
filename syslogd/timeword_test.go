package syslogd

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 19, 10, 30, 0, 0, time.FixedZone("CET", 3600))
	f := func(in, want string) {
		t.Helper()
		got, err := ParseTime(in, now)
		text := "error"
		if err == nil {
			text = got.Format(time.RFC3339Nano)
		}
		if text != want {
			t.Errorf("%q: %s, want %s (%v)", in, text, want, err)
		}
	}
	f("", "0001-01-01T00:00:00Z")
	f("now", "2026-11-19T10:30:00+01:00")
	f("-1h", "2026-11-19T09:30:00+01:00")
	f("now-90m", "2026-11-19T09:00:00+01:00")
	f("-1h30m", "2026-11-19T09:00:00+01:00")
	f("-2d", "2026-11-17T10:30:00+01:00")
	f("-1w", "2026-11-12T10:30:00+01:00")
	f("-1.5h", "2026-11-19T09:00:00+01:00")
	f("today", "2026-11-19T00:00:00+01:00")
	f("Yesterday", "2026-11-18T00:00:00+01:00")
	f("2026-11-19T10:00:00Z", "2026-11-19T10:00:00Z")
	f("2026-11-19T10:00:00.5+02:00", "2026-11-19T10:00:00.5+02:00")
	f("2026-11-19", "2026-11-19T00:00:00+01:00")
	f("2026-11-19 08:15", "2026-11-19T08:15:00+01:00")
	f("1795000000", "2026-11-18T11:06:40Z")
	f("1795000000.25", "2026-11-18T11:06:40.25Z")
	f("-", "error")
	f("-1", "error")
	f("-1y", "error")
	f("-999999999999h", "error")
	f("soon", "error")
	f("NaN", "error")
	f("99999999999", "error")
}

func FuzzParseTime(f *testing.F) {
	f.Add("-1h30m")
	f.Fuzz(func(t *testing.T, s string) { ParseTime(s, time.Unix(1795000000, 0)) })
}
