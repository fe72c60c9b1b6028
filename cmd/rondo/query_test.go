package main

import (
	"strings"
	"testing"
	"time"
)

// Times are read as everywhere in rondo, and else as RRDtool reads them.
func TestParseRange(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)
	for _, c := range []struct{ from, to, want string }{
		{"-1h", "now", "09:30:00 10:30:00 on 20"},
		{"-5m", "now", "10:25:00 10:30:00 on 20"}, // which are months to RRDtool
		{"end-2h", "noon", "10:00:00 12:00:00 on 20"},
		{"midnight", "start+3h", "00:00:00 03:00:00 on 20"},
		{"end-1d", "1795170600", "10:30:00 10:30:00 on 20"},
		{"", "noon", "12:00:00 12:00:00 on 20"},
	} {
		from, to, err := parseRange(c.from, c.to, now)
		if err != nil {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
			continue
		}
		if got := from.Format("15:04:05 ") + to.Format("15:04:05") + " on " + to.Format("2"); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	if _, _, err := parseRange("lately", "now", now); err == nil || !strings.Contains(err.Error(), "lately") {
		t.Error(err)
	}
}
