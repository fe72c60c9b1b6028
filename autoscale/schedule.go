package autoscale

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"rondo/alerts"
)

// A Slot is a time that comes again and again, in which a group is given other
// bounds: a floor for the load that is known to come, a ceiling for the night.
//
// It goes by the clock on the wall of its time zone. Where clocks change, a slot
// is as long as the clock says: one from 8:00 for 10h ends at 18:00 on that day
// too. An hour that comes twice is in it twice; of one that is skipped what is
// left takes place, so that a slot which begins within it begins at its end.
type Slot struct {
	Cron     Cron            `yaml:"cron"`     // when it begins
	Timezone alerts.Location `yaml:"timezone"` // default UTC
	For      time.Duration   `yaml:"for"`      // how long it lasts
	Min      int             `yaml:"min"`      // raises the group's, in time for instances to serve when the slot begins
	Max      int             `yaml:"max"`      // lowers the group's; 0 leaves it
}

// longestSlot is a year: what always holds stands in min and max.
const longestSlot = 366 * 24 * time.Hour

// A Cron is a time in cron's five fields: minute, hour, day of the month, month,
// day of the week.
type Cron struct {
	text  string
	times cron.Schedule
}

// UnmarshalText reads five fields, or one of cron's names such as @daily.
func (c *Cron) UnmarshalText(b []byte) error {
	text := strings.Join(strings.Fields(string(b)), " ")
	times, err := parseCron(text)
	if err != nil {
		return fmt.Errorf("cron %q: %w; want minute, hour, day of the month, month and day of the week, such as 0 8 * * mon-fri", b, err)
	}
	*c = Cron{text, times}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (c Cron) MarshalText() ([]byte, error) { return []byte(c.text), nil }

func parseCron(text string) (cron.Schedule, error) {
	if strings.Contains(text, "=") {
		return nil, errors.New("the time zone stands beside it, as timezone")
	}
	times, err := cron.ParseStandard(text)
	if err != nil {
		return nil, err
	}
	if _, ok := times.(*cron.SpecSchedule); !ok {
		return nil, errors.New("it says how often, not when")
	}
	if times.Next(wall(time.Unix(0, 0))).IsZero() && times.Next(wall(time.Unix(0, 0).AddDate(4, 0, 0))).IsZero() {
		return nil, errors.New("that time never comes")
	}
	return times, nil
}

// wall is what the clock on the wall shows, as if it were in UTC: there it can
// be reckoned with as if clocks never changed.
func wall(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

func (s Slot) validate(g Group, check func(bool, string, ...any)) {
	check(s.Cron.times != nil, "schedule.cron: when it begins is wanted, such as 0 8 * * mon-fri")
	check(s.For > 0 && s.For <= longestSlot, "schedule.for %v: want more than 0, at most 366 days", s.For)
	check(s.Min > 0 || s.Max > 0, "schedule: min or max is wanted")
	check(s.Min >= 0 && s.Min <= g.Max, "schedule.min %d: want 0 to max %d of the group", s.Min, g.Max)
	check(s.Max == 0 || s.Max >= max(s.Min, g.Min), "schedule.max %d: want %d or more (not less than min)", s.Max, max(s.Min, g.Min))
}

// on says whether the clock on the wall is within the slot.
func (s Slot) on(wall time.Time) bool {
	began := s.Cron.times.Next(wall.Add(-s.For))
	return !began.IsZero() && !began.After(wall)
}

// near says whether the slot is on now, or will be within the lead.
func (s Slot) near(now time.Time, lead time.Duration) bool {
	from, to := wall(s.Timezone.In(now)), wall(s.Timezone.In(now.Add(lead)))
	if s.on(from) || s.on(to) {
		return true
	}
	begins := s.Cron.times.Next(from)
	return !begins.IsZero() && !begins.After(to)
}

// String is how reasons call it.
func (s Slot) String() string {
	zone, _ := s.Timezone.MarshalText()
	return fmt.Sprintf("%s %s", s.Cron.text, zone)
}

// Bounds say which schedules have made min and max what they are.
type bounds struct{ floor, ceiling bound }

// A bound is what a schedule makes of min or max.
type bound struct {
	by   string // the policy; "" where the group's own holds
	slot Slot
}

// of says whose bound it is, for a reason.
func (b bound) of() string {
	if b.by == "" {
		return ""
	}
	return fmt.Sprintf(" of %s (%s)", b.by, b.slot)
}

// scheduled returns the group with the bounds that its schedules give it now. A
// floor is raised so early that what is launched for it serves in time; of two
// the higher holds, of two ceilings the lower, but never below the floor.
func (g Group) scheduled(now time.Time) (bounded Group, by bounds) {
	lead, own := g.Boot+g.Warm, g.Min
	for _, p := range g.Policies {
		for _, s := range p.Schedule {
			if s.Min > g.Min && s.near(now, lead) {
				g.Min, by.floor = s.Min, bound{p.Name, s}
			}
			if s.Max > 0 && s.Max < g.Max && s.near(now, 0) {
				g.Max, by.ceiling = s.Max, bound{p.Name, s}
			}
		}
	}
	g.Max = max(g.Max, g.Min)
	g.raised += g.Min - own
	return g, by
}

// ownMin is min without what schedules make of it.
func (g Group) ownMin() int { return g.Min - g.raised }

// unscheduled is the group with the bounds of its schedules as its own, and
// without them where it has other policies.
func (g Group) unscheduled(now time.Time) Group {
	bounded, _ := g.scheduled(now)
	bounded.Policies = slices.DeleteFunc(slices.Clone(g.Policies), func(p Policy) bool { return p.Kind() == BySchedule })
	if len(g.All()) == len(g.Policies) && len(bounded.Policies) == 0 {
		return g
	}
	return bounded
}

// planSchedule wants what the bounds allow at least. It counts where no other
// policy is asked, for the bounds hold for all.
func (p Policy) planSchedule(g Group, c counts, now time.Time) plan {
	out := plan{to: min(c.capacity, g.Min), value: math.NaN()}
	i := slices.IndexFunc(p.Schedule, func(s Slot) bool { return s.near(now, g.Boot+g.Warm) })
	if i < 0 {
		out.code, out.reason = codeIdle, fmt.Sprintf("no slot is on, min is %d", g.Min)
	} else {
		out.code, out.reason = codeScheduled, fmt.Sprintf("%s is on, min is %d", p.Schedule[i], g.Min)
	}
	return out
}
