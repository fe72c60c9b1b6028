package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/rrd/promql"
)

// Forecast is a rule over what a PromQL expression will come to: every series
// of its result is one state, a problem when it is expected beyond a limit
// within the horizon.
type Forecast struct {
	Common  `yaml:",inline"`
	Expr    string        `yaml:"expr"`
	Horizon time.Duration `yaml:"horizon"`
	Above   *float64      `yaml:"above"`  // the limit: above or below, one of them
	Below   *float64      `yaml:"below"`  //
	By      string        `yaml:"by"`     // trend (default), a straight line; or seasonal
	Over    time.Duration `yaml:"over"`   // of the past; default a sixth of horizon and at least 1h, or 7 seasons
	Season  time.Duration `yaml:"season"` // default 1d
	Trust   float64       `yaml:"trust"`  // share of the variation that must be explained; default 0.6
	For     time.Duration `yaml:"for"`
	Text    string        `yaml:"text"` // for people: {value}, any label
}

// The ways to forecast.
const (
	byTrend    = "trend"
	bySeasonal = "seasonal"
)

const (
	forecastPoints = 480 // of the past that are asked for
	seasonPoints   = 48  // of one season
	minPoints      = 20  // fewer known ones are no forecast
)

// A Ranger answers an expression over time; promql.Engine is one.
type Ranger interface {
	Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (promql.Result, error)
}

func (f Forecast) withDefaults() Forecast {
	f.By, f.Season, f.Trust = cmp.Or(f.By, byTrend), cmp.Or(f.Season, 24*time.Hour), cmp.Or(f.Trust, 0.6)
	if f.Over == 0 && f.By == bySeasonal {
		f.Over = 7 * f.Season
	}
	f.Over = cmp.Or(f.Over, max(f.Horizon/6, time.Hour))
	f.Interval = cmp.Or(f.Interval, time.Minute)
	return f
}

func (f Forecast) validate() error {
	errs := []error{f.Common.validate()}
	f = f.withDefaults()
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if strings.TrimSpace(f.Expr) == "" {
		fail("expr is missing: want PromQL")
	}
	if f.Horizon < time.Minute || f.Horizon > 366*24*time.Hour {
		fail("horizon %v: want 1m to 366 days", f.Horizon)
	}
	if (f.Above == nil) == (f.Below == nil) {
		fail("want above or below, one of them: the limit")
	} else if math.IsNaN(f.limit()) || math.IsInf(f.limit(), 0) {
		fail("the limit %v is no number", f.limit())
	}
	if f.By != byTrend && f.By != bySeasonal {
		fail("by %q: want trend or seasonal", f.By)
	}
	if f.Over < 10*time.Minute || f.Over > 366*24*time.Hour {
		fail("over %v: want 10m to 366 days", f.Over)
	}
	if f.By == bySeasonal && (f.Season < time.Hour || f.Over < 2*f.Season || f.Over > 40*f.Season) {
		fail("season %v: want 1h or more, and 2 to 40 of them in over, which is %v", f.Season, f.Over)
	}
	if f.Trust < 0 || f.Trust > 1 {
		fail("trust %v: want 0 to 1", f.Trust)
	}
	return errors.Join(append(errs, f.policy().Validate())...)
}

// limit and sign are the limit, and 1 if it is above or -1 if it is below.
func (f Forecast) limit() float64 { return *cmp.Or(f.Above, f.Below) }

func (f Forecast) sign() float64 {
	if f.Above != nil {
		return 1
	}
	return -1
}

// policy has the seconds that are left as the value: too few are the problem,
// and a tenth more than too few its end.
func (f Forecast) policy() alerts.Policy {
	p := f.supervised(nil, "").Policy
	p.Below, p.For, p.Missing = true, f.For, alerts.MissingKeep
	left := f.Horizon.Seconds()
	f.level(&p, alerts.Threshold{Raise: left, Clear: left * 1.1})
	return p
}

func (f Forecast) build(s Sources) (alerts.Supervised, error) {
	if s.Ranges == nil {
		return alerts.Supervised{}, errors.New("there are no metrics here to forecast")
	}
	f = f.withDefaults()
	out := f.supervised(&forecastRule{f, s.Ranges, s.Identify}, f.Expr)
	out.Policy = f.policy()
	return out, nil
}

type forecastRule struct {
	Forecast
	ranges   Ranger
	identify func(rrd.Key) (fleet.Identity, bool)
}

// ID implements alerts.Rule.
func (r *forecastRule) ID() string { return r.Name }

// Check implements alerts.Rule.
func (r *forecastRule) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	step := r.step()
	start := now.Add(-r.Over).Add(step)
	res, err := r.ranges.Range(ctx, r.Expr, start, now, step)
	if err != nil {
		return nil, err
	}
	out := make([]alerts.Reading, 0, len(res.Series))
	seen := make(map[string]bool, len(res.Series))
	for _, s := range res.Series {
		ls := labelsOf(r.Common, s.Labels, r.identify)
		if seen[ls.String()] {
			return nil, fmt.Errorf("two series have the same labels %v: aggregate, or keep apart, in the expression", ls)
		}
		seen[ls.String()] = true
		left, text := r.judge(s, start, now)
		if r.Text != "" {
			text = say(r.Text, people(left), ls)
		}
		out = append(out, alerts.Reading{Labels: ls, Value: left, At: now, Text: text, Annotations: r.filled(people(left), ls)})
	}
	return out, nil
}

func (r *forecastRule) step() time.Duration {
	if r.By == bySeasonal {
		return r.Season / seasonPoints
	}
	return max(r.Over/forecastPoints, time.Second)
}

// judge says in how many seconds a series will be beyond the limit, and the
// text for it. What cannot be told is no problem.
func (r *forecastRule) judge(s promql.RangeSeries, start, now time.Time) (float64, string) {
	step, n := r.step(), int(r.Over/r.step())
	if known := len(s.Times); known < minPoints || known < n/2 || now.Sub(s.Times[0].Std()) < r.Over/2 {
		return math.Inf(1), fmt.Sprintf("no forecast: of the last %s only %d of %d points are known", people(r.Over.Seconds()), known, n)
	}
	f, how := r.forecast(s, start, now, n), fmt.Sprintf("at the trend of the last %s", people(r.Over.Seconds()))
	if r.By == bySeasonal {
		how = fmt.Sprintf("by the season of the last %s", people(r.Over.Seconds()))
	}
	left := f.crossing(r.limit(), r.sign(), r.Horizon.Seconds()*1.2, step.Seconds())
	side := map[float64]string{1: "above", -1: "below"}[r.sign()]
	switch {
	case left == 0:
		return 0, fmt.Sprintf("%s is %s %s now", short(f.now), side, short(r.limit()))
	case f.trust < r.Trust:
		return math.Inf(1), fmt.Sprintf("no forecast: it explains %.0f %% of the variation, want %.0f %%", 100*f.trust, 100*r.Trust)
	case math.IsInf(left, 1):
		return left, fmt.Sprintf("%s now, not %s %s within %s %s", short(f.now), side, short(r.limit()), people(r.Horizon.Seconds()), how)
	}
	return left, fmt.Sprintf("%s %s in %s %s; %s now", side, short(r.limit()), people(left), how, short(f.now))
}

func (r *forecastRule) forecast(s promql.RangeSeries, start, now time.Time, n int) forecast {
	if r.By == bySeasonal {
		values := slices.Repeat([]float64{math.NaN()}, n)
		for i, t := range s.Times {
			if k := int(t.Std().Sub(start) / r.step()); k >= 0 && k < n {
				values[k] = s.Values[i]
			}
		}
		period := seasonPoints
		if len(known(values[:period])) < period/2 || len(known(values[period:2*period])) < period/2 {
			return forecast{now: s.Values[len(s.Values)-1]}
		}
		return seasonal(values, period, r.step().Seconds())
	}
	points := series{values: s.Values}
	for _, t := range s.Times {
		points.times = append(points.times, t.Std().Sub(now).Seconds())
	}
	return trend(points)
}

// people writes seconds as people say them, with two units.
func people(seconds float64) string {
	if math.IsInf(seconds, 0) || math.IsNaN(seconds) {
		return "never"
	}
	units := []struct {
		name   string
		length int64
	}{{"year", 365 * 86400}, {"day", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	left, words := int64(seconds), []string(nil)
	for _, u := range units {
		n := left / u.length
		left %= u.length
		if n == 0 {
			if len(words) > 0 {
				break
			}
			continue
		}
		name := u.name
		if n > 1 && u.length >= 86400 {
			name += "s"
		}
		if words = append(words, fmt.Sprintf("%d %s", n, name)); len(words) == 2 {
			break
		}
	}
	if words == nil {
		return "0 s"
	}
	return strings.Join(words, " ")
}
