package event

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a time: now, -5m, now-2d (s, m, h, d, w, and mon and y of 30
// and 365 days), RFC 3339, or seconds or milliseconds since the epoch.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "now" {
		return now, nil
	}
	if back, ok := strings.CutPrefix(strings.TrimPrefix(s, "now"), "-"); ok {
		if d, err := parseSpan(back); err == nil {
			return now.Add(-d), nil
		}
	}
	if t := foreignTime(s); !t.IsZero() {
		return t, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n < 1e14) { // NaN is neither
		return time.Time{}, fmt.Errorf("time %q: want now, -5m, RFC 3339 or seconds since the epoch", shorten(s, 40))
	}
	if n < 1e11 { // the year 5138 in seconds, 1973 in milliseconds
		n *= 1000
	}
	return time.UnixMilli(int64(n)).UTC(), nil
}

func parseSpan(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"mon", 30 * day}, {"min", time.Minute}, {"d", day}, {"w", 7 * day}, {"y", 365 * day}} {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			k, err := strconv.ParseUint(n, 10, 16)
			if err == nil && time.Duration(k) > 20*365*day/u.unit {
				err = strconv.ErrRange
			}
			return time.Duration(k) * u.unit, err
		}
	}
	return time.ParseDuration(s)
}

// A stampText is a time in JSON, as text or as a number.
type stampText string

// UnmarshalJSON implements json.Unmarshaler.
func (t *stampText) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch x := v.(type) {
	case nil:
	case string:
		*t = stampText(x)
	case float64:
		*t = stampText(strconv.FormatFloat(x, 'f', -1, 64))
	default:
		return fmt.Errorf("%s is no time", b)
	}
	return nil
}

// time is the zero time where nothing was said; a number 0 is nothing, too.
func (t stampText) time(now time.Time) (time.Time, error) {
	if t == "" || t == "0" {
		return time.Time{}, nil
	}
	return ParseTime(string(t), now)
}
