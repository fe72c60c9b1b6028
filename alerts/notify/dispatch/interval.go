package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An IntervalsConfig is a name for times: those that any of its intervals
// contains.
type IntervalsConfig struct {
	Name          string           `yaml:"name"`
	TimeIntervals []IntervalConfig `yaml:"time_intervals"`
}

// An IntervalConfig contains the times that meet each field that is given; a
// field is met by any of its ranges. Ranges include both ends, but for times.
type IntervalConfig struct {
	Times       []TimesConfig `yaml:"times"`
	Weekdays    []string      `yaml:"weekdays"`      // saturday, monday:friday
	DaysOfMonth []string      `yaml:"days_of_month"` // 1:5; -1 is the last day
	Months      []string      `yaml:"months"`        // 1:3, may:august
	Years       []string      `yaml:"years"`         // 2026, 2026:2028
	Location    string        `yaml:"location"`      // Europe/Berlin, Local; default UTC
}

// A TimesConfig is a part of the day, without its end.
type TimesConfig struct {
	Start string `yaml:"start_time"` // 09:00
	End   string `yaml:"end_time"`   // 17:00; at most 24:00
}

// intervals are named times.
type intervals struct {
	name string
	any  []interval
}

func (in intervals) contain(t time.Time) bool {
	return slices.ContainsFunc(in.any, func(i interval) bool { return i.contains(t) })
}

// A span is a range of numbers, both ends included.
type span struct{ from, to int }

// An interval is one set of conditions; an empty one is met always.
type interval struct {
	minutes                       []span // of the day, to is excluded
	weekdays, days, months, years []span
	location                      *time.Location
}

func (in interval) contains(t time.Time) bool {
	t = t.In(in.location)
	minute := t.Hour()*60 + t.Minute()
	return within(in.minutes, minute) && within(in.weekdays, int(t.Weekday())) && in.hasDay(t) &&
		within(in.months, int(t.Month())) && within(in.years, t.Year())
}

func within(spans []span, n int) bool {
	return len(spans) == 0 || slices.ContainsFunc(spans, func(s span) bool { return s.from <= n && n <= s.to })
}

// hasDay looks at the days of the month, of which negative ones count from its
// end. A range that begins behind the end of a short month has no day in it.
func (in interval) hasDay(t time.Time) bool {
	last := time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	of := func(day int) int {
		if day < 0 {
			return last + day + 1
		}
		return day
	}
	return len(in.days) == 0 || slices.ContainsFunc(in.days, func(s span) bool { return of(s.from) <= t.Day() && t.Day() <= of(s.to) })
}

func compileIntervals(configs []IntervalsConfig) (map[string]intervals, error) {
	var errs []error
	out := make(map[string]intervals, len(configs))
	for i, c := range configs {
		key := strconv.Itoa(i + 1)
		if _, twice := out[c.Name]; twice || c.Name == "" {
			errs = append(errs, fmt.Errorf("%s: name: %q is empty, or there twice", key, c.Name))
		}
		in := intervals{name: c.Name}
		for k, one := range c.TimeIntervals {
			compiled, err := one.compile()
			errs = append(errs, prefixed(fmt.Sprintf("%s: time_intervals: %d", key, k+1), err))
			in.any = append(in.any, compiled)
		}
		out[c.Name] = in
	}
	return out, errors.Join(errs...)
}

func (c IntervalConfig) compile() (in interval, err error) {
	var errs []error
	in.location, err = time.LoadLocation(c.Location) // "" is UTC
	if err != nil {
		errs = append(errs, fmt.Errorf("location: %w", err))
		in.location = time.UTC
	}
	for _, t := range c.Times {
		s, err := t.span()
		errs = append(errs, prefixed("times", err))
		in.minutes = append(in.minutes, s)
	}
	for _, f := range []struct {
		key   string
		texts []string
		into  *[]span
		parse func(string) (int, error)
		check func(span) error
	}{
		{"weekdays", c.Weekdays, &in.weekdays, named(weekdays(), 0), ascending},
		{"days_of_month", c.DaysOfMonth, &in.days, strconv.Atoi, dayRange},
		{"months", c.Months, &in.months, named(months(), 1), monthRange},
		{"years", c.Years, &in.years, strconv.Atoi, ascending},
	} {
		for _, text := range f.texts {
			s, err := parseSpan(text, f.parse)
			if err == nil {
				err = f.check(s)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %q: %w", f.key, text, err))
			}
			*f.into = append(*f.into, s)
		}
	}
	return in, errors.Join(errs...)
}

// span is a part of the day in minutes; the end is excluded.
func (c TimesConfig) span() (span, error) {
	from, err := parseClock(c.Start)
	to, bad := parseClock(c.End)
	if err = errors.Join(err, bad); err == nil && from >= to {
		err = fmt.Errorf("start_time %s: want it before end_time %s", c.Start, c.End)
	}
	return span{from, to - 1}, err
}

func parseClock(s string) (minute int, err error) {
	h, m, ok := strings.Cut(s, ":")
	hour, bad1 := strconv.Atoi(h)
	minute, bad2 := strconv.Atoi(m)
	if !ok || bad1 != nil || bad2 != nil || len(h) != 2 || len(m) != 2 || minute < 0 || minute > 59 || hour < 0 || hour*60+minute > 24*60 {
		return 0, fmt.Errorf("%q: want a time of day such as 09:00, at most 24:00", s)
	}
	return hour*60 + minute, nil
}

// parseSpan reads "3" or "3:5".
func parseSpan(text string, parse func(string) (int, error)) (s span, err error) {
	from, to, ranged := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	if !ranged {
		to = from
	}
	if s.from, err = parse(from); err == nil {
		s.to, err = parse(to)
	}
	if err != nil {
		return s, errors.New("cannot be read: want one, or a range such as a:b")
	}
	return s, nil
}

// named reads a name of a list, whose first has the number first, or where the
// list begins with 1 a number too.
func named(names []string, first int) func(string) (int, error) {
	return func(s string) (int, error) {
		if i := slices.Index(names, s); i >= 0 {
			return i + first, nil
		}
		if first == 0 {
			return 0, errors.New("no such name")
		}
		return strconv.Atoi(s)
	}
}

func weekdays() (names []string) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		names = append(names, strings.ToLower(d.String()))
	}
	return names
}

func months() (names []string) {
	for m := time.January; m <= time.December; m++ {
		names = append(names, strings.ToLower(m.String()))
	}
	return names
}

func ascending(s span) error {
	if s.from > s.to {
		return errors.New("its end comes before its beginning")
	}
	return nil
}

func monthRange(s span) error {
	if s.from < 1 || s.to > 12 {
		return errors.New("want months 1 to 12")
	}
	return ascending(s)
}

// dayRange checks days of a month: 1 to 31, or -31 to -1 from its end.
func dayRange(s span) error {
	for _, d := range []int{s.from, s.to} {
		if d == 0 || d < -31 || d > 31 {
			return errors.New("want days 1 to 31, or -31 to -1 from the end of the month")
		}
	}
	switch {
	case s.from < 0 && s.to > 0:
		return errors.New("a range that begins at the end of a month must end there")
	case (s.from < 0) == (s.to < 0):
		return ascending(s)
	case 31+s.to+1 < s.from: // even in the longest month
		return errors.New("its end comes before its beginning")
	}
	return nil
}
