package dispatch

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// A Route is a node of the tree of routes.
type Route struct {
	Key      string // as Alertmanager writes it: {}/{team="ops"}
	ID       string // Key, with a number where an earlier route has the same
	Receiver string
	By       []string // labels that alerts are grouped by
	ByAll    bool     // by all labels
	Wait     time.Duration
	Interval time.Duration
	Repeat   time.Duration
	Matchers []alerts.Matcher
	Continue bool
	Owner    string
	Ladder   []Rung // ascending by After
	Routes   []*Route

	mute   []intervals
	active []intervals
}

// A Rung is a step of an escalation ladder.
type Rung struct {
	After time.Duration
	To    string
}

// Match returns the routes that a label set takes: the first that matches at
// each level, and the next ones as long as continue says so. The root takes
// what no other does.
func (r *Route) Match(ls rrd.Labels) (all []*Route) {
	if !matches(r.Matchers, ls) {
		return nil
	}
	for _, child := range r.Routes {
		found := child.Match(ls)
		all = append(all, found...)
		if len(found) > 0 && !child.Continue {
			break
		}
	}
	if len(all) == 0 {
		all = []*Route{r}
	}
	return all
}

func matches(ms []alerts.Matcher, ls rrd.Labels) bool {
	rule := ls.Get(alerts.RuleLabel)
	return !slices.ContainsFunc(ms, func(m alerts.Matcher) bool { return !m.Matches(rule, ls) })
}

// Group returns the labels by which the route groups an alert: those it has.
func (r *Route) Group(ls rrd.Labels) rrd.Labels {
	out := make(rrd.Labels, 0, len(r.By))
	for _, l := range ls {
		if r.ByAll || slices.Contains(r.By, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// Muted says whether the route tells nothing at a time, and why.
func (r *Route) Muted(now time.Time) (why string, muted bool) {
	for _, in := range r.mute {
		if in.contain(now) {
			return "mute_time_intervals: " + in.name, true
		}
	}
	if len(r.active) == 0 {
		return "", false
	}
	for _, in := range r.active {
		if in.contain(now) {
			return "", false
		}
	}
	return "outside active_time_intervals", true
}

// MutedBy names the time intervals that the route looks at.
func (r *Route) MutedBy() (words []string) {
	for _, in := range r.mute {
		words = append(words, "muted: "+in.name)
	}
	for _, in := range r.active {
		words = append(words, "active: "+in.name)
	}
	return words
}

// rung is the step of the ladder to a receiver; false if there is none.
func (r *Route) rung(receiver string) (Rung, bool) {
	i := slices.IndexFunc(r.Ladder, func(s Rung) bool { return s.To == receiver })
	if i < 0 {
		return Rung{}, false
	}
	return r.Ladder[i], true
}

// String is the route's own matchers, as they stand in Key.
func (r *Route) String() string { return matcherText(r.Matchers) }

func matcherText(ms []alerts.Matcher) string {
	parts := make([]string, len(ms))
	for i, m := range ms {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func compareMatchers(a, b alerts.Matcher) int {
	return cmp.Or(strings.Compare(a.Label, b.Label), strings.Compare(a.Value, b.Value), cmp.Compare(a.Op, b.Op))
}

// A builder makes the tree of routes.
type builder struct {
	receivers []string
	intervals map[string]intervals
	seen      map[string]int // keys, and how often
	routes    int
}

// The defaults of a route, which are Alertmanager's.
const (
	defaultWait     = 30 * time.Second
	defaultInterval = 5 * time.Minute
	defaultRepeat   = 4 * time.Hour
)

func (b *builder) root(c RouteConfig) (*Route, error) {
	var errs []error
	if len(c.Match)+len(c.MatchRE)+len(c.Matchers) > 0 {
		errs = append(errs, errors.New("matchers: the root route takes everything, and has none"))
	}
	if len(c.MuteTimeIntervals)+len(c.ActiveTimeIntervals) > 0 {
		errs = append(errs, errors.New("mute_time_intervals: the root route takes everything at any time"))
	}
	if c.Continue {
		errs = append(errs, errors.New("continue: the root route has no siblings"))
	}
	if c.Receiver == "" {
		errs = append(errs, errors.New("receiver: the root route needs one"))
	}
	above := &Route{Wait: defaultWait, Interval: defaultInterval, Repeat: defaultRepeat}
	r, err := b.build(c, above, 0)
	return r, errors.Join(append(errs, err)...)
}

// build makes a route and all below it.
func (b *builder) build(c RouteConfig, above *Route, depth int) (*Route, error) {
	if b.routes++; b.routes > maxRoutes || depth > maxDepth {
		return nil, fmt.Errorf("routes: more than %d, or deeper than %d", maxRoutes, maxDepth)
	}
	r := &Route{
		Receiver: cmp.Or(c.Receiver, above.Receiver), By: above.By, ByAll: above.ByAll,
		Wait: above.Wait, Interval: above.Interval, Repeat: above.Repeat,
		Continue: c.Continue, Owner: cmp.Or(c.Owner, above.Owner), Ladder: above.Ladder,
	}
	ms, err := c.matchers()
	errs := []error{err, b.receiver("receiver", c.Receiver), r.setGroup(c.GroupBy), r.setTimes(c), b.setLadder(r, c.Escalation)}
	r.Matchers = ms
	if r.Key = matcherText(ms); depth > 0 {
		r.Key = above.Key + "/" + r.Key
	}
	r.ID = r.Key
	if b.seen[r.Key]++; b.seen[r.Key] > 1 {
		r.ID = fmt.Sprintf("%s#%d", r.Key, b.seen[r.Key])
	}
	r.mute, err = b.find("mute_time_intervals", c.MuteTimeIntervals)
	errs = append(errs, err)
	r.active, err = b.find("active_time_intervals", c.ActiveTimeIntervals)
	errs = append(errs, err)
	for i, child := range c.Routes {
		next, err := b.build(child, r, depth+1)
		r.Routes = append(r.Routes, next)
		errs = append(errs, prefixed(fmt.Sprintf("routes: %d", i+1), err))
	}
	return r, errors.Join(errs...)
}

func (b *builder) receiver(key, name string) error {
	if name == "" || slices.Contains(b.receivers, name) {
		return nil
	}
	return fmt.Errorf("%s: %w", key, &UnknownError{"receiver", name, b.receivers})
}

func (b *builder) find(key string, names []string) (found []intervals, err error) {
	var errs []error
	for _, name := range names {
		in, ok := b.intervals[name]
		if !ok {
			var known []string
			for k := range b.intervals {
				known = append(known, k)
			}
			slices.Sort(known)
			errs = append(errs, fmt.Errorf("%s: %w", key, &UnknownError{"time interval", name, known}))
		}
		found = append(found, in)
	}
	return found, errors.Join(errs...)
}

// setGroup takes group_by. An empty list says nothing, as in Alertmanager.
func (r *Route) setGroup(by []string) error {
	if len(by) == 0 {
		return nil
	}
	r.By, r.ByAll = by, slices.Contains(by, "...")
	if r.ByAll && len(by) > 1 {
		return errors.New("group_by: ... stands for all labels, and must stand alone")
	}
	for i, name := range by {
		if name == "" || slices.Contains(by[:i], name) {
			return fmt.Errorf("group_by: %q is empty, or there twice", name)
		}
	}
	return nil
}

func (r *Route) setTimes(c RouteConfig) error {
	var errs []error
	set := func(key string, into *time.Duration, d *time.Duration, least time.Duration) {
		if d == nil {
			return
		}
		if *into = *d; *d < least {
			errs = append(errs, fmt.Errorf("%s: %v: want at least %v", key, *d, least))
		}
	}
	set("group_wait", &r.Wait, c.GroupWait, 0)
	set("group_interval", &r.Interval, c.GroupInterval, minInterval)
	set("repeat_interval", &r.Repeat, c.RepeatInterval, minInterval)
	return errors.Join(errs...)
}

// minInterval keeps a group from being looked at all the time.
const minInterval = 100 * time.Millisecond

func (b *builder) setLadder(r *Route, rungs []RungConfig) error {
	var errs []error
	if rungs != nil {
		r.Ladder = nil
	}
	for i, c := range rungs {
		key := fmt.Sprintf("escalation: %d", i+1)
		errs = append(errs, prefixed(key, b.receiver("to", c.To)))
		if c.After <= 0 {
			errs = append(errs, fmt.Errorf("%s: after: %v: want more than 0", key, c.After))
		}
		if _, twice := r.rung(c.To); twice || c.To == "" {
			errs = append(errs, fmt.Errorf("%s: to: %q: want a receiver that is not on the ladder yet", key, c.To))
		}
		r.Ladder = append(r.Ladder, Rung{c.After, c.To})
	}
	// Who is told at the bottom is not told again further up.
	r.Ladder = slices.DeleteFunc(slices.Clone(r.Ladder), func(s Rung) bool { return s.To == r.Receiver })
	slices.SortStableFunc(r.Ladder, func(a, b Rung) int { return cmp.Compare(a.After, b.After) })
	return errors.Join(errs...)
}
