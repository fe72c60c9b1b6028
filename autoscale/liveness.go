package autoscale

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Patience is a duration that may be for ever.
type Patience time.Duration

// Never is the end of no patience.
const Never Patience = -1

// UnmarshalText reads a duration, or never (which 0 is, too).
func (p *Patience) UnmarshalText(b []byte) error {
	if s := string(b); s == "never" || s == "0" {
		*p = Never
		return nil
	}
	d, err := time.ParseDuration(string(b))
	if err != nil || d < 0 {
		return fmt.Errorf("%q: want a duration such as 10m, or never", b)
	}
	if *p = Patience(d); d == 0 {
		*p = Never
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Patience) MarshalText() ([]byte, error) {
	if p == Never {
		return []byte("never"), nil
	}
	return []byte(time.Duration(p).String()), nil
}

// defaultReplace is how long a group waits for an instance to be heard again:
// longer than a reboot takes.
const defaultReplace = 10 * time.Minute

// A StatusChecker is a [Cloud] that looks after its instances itself (EC2's
// status checks). Without it heartbeats alone say that an instance is dead.
type StatusChecker interface {
	// Impaired returns which of a group's instances fail the cloud's own checks,
	// and since when.
	Impaired(ctx context.Context, group string, ids []string) (map[string]time.Time, error)
}

// A loss is an instance that is good for nothing any more.
type loss struct {
	Instance
	at      time.Time // it was good until then
	capable bool      // it still counts as capacity: it is heard, but fails its checks
	why     string
}

// losses lists the instances that were lost longer ago than the group has
// patience for, the first first. Time in which nobody listened does not count.
func (g Group) losses(in Input) (out []loss) {
	for _, i := range in.Instances {
		l, ok := g.lost(i, in.Now)
		since := l.at
		if i.Impaired.IsZero() && i.LastSeen.IsZero() {
			since = since.Add(g.Boot)
		}
		if since.Before(in.Started) {
			since = in.Started
		}
		if ok && in.Now.Sub(since) >= time.Duration(g.Replace) {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b loss) int { return a.at.Compare(b.at) })
	return out
}

// lost says whether an instance is, and since when.
func (g Group) lost(i Instance, now time.Time) (loss, bool) {
	ago := func(t time.Time) string { return span(now.Sub(t)) }
	switch {
	case (i.Phase == InService || i.Phase == Booting || i.Phase == Silent) && !i.Impaired.IsZero():
		return loss{i, i.Impaired, i.Phase != Silent, fmt.Sprintf("%s fails %s for %s", i.ID, cmp.Or(i.Ailment, "its status check"), ago(i.Impaired))}, true
	case i.Phase == Silent && i.LastSeen.IsZero():
		return loss{i, i.Launched, false, fmt.Sprintf("%s was never heard of in the %s since its launch", i.ID, ago(i.Launched))}, true
	case i.Phase == Silent:
		return loss{i, i.LastSeen, false, fmt.Sprintf("%s was last heard of %s ago", i.ID, ago(i.LastSeen))}, true
	}
	return loss{}, false
}

// heir is the instance that stands in for a lost one: the first that was
// launched after the loss, whatever for, and stands in for no other.
func heir(l loss, lost []loss, in Input) (Instance, bool) {
	for _, i := range in.Instances {
		_, taken := in.Heirs[i.ID]
		same := func(l loss) bool { return l.ID == i.ID }
		capable := i.Phase == Pending || i.Phase == Booting || i.Phase == InService
		if capable && !taken && i.Launched.After(l.at) && !slices.ContainsFunc(lost, same) {
			return i, true
		}
	}
	return Instance{}, false
}

// The codes of a replacement.
const (
	codeReplace  = "replace"  // launch the one that stands in
	codeReplaced = "replaced" // terminate the lost one
)

// replace turns the decision to change nothing into one that replaces a lost
// instance: launch first, and when that serves, terminate the lost one. One
// after the other; none that is protected; none while the metric is missing or
// nearly all are silent, for then it is us who do not hear.
//
//	silent ──patience──> lost ──launch──> heir boots ──first heartbeat──> lost one is terminated
//	                      ╰── at max, or at the budget's wall: terminated ─────────╯
//	                          first, if most others are heard
//
// An heir that serves is also the proof that we hear.
func (g Group) replace(d Decision, in Input) Decision {
	if g.Replace <= 0 {
		return d
	}
	lost, c := g.losses(in), g.count(in)
	if gone, ok := g.endSilent(d, in, c, lost); ok {
		return gone
	}
	if d.Direction == Out || strings.HasPrefix(d.Code, codeBudget) {
		return d // what goes for want of money waits for nobody
	}
	if len(lost) > 0 && strings.HasPrefix(d.Code, codeMissing) {
		d.Reason += fmt.Sprintf("; %s, and is replaced when the metric is back", lost[0].why)
		return d
	}
	at := slices.IndexFunc(lost, func(l loss) bool { return !l.Protected() })
	if at < 0 {
		if len(lost) > 0 {
			d.Reason += fmt.Sprintf("; %s, and is protected", lost[0].why)
		}
		return d
	}
	l := lost[at]
	by, ok := heir(l, lost, in)
	switch {
	case ok && by.Phase == InService:
		return g.retireLost(d, in, c, l, by.ID, fmt.Sprintf("%s: %s, launched after it, serves in its place", l.why, by.ID))
	case d.Direction == In: // the load asks for less: it goes first
	case ok:
		d.Reason += fmt.Sprintf("; %s, %s is on its way in its place", l.why, by.ID)
	case in.Unsettled > 0:
		d.Reason += fmt.Sprintf("; %s, and a launch is under way", l.why)
	case c.draining > 0:
		d.Reason += fmt.Sprintf("; %s, and is replaced when no other drains", l.why)
	case g.Single:
		return g.replaceSingle(d, in, c, l)
	case c.capacity+c.silent < g.Max+g.spare():
		return g.launchHeir(d, in, c, l)
	case l.mayGoFirst(c):
		return g.retireLost(d, in, c, l, "", fmt.Sprintf("%s, and the group is at max %d: it is terminated, so that another can be launched", l.why, g.Max))
	default:
		d.Reason += fmt.Sprintf("; %s, and max %d has no room for another beside it", l.why, g.Max)
	}
	return d
}

// mayGoFirst says whether a lost instance may be terminated before another is
// there: it serves nobody, and most others are heard.
func (l loss) mayGoFirst(c counts) bool { return !l.capable && 2*c.silent < c.capacity }

// launchHeir decides to launch one in the place of a lost one. Where the budget
// has no room for both, the lost one goes first.
func (g Group) launchHeir(d Decision, in Input, c counts, l loss) Decision {
	out := g.anew(d, Out, d.From+1, codeReplace, l, fmt.Sprintf("%s, replace is %s: another is launched, then it is terminated", l.why, span(time.Duration(g.Replace))))
	g.decideOut(&out, in, c, plan{})
	poor := slices.ContainsFunc(out.Guards, func(m Guard) bool { return m.Blocks && strings.HasPrefix(m.Name, "budget-") })
	if poor && l.mayGoFirst(c) {
		return g.retireLost(d, in, c, l, "", l.why+", and the budget has no room for another beside it: it is terminated, so that another can be launched")
	}
	return out
}

// anew is a decision in place of d, about the same moment and the same points.
func (g Group) anew(d Decision, dir Direction, to int, code string, l loss, reason string) Decision {
	return Decision{
		Group: d.Group, At: d.At, Direction: dir, From: d.From, To: to, Code: code, Reason: reason,
		Points: d.Points, Saw: d.Saw, DryRun: g.Mode != Act, Replaces: l.ID,
	}
}

// retireLost decides to terminate a lost instance.
func (g Group) retireLost(d Decision, in Input, c counts, l loss, by, reason string) Decision {
	to := c.capacity
	if l.capable {
		to--
	}
	d = g.anew(d, In, to, codeReplaced, l, reason)
	d.Heir = by
	met := g.holdBoth(in, c)
	if c.overdue >= maxOverdue {
		met = append(met, blocked("overdue", "%d instances were launched and never heard of: see their user data", c.overdue))
	}
	if l.capable && to < g.Min && !g.Single { // one that is not heard is no capacity: its end leaves no fewer
		met = append(met, blocked("below-min", "%d would be left, min is %d", to, g.Min))
	}
	hold(&d, met)
	return d
}

// retire terminates a lost instance by way of a drain, which is short for one
// that is not heard. Callers hold g.mu.
func (g *group) retire(ctx context.Context, now time.Time, d Decision) {
	d.ID, d.Instances, d.Outcome = g.attempt(now), []string{d.Replaces}, "to be terminated"
	if !g.begin(ctx, d, Entry{Kind: KindReplace, Instances: d.Instances}) {
		return
	}
	for i := range g.instances {
		if g.instances[i].ID == d.Replaces {
			g.instances[i].Phase = Replaced
		}
	}
}

// replaced takes note of an entry of KindReplace.
func (m *memory) replaced(e Entry) {
	m.remember(e)
	for _, id := range e.Instances {
		m.Leaving[id] = leave{Since: e.At, Decision: e.Decision.ID, Replaced: true, ByHand: e.Decision.Who != ""}
	}
	if e.Decision.Heir != "" {
		m.Heirs[e.Decision.Heir] = e.At
	}
	maps.DeleteFunc(m.Heirs, func(_ string, at time.Time) bool { return e.At.Sub(at) > heirsKept })
}

// heirsKept is how long it is remembered that an instance stands in for
// another: longer than any loss waits.
const heirsKept = 24 * time.Hour

// How often a cloud is asked for its status checks, and for how long at most.
const (
	healthEvery   = time.Minute
	healthTimeout = 30 * time.Second
)

// health is what the cloud's own checks said last.
type health struct {
	impaired map[string]time.Time // by ID, since when
	at       time.Time            // when they were asked for
	err      error
}

// checkHealth asks the cloud which instances are impaired, beside the ticks.
// Where it does not say, none is. Callers hold g.mu.
func (g *group) checkHealth(ctx context.Context, now time.Time) {
	checker, ok := g.cloud.(StatusChecker)
	if !ok || g.Replace <= 0 || now.Sub(g.health.at) < healthEvery {
		return
	}
	var ids []string
	for _, i := range g.instances {
		if i.Phase == Booting || i.Phase == InService || i.Phase == Silent {
			ids = append(ids, i.ID)
		}
	}
	g.health.at = now
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		impaired, err := checker.Impaired(ctx, g.Name, ids)
		g.mu.Lock()
		defer g.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			g.counts.add("status_failed_"+string(failureOf(err)), 1)
			if g.health.err == nil {
				g.log.Warn("cannot read status checks", "err", err)
			}
		}
		g.health.impaired, g.health.err = impaired, err
	})
}

// noteHealth puts on the instances what the cloud, and those who follow the
// group, say of each alone. Callers
// hold g.mu.
func (g *group) noteHealth(now time.Time) {
	g.vetted.forget(now)
	ailing := g.house.Ailing(g.Name)
	for n := range g.instances {
		i := &g.instances[n]
		i.Impaired, i.Ailment = g.health.impaired[i.ID], ""
		if a, ok := ailing[i.ID]; ok && (i.Impaired.IsZero() || a.Since.Before(i.Impaired)) {
			i.Impaired, i.Ailment = a.Since, a.Check
		}
		i.Locked = g.vetted.locked[i.ID]
	}
}

// isDead says whether an instance that is to go has no work that could end.
func (g Group) isDead(i Instance, now time.Time) bool {
	return i.Phase == Replaced && now.Sub(cmp.Or(i.LastSeen, i.Launched)) > g.Silent
}
