package syslogd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a time as people type it in a query: "now", "-1h", "-2d",
// "-1h30m" (before now), "today", "yesterday", RFC 3339, a date, a date with a
// clock time, or seconds since 1970. Dates and clock times without a zone are
// in now's location. The empty string is the zero time.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today":
		return midnight(now), nil
	case "yesterday":
		return midnight(now.AddDate(0, 0, -1)), nil
	}
	for _, sign := range []string{"-", "now-"} {
		rest, ok := strings.CutPrefix(strings.ToLower(s), sign)
		if !ok {
			continue
		}
		if d, err := ParseSpan(rest); err == nil {
			return now.Add(-d), nil
		}
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil && sec >= 0 && sec < 1<<33 {
		whole := int64(sec)
		return time.Unix(whole, int64((sec-float64(whole))*1e9)).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q: want -1h, -2d, today, RFC 3339, or seconds since 1970", s)
}

func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

// maxSpan keeps sums of times within what a Duration can tell.
const maxSpan = 100 * 365 * 24 * time.Hour

// ParseSpan reads a length of time such as "90m", "1h30m", "2d" or "1w"; days
// and weeks are what time.ParseDuration lacks.
func ParseSpan(s string) (time.Duration, error) {
	total := 0.0
	for rest := s; ; {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return 0, fmt.Errorf("time span %q: want a number and a unit, such as 90m, 1h30m or 2d", s)
		}
		v, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, fmt.Errorf("time span %q: %q is no number", s, rest[:n])
		}
		unit := strings.TrimLeft(rest[n:], "abcdefghijklmnopqrstuvwxyz")
		name := rest[n : len(rest)-len(unit)]
		size, ok := spanUnit(name)
		if !ok {
			return 0, fmt.Errorf("time span %q: unit %q: want ms, s, m, h, d or w", s, name)
		}
		if total += v * float64(size); total > float64(maxSpan) {
			return 0, fmt.Errorf("time span %q: more than a hundred years", s)
		}
		if rest = unit; rest == "" {
			return time.Duration(total), nil
		}
	}
}

func spanUnit(s string) (time.Duration, bool) {
	switch s {
	case "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m", "min":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return 24 * time.Hour, true
	case "w":
		return 7 * 24 * time.Hour, true
	}
	return 0, false
}
