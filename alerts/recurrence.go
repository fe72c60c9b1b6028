package alerts

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Recurrence is a time that comes again: from one time of day to another, on
// the days that meet both conditions, in a time zone. Its words are those of
// Alertmanager's time intervals.
//
//	weekdays: [saturday, sunday]          every weekend
//	weekdays: [sunday], days_of_month: ["1:7"]    the first Sunday of each month
//	days_of_month: [-1]                   the last day of each month
//
// The day is that of From; where To is not later than From, it is on the day
// after. Where clocks change, a local time that comes twice is the first one
// for From and the second one for To, and one that is skipped is the moment of
// the change: nothing that was asked for is left out. An occurrence of which
// nothing is left by that does not take place.
type Recurrence struct {
	Weekdays []WeekdayRange `json:"weekdays,omitempty" yaml:"weekdays"`           // empty: all
	Days     []DayRange     `json:"days_of_month,omitempty" yaml:"days_of_month"` // empty: all
	From     TimeOfDay      `json:"from" yaml:"from"`
	To       TimeOfDay      `json:"to" yaml:"to"`
	Location Location       `json:"location,omitzero" yaml:"location"` // UTC
}

// Validate says what is wrong with a recurrence, or nil.
func (r Recurrence) Validate() error {
	if r.From == r.To {
		return errors.New("from and to are the same: for whole days, say from 00:00 to 24:00")
	}
	return nil
}

// on says whether there is an occurrence that begins on a date.
func (r Recurrence) on(date time.Time) bool {
	last := date.AddDate(0, 1, -date.Day()).Day()
	return (len(r.Weekdays) == 0 || slices.ContainsFunc(r.Weekdays, func(w WeekdayRange) bool { return w.has(date.Weekday()) })) &&
		(len(r.Days) == 0 || slices.ContainsFunc(r.Days, func(d DayRange) bool { return d.has(date.Day(), last) }))
}

// beginning returns the occurrence that begins so many days from the date of
// now; ok is false if there is none.
func (r Recurrence) beginning(now time.Time, days int) (start, end time.Time, ok bool) {
	loc := r.Location.orUTC()
	y, m, d := now.In(loc).Date()
	date := time.Date(y, m, d+days, 0, 0, 0, 0, time.UTC)
	until := date
	if r.To <= r.From {
		until = date.AddDate(0, 0, 1)
	}
	start, end = firstAt(date.Add(r.From.duration()), loc), lastAt(until.Add(r.To.duration()), loc)
	return start, end, r.on(date) && start.Before(end)
}

// At returns the occurrence that holds at now; ok is false if there is none.
func (r Recurrence) At(now time.Time) (start, end time.Time, ok bool) {
	for days := -1; days <= 0; days++ {
		if start, end, ok = r.beginning(now, days); ok && !now.Before(start) && now.Before(end) {
			return start, end, true
		}
	}
	return time.Time{}, time.Time{}, false
}

// Next returns the first occurrence that begins after now; ok is false if
// there is none within 400 days.
func (r Recurrence) Next(now time.Time) (start, end time.Time, ok bool) {
	for days := range 400 {
		if start, end, ok = r.beginning(now, days); ok && start.After(now) {
			return start, end, true
		}
	}
	return time.Time{}, time.Time{}, false
}

// latest returns when the newest occurrence began, within so long before now;
// zero if none did.
func (r Recurrence) latest(now time.Time, within time.Duration) time.Time {
	for days := 0; days >= -2-int(within/(24*time.Hour)); days-- {
		if start, _, ok := r.beginning(now, days); ok && !start.After(now) {
			return start
		}
	}
	return time.Time{}
}

// firstAt is the first moment at which clocks in loc show a time, which is given
// as if they showed UTC. If they skip it, it is when they do.
func firstAt(shown time.Time, loc *time.Location) time.Time {
	before, after := candidates(shown, loc)
	switch {
	case shows(before, shown):
		return before
	case shows(after, shown):
		return after
	}
	change, _ := before.ZoneBounds() // before the change clocks had not come so far, and now they are beyond
	return change.In(loc)
}

// lastAt is the last such moment.
func lastAt(shown time.Time, loc *time.Location) time.Time {
	if _, after := candidates(shown, loc); shows(after, shown) {
		return after
	}
	return firstAt(shown, loc)
}

// candidates are the moments that show a time by the offsets of half a day
// before and after; clocks do not change twice in a day.
func candidates(shown time.Time, loc *time.Location) (before, after time.Time) {
	offset := func(d time.Duration) time.Time {
		_, seconds := shown.Add(d).In(loc).Zone()
		return shown.Add(-time.Duration(seconds) * time.Second).In(loc)
	}
	return offset(-24 * time.Hour), offset(24 * time.Hour)
}

func shows(t, shown time.Time) bool {
	return t.Format(time.DateTime) == shown.Format(time.DateTime)
}

func (r Recurrence) String() string {
	var days []string
	for _, w := range r.Weekdays {
		days = append(days, w.String())
	}
	for _, d := range r.Days {
		days = append(days, "day "+d.String())
	}
	return fmt.Sprintf("%s %v-%v %v", cmp.Or(strings.Join(days, ", "), "daily"), r.From, r.To, r.Location.orUTC())
}

// A TimeOfDay is minutes since midnight, written 22:30; the day ends at 24:00.
type TimeOfDay int

func (t TimeOfDay) duration() time.Duration { return time.Duration(t) * time.Minute }

func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", int(t)/60, int(t)%60) }

// MarshalText writes 22:30.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads 22:30.
func (t *TimeOfDay) UnmarshalText(b []byte) error {
	at, err := time.Parse("15:04", string(b))
	*t = TimeOfDay(at.Hour()*60 + at.Minute())
	if string(b) == "24:00" {
		*t, err = 24*60, nil
	}
	if err != nil {
		return fmt.Errorf("time of day %q: want 00:00 to 24:00", b)
	}
	return nil
}

// A WeekdayRange is one day or several, written sunday or monday:friday.
type WeekdayRange struct{ First, Last time.Weekday }

func (w WeekdayRange) has(d time.Weekday) bool { return w.First <= d && d <= w.Last }

func (w WeekdayRange) String() string {
	if w.First == w.Last {
		return strings.ToLower(w.First.String())
	}
	return strings.ToLower(w.First.String() + ":" + w.Last.String())
}

// MarshalText writes monday:friday.
func (w WeekdayRange) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads sunday or monday:friday.
func (w *WeekdayRange) UnmarshalText(b []byte) error {
	from, to := ends(string(b))
	var found [2]bool
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(from, d.String()) {
			w.First, found[0] = d, true
		}
		if strings.EqualFold(to, d.String()) {
			w.Last, found[1] = d, true
		}
	}
	if found != [2]bool{true, true} || w.Last < w.First {
		return fmt.Errorf("weekday %q: want sunday to saturday, or a range such as monday:friday", b)
	}
	return nil
}

// A DayRange is days of the month, written 1, 1:7 or, from its end, -1.
type DayRange struct{ First, Last int }

// has says whether a day is in the range, in a month with so many.
func (r DayRange) has(day, month int) bool {
	from, to := r.First, r.Last
	if from < 0 {
		from += month + 1
	}
	if to < 0 {
		to += month + 1
	}
	return from <= day && day <= to
}

func (r DayRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return fmt.Sprintf("%d:%d", r.First, r.Last)
}

// MarshalText writes 1:7.
func (r DayRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads 1, 1:7 or -1.
func (r *DayRange) UnmarshalText(b []byte) error {
	from, to := ends(string(b))
	var errs [2]error
	r.First, errs[0] = strconv.Atoi(from)
	r.Last, errs[1] = strconv.Atoi(to)
	for _, d := range []int{r.First, r.Last} {
		if d == 0 || d < -31 || d > 31 || errs != [2]error{} {
			return fmt.Errorf("day of the month %q: want 1 to 31, -1 for the last, or a range such as 1:7", b)
		}
	}
	if r.First > 0 == (r.Last > 0) && r.Last < r.First {
		return fmt.Errorf("days of the month %q: the range is empty", b)
	}
	return nil
}

// ends are both ends of a range, which may be one value.
func ends(s string) (from, to string) {
	from, to, ok := strings.Cut(s, ":")
	if !ok {
		to = from
	}
	return from, to
}

// A Location is a time zone by its name, such as Europe/Berlin. The zero
// Location is UTC.
type Location struct{ loc *time.Location }

func (l Location) orUTC() *time.Location { return cmp.Or(l.loc, time.UTC) }

// In returns a time in the zone.
func (l Location) In(t time.Time) time.Time { return t.In(l.orUTC()) }

// MarshalText writes the zone's name.
func (l Location) MarshalText() ([]byte, error) { return []byte(l.orUTC().String()), nil }

// UnmarshalText reads the zone's name.
func (l *Location) UnmarshalText(b []byte) (err error) {
	if l.loc, err = time.LoadLocation(string(b)); err != nil {
		return fmt.Errorf("time zone %q: want a name such as Europe/Berlin: %w", b, err)
	}
	return nil
}
