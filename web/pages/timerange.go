package pages

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd"
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
	maxYear     = 2239 // links count seconds up to 2^33
)

// longUnits are what RRDtool and Graphite know beside syslogd.ParseTime's
// units, with a month as 30 days.
var longUnits = map[string]time.Duration{"mon": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour}

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

// parseTime reads what [syslogd.ParseTime] does, in UTC, and months and years
// ago (-3mon, now-1y).
func parseTime(s string, now time.Time) (time.Time, error) {
	if d, ok := longAgo(s); ok {
		return now.Add(-d), nil
	}
	t, err := syslogd.ParseTime(s, now.UTC())
	if err == nil && (t.Year() < 1900 || t.Year() > maxYear) {
		err = fmt.Errorf("time %q: want a year between 1900 and %d", s, maxYear)
	}
	return t.UTC(), err
}

func longAgo(s string) (time.Duration, bool) {
	n, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(s), "now"), "-")
	for name, unit := range longUnits {
		if n, of := strings.CutSuffix(n, name); ok && of {
			k, err := strconv.ParseUint(n, 10, 16)
			return time.Duration(k) * unit, err == nil && k > 0 && time.Duration(k) <= maxSpan/unit
		}
	}
	return 0, false
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
