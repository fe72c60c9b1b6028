package promql

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"rondo/rrd"
)

// maxBody bounds the form of a POST: a query and some matchers.
const maxBody = 1 << 20

// A params reads the parameters of a request, from its URL or form alike. The
// first that is wrong is kept.
type params struct {
	url.Values
	err error
}

func readParams(w http.ResponseWriter, r *http.Request) *params {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return &params{err: &Error{BadData, fmt.Errorf("error parsing form values: %w", err)}}
	}
	return &params{Values: r.Form}
}

// wrong keeps the first error of a parameter, in Prometheus' words.
func (p *params) wrong(name string, err error) {
	if p.err == nil && err != nil {
		p.err = &Error{BadData, fmt.Errorf("invalid parameter %q: %w", name, err)}
	}
}

// time reads seconds since the epoch or RFC 3339; instead stands for none,
// unless it is zero: then the parameter must be there.
func (p *params) time(name string, instead time.Time) time.Time {
	s := p.Get(name)
	if s == "" && !instead.IsZero() {
		return instead
	}
	t, err := parseTime(s)
	p.wrong(name, err)
	return t
}

func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.Abs(f) < math.MaxInt64/1e6 { // what rrd.Time holds; also refuses NaN
			return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), nil
		}
	} else if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
}

// duration reads seconds or a duration as PromQL writes it.
func (p *params) duration(name string) time.Duration {
	d, err := parseDuration(p.Get(name))
	p.wrong(name, err)
	return d
}

func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.Abs(f) < math.MaxInt64/1e9 {
			return time.Duration(f * float64(time.Second)), nil
		}
		return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", s)
	}
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", s)
}

// limit reads the most results wanted; 0 is all.
func (p *params) limit() int {
	s := p.Get("limit")
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("limit must be non-negative")
	}
	p.wrong("limit", err)
	return n
}

// bounds reads start and end, which say nothing here: the index knows all
// series that there are. They must be times all the same.
func (p *params) bounds() {
	p.time("start", time.Unix(0, 0))
	p.time("end", time.Unix(0, 0))
}

// selectors reads match[]. Each must ask for something: a selector that matches
// every series is refused, as in PromQL.
func (p *params) selectors() [][]rrd.Matcher {
	var sets [][]rrd.Matcher
	for _, s := range p.Values["match[]"] {
		ms, err := newParser().ParseMetricSelector(s)
		if p.wrong("match[]", err); err != nil {
			return nil
		}
		asks := false
		for _, m := range ms {
			asks = asks || !m.Matches("")
		}
		if !asks {
			p.err = &Error{BadData, errors.New("match[] must contain at least one non-empty matcher")}
			return nil
		}
		sets = append(sets, matchers(ms))
	}
	return sets
}

// truncate cuts a list to the limit and says so.
func truncate[T any](list []T, limit int) ([]T, []string) {
	if limit > 0 && len(list) > limit {
		return list[:limit], []string{"results truncated due to limit"}
	}
	return list, nil
}

// union joins sorted lists into one, each entry once.
func union[T ~string](lists ...[]T) []T {
	if len(lists) == 1 {
		return lists[0]
	}
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
