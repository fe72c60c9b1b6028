package pages

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Range is the time that a page shows. From and To stand as in the URL.
type Range struct {
	From, To   string
	Start, End time.Time
}

const (
	defaultFrom = "-1h"
	maxSpan     = 5 * 366 * 24 * time.Hour
	minSpan     = 10 * time.Second
)

// timeUnits are the units of a relative time, as RRDtool and Graphite write
// them, with a month as 30 days.
var timeUnits = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour,
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "mon": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

// ParseRange reads from= and to=. Where they cannot be used it returns the
// default range with an error for people.
func ParseRange(q url.Values, fallback string, now time.Time) (Range, error) {
	if fallback == "" {
		fallback = defaultFrom
	}
	r := Range{From: cmp.Or(q.Get("from"), fallback), To: cmp.Or(q.Get("to"), "now")}
	err := r.resolve(now)
	if err != nil {
		r = Range{From: fallback, To: "now"}
		if r.resolve(now) != nil {
			r.From = defaultFrom
			_ = r.resolve(now) // the default itself is well formed
		}
	}
	return r, err
}

func (r *Range) resolve(now time.Time) (err error) {
	if r.Start, err = parseTime(r.From, now); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if r.End, err = parseTime(r.To, now); err != nil {
		return fmt.Errorf("to: %w", err)
	}
	span := r.End.Sub(r.Start)
	if span < minSpan || span > maxSpan {
		return fmt.Errorf("from %s to %s: want a span between 10 seconds and 5 years", r.From, r.To)
	}
	return nil
}

// parseTime reads now, -1h, now-1h, epoch seconds, RFC 3339, or the form of
// an HTML datetime-local field in UTC.
func parseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	rel := strings.TrimPrefix(s, "now")
	switch {
	case s == "now":
		return now, nil
	case strings.HasPrefix(rel, "-"):
		d, err := parseAgo(rel[1:])
		return now.Add(-d), err
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(sec) < 1e11 {
		return time.UnixMilli(int64(sec * 1000)).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1900 && t.Year() < 2300 {
			return t.UTC(), nil
		}
	}
	return now, fmt.Errorf("%q is no time: want -1h, now, 2026-01-31T14:00:00Z or seconds since 1970", s)
}

func parseAgo(s string) (time.Duration, error) {
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if i > 0 && i < 11 {
		n, _ := strconv.Atoi(s[:i]) // digits only, checked above
		if u, ok := timeUnits[s[i:]]; ok && time.Duration(n) <= maxSpan/u {
			return time.Duration(n) * u, nil
		}
	}
	return 0, fmt.Errorf("%q is no span: want a number and s, m, h, d, w, mon or y, such as -6h", "-"+s)
}

// Live says whether the range ends now, and so moves.
func (r Range) Live() bool { return r.To == "now" }

// Span is the range's length.
func (r Range) Span() time.Duration { return r.End.Sub(r.Start) }

// Step is the width of a point where at most n shall cover the range: a round
// number of seconds.
func (r Range) Step(n int) time.Duration { return niceStep(r.Span() / time.Duration(n)) }

// niceStep rounds d up to a step that divides minutes, hours or days.
func niceStep(d time.Duration) time.Duration {
	for _, s := range []int{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400, 21600, 43200} {
		if step := time.Duration(s) * time.Second; d <= step {
			return step
		}
	}
	day := 24 * time.Hour
	return (d + day - 1) / day * day
}

// Query is the range as part of a URL.
func (r Range) Query() string {
	return "from=" + url.QueryEscape(r.From) + "&to=" + url.QueryEscape(r.To)
}

// Params is Query for a template, which would escape a string whole; every
// part of it is escaped already.
func (r Range) Params() template.URL { return template.URL(r.Query()) }

// Label is the range for people.
func (r Range) Label() string {
	if r.Live() && strings.HasPrefix(r.From, "-") {
		return "last " + r.From[1:]
	}
	return r.Start.UTC().Format("2006-01-02 15:04:05") + " – " + r.End.UTC().Format(r.endLayout())
}

func (r Range) endLayout() string {
	if r.Start.UTC().Format(time.DateOnly) == r.End.UTC().Format(time.DateOnly) {
		return time.TimeOnly
	}
	return time.DateTime
}

// Moved returns the range shifted by a share of its span, absolute.
func (r Range) Moved(share float64) Range {
	d := time.Duration(float64(r.Span()) * share)
	return absolute(r.Start.Add(d), r.End.Add(d))
}

// Wider returns the range with twice the span around the same middle; one that
// ends now keeps its end.
func (r Range) Wider() Range {
	span := min(r.Span(), maxSpan/2)
	if r.Live() {
		return Range{From: relative(2 * span), To: "now", Start: r.End.Add(-2 * span), End: r.End}
	}
	return absolute(r.Start.Add(-span/2), r.End.Add(span/2))
}

// relative writes a span before now in the largest unit that is exact to the
// second.
func relative(d time.Duration) string {
	n := int((d + time.Second - 1) / time.Second)
	for _, u := range []struct {
		name    string
		seconds int
	}{{"d", 86400}, {"h", 3600}, {"m", 60}} {
		if n%u.seconds == 0 {
			return "-" + strconv.Itoa(n/u.seconds) + u.name
		}
	}
	return "-" + strconv.Itoa(n) + "s"
}

func absolute(start, end time.Time) Range {
	return Range{From: strconv.FormatInt(start.Unix(), 10), To: strconv.FormatInt(end.Unix(), 10), Start: start, End: end}
}
