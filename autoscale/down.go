package autoscale

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A group is shut down in the slots of its down: no instance is wanted, whatever
// the load, and the policies are not asked. Those that there are drain as always;
// none that is protected goes. It is started again so early that instances serve
// when the slot ends.
//
//	Fri 20:00                                     Mon 06:56    Mon 07:00
//	   |  drain, terminate                            |  launch min  |
//	   +--------- down: nothing is missing -----------+---- boot ----+
//
// What has no instance has no metric: meanwhile no alert is raised about what
// belongs to the group alone (see [Controller.Down]), nor is one about hosts, for
// they are withdrawn.

// An Order is what somebody said by hand, against what the slots say.
type Order struct {
	Down  bool      `json:"down"` // else up
	Until time.Time `json:"until"`
	By    string    `json:"by"`
}

// longestOrder is for how long an order by hand can hold.
const longestOrder = 31 * 24 * time.Hour

// codeDown is the code of a group that is shut down.
const codeDown = "down"

// maxTurns bounds how many slots, one after the other, are followed to their end.
const maxTurns = 100

// ends is when the slot is over that is on at t.
func (s Slot) ends(t time.Time) (end time.Time, on bool) {
	local := s.Timezone.In(t)
	at := wall(local)
	began := s.Cron.times.Next(at.Add(-s.For))
	if began.IsZero() || began.After(at) {
		return end, false
	}
	w := began.Add(s.For)
	end = time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), local.Location())
	if !end.After(t) { // clocks change: what the wall shows comes once more
		end = t.Add(time.Hour)
	}
	return end, true
}

// dark says whether the group is to be down at t, until when that holds at least,
// and who says so.
func (g Group) dark(t time.Time, o Order) (until time.Time, by string, down bool) {
	if o.Until.After(t) {
		return o.Until, "order of " + o.By, o.Down
	}
	for _, s := range g.Down {
		if end, on := s.ends(t); on && end.After(until) {
			until, by, down = end, fmt.Sprintf("schedule (%s)", s), true
		}
	}
	return until, by, down
}

// downUntil is when the group is to be up again; false where it is to be up now.
func (g Group) downUntil(now time.Time, o Order) (until time.Time, by string, down bool) {
	until = now
	for range maxTurns {
		end, who, dark := g.dark(until, o)
		if !dark {
			break
		}
		until, down = end, true
		if by == "" {
			by = who
		}
	}
	return until, by, down
}

// lead is how early instances are launched that are to serve at some time.
func (g Group) lead() time.Duration { return g.Boot + g.Warm }

// shutDown is the decision of a group that is down, and not about to start.
func (g Group) shutDown(d Decision, in Input, c counts) (Decision, bool) {
	until, by, down := g.downUntil(in.Now, in.Order)
	if !down || !until.After(in.Now.Add(g.lead())) {
		return d, false
	}
	stay := 0
	for _, i := range in.Instances {
		if i.Phase.capable() && i.Protected() {
			stay++
		}
	}
	d.Code, d.To, d.Direction = codeDown, min(max(stay, g.least), c.capacity), In
	d.Reason = fmt.Sprintf("down until %s by %s; starts at %s", clockTime(in.Now, until), by, clockTime(in.Now, until.Add(-g.lead())))
	if stay > 0 {
		d.Reason += fmt.Sprintf("; %d stay, they are protected", stay)
	}
	if g.least > stay {
		d.Reason += fmt.Sprintf("; %d stay, for that is the cloud's own min", g.least)
	}
	if len(g.leavers(in.Instances, 1, nil, in.Now)) == 0 {
		d.Direction, d.DryRun, d.To = Stay, false, d.From
		return d, true
	}
	hold(&d, g.holdBoth(in, c)[:1]) // the stop switch: that many are silent does not matter any more
	return d, true
}

// capable says whether an instance in the phase is capacity.
func (p Phase) capable() bool { return p == Pending || p == Booting || p == InService }

// leavers are those that go when the group is shut down, whatever zone they are
// in, and whether they are heard or not: the newest first, and none whose end the
// cloud would refuse.
func (g Group) leavers(instances []Instance, n int, _ map[string]float64, _ time.Time) (out []victim) {
	alive := 0
	for _, i := range instances {
		if i.Phase.capable() || i.Phase == Silent {
			alive++
		}
	}
	n = min(n, alive-g.least)
	for _, i := range slices.Backward(instances) {
		if (i.Phase.capable() || i.Phase == Silent) && !i.Protected() && len(out) < n {
			out = append(out, victim{i.ID, i.ID + " goes, for the group is shut down"})
		}
	}
	return out
}

// clockTime writes a time for reasons: with the day, where that is not today.
func clockTime(now, t time.Time) string {
	now = now.In(t.Location())
	switch days := wall(t).Truncate(24*time.Hour).Sub(wall(now).Truncate(24*time.Hour)) / (24 * time.Hour); {
	case days == 0:
		return t.Format("15:04 MST")
	case days < 7:
		return t.Format("Mon 15:04 MST")
	}
	return t.Format("2006-01-02 15:04 MST")
}

// validateDown checks the slots.
func (g Group) validateDown(check func(bool, string, ...any)) {
	check(len(g.Down) <= maxSlots, "down: %d slots, want %d at most", len(g.Down), maxSlots)
	for _, s := range g.Down {
		check(s.Cron.times != nil, "down.cron: when it begins is wanted, such as 0 20 * * mon-fri")
		check(s.For > 0 && s.For <= longestSlot, "down.for %v: want more than 0, at most 366 days", s.For)
		check(s.Min == 0 && s.Max == 0, "down: min and max have no meaning there, take them away: nothing is wanted in a slot")
	}
}

// noteDown remembers whether the group is down, or has been and does not serve
// yet. One that would be down if it were not for a dry run or the stop switch
// serves on, and is not. Callers hold g.mu.
func (g *group) noteDown(now time.Time, in Input) {
	until, by, down := g.downUntil(now, g.memory.Order)
	leaves := g.Mode == Act && in.Stopped == ""
	switch serves := g.count(in).inService > 0; {
	case down && (leaves || !serves):
		g.down.Store(true)
	case serves:
		g.down.Store(false)
	}
	g.downText = ""
	o := g.memory.Order
	switch {
	case down:
		g.downText = fmt.Sprintf("down until %s by %s", clockTime(now, until), by)
	case o.Until.After(now):
		g.downText = fmt.Sprintf("up until %s at least, by order of %s", clockTime(now, o.Until), o.By)
	}
}

// isDown says whether a decision is that of a group that is shut down.
func (d Decision) isDown() bool { return strings.HasPrefix(d.Code, codeDown) }

// Down says whether a group is shut down, or was and does not serve yet: what is
// missing of it then is no trouble.
func (c *Controller) Down(name string) bool {
	g, err := c.group(name)
	return err == nil && g.down.Load()
}

// Order has a group shut down, or kept up, for a while, whatever its slots say.
// A later order takes its place.
func (c *Controller) Order(ctx context.Context, name string, down bool, last time.Duration, by string) error {
	if last < time.Second || last > longestOrder {
		return fmt.Errorf("autoscale: %w: for %v: want 1s to %d days", ErrBadOrder, last, longestOrder/(24*time.Hour))
	}
	return c.change(name, func(g *group) error {
		now := g.clock.time()
		o := Order{Down: down, Until: now.Add(last).UTC().Round(0), By: clean(by, "someone")}
		if err := g.write(ctx, Entry{Kind: KindOrder, At: now, Order: &o, Text: o.By}); err != nil {
			return err
		}
		c.log.Info("order", "group", name, "down", o.Down, "until", o.Until, "by", o.By)
		return nil
	})
}
