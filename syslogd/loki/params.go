package loki

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxForm bounds the form of a POST: a query and some matchers.
const maxForm = 1 << 20

// params reads the parameters of a request, from its URL or form alike. The
// first that is wrong is kept.
type params struct {
	url.Values
	now time.Time
	err error
}

func readParams(w http.ResponseWriter, r *http.Request) *params {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	return &params{Values: r.Form, now: time.Now(), err: err}
}

func (p *params) wrong(name string, err error) {
	if p.err == nil && err != nil {
		p.err = fmt.Errorf("invalid parameter %q: %w", name, err)
	}
}

// time reads a time as Loki does: nanoseconds since 1970, or seconds where
// there are ten digits or less, or a fraction; or RFC 3339.
func (p *params) time(name string, instead time.Time) time.Time {
	s := p.Get(name)
	if s == "" {
		return instead
	}
	t, err := parseTime(s)
	if err == nil && (t.Year() < 1900 || t.Year() > 2200) { // sums with durations must not overflow
		err = fmt.Errorf("%q: out of range", cut(s))
	}
	p.wrong(name, err)
	return t
}

func parseTime(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if len(s) <= 10 {
			return time.Unix(n, 0).UTC(), nil
		}
		return time.Unix(0, n).UTC(), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		sec, frac := math.Modf(f)
		if math.Abs(sec) >= 1e12 { // nanoseconds, as JavaScript writes large ones
			sec, frac = math.Modf(f / 1e9)
		}
		if math.Abs(sec) < math.MaxInt64/1e9 {
			return time.Unix(int64(sec), int64(math.Round(frac*1e9))).UTC(), nil
		}
	} else if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q: want nanoseconds or seconds since 1970, or RFC 3339", cut(s))
}

// span reads start, end and since; without any it is the last part of that
// length.
func (p *params) span(length time.Duration) (start, end time.Time) {
	end = p.time("end", p.now)
	if p.Get("since") != "" {
		length = p.duration("since", length)
	}
	last := end
	if last.After(p.now) {
		last = p.now
	}
	start = p.time("start", last.Add(-length))
	if p.err == nil && end.Before(start) {
		p.err = fmt.Errorf("invalid query, through < from (%d < %d)", end.UnixMilli(), start.UnixMilli())
	}
	return start, end
}

// duration reads seconds, or a duration as Prometheus writes it.
func (p *params) duration(name string, instead time.Duration) time.Duration {
	s := p.Get(name)
	if s == "" {
		return instead
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < maxSpan.Seconds() {
		return time.Duration(f * float64(time.Second))
	}
	d, ok := parseDuration(s)
	if !ok {
		p.wrong(name, fmt.Errorf("cannot parse %q to a valid duration", cut(s)))
	}
	return d
}

// step reads the distance of the points of a range query; by default there are
// some 250.
func (p *params) step(start, end time.Time) time.Duration {
	step := p.duration("step", max(end.Sub(start)/250, time.Second).Truncate(time.Second))
	if p.err != nil {
		return 0
	}
	switch {
	case step < time.Millisecond:
		p.wrong("step", fmt.Errorf("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	case end.Sub(start)/step > maxPoints:
		p.wrong("step", fmt.Errorf("exceeded maximum resolution of %d points per time series. Try increasing the value of the step parameter", maxPoints))
	}
	return step
}

// limit reads the most results wanted.
func (p *params) limit(instead, most int) int {
	s := p.Get("limit")
	if s == "" {
		return instead
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil || n < 0:
		p.wrong("limit", fmt.Errorf("%q: want a number above 0", cut(s)))
	case n == 0:
		return instead
	case n > most:
		p.wrong("limit", fmt.Errorf("max entries limit per query exceeded, limit > max_entries_limit (%d > %d)", n, most))
	}
	return n
}

// forward reads direction; the default is backward.
func (p *params) forward() bool {
	switch d := strings.ToLower(p.Get("direction")); d {
	case "forward":
		return true
	case "", "backward":
	default:
		p.wrong("direction", fmt.Errorf("%q: want forward or backward", cut(d)))
	}
	return false
}

// selector reads a stream selector; without one it selects everything.
func (p *params) selector(name string) *logQuery {
	q, err := parseSelector(p.Get(name))
	if p.err == nil && err != nil {
		p.err = err
	}
	return q
}
