package autoscale

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Why says why a group has the capacity that it has, and what stands against
// more and against less. All of it is found by asking [Want] what it would say
// if something were different: there is no second opinion on the rules.
type Why struct {
	Decision Record  `json:"decision"` // in force at that time
	More     Against `json:"more"`
	Less     Against `json:"less"`
}

// Against is what stands against a change in one direction.
type Against struct {
	Wanted bool      `json:"wanted"`           // the policy asks for it, as things are
	Needs  []Need    `json:"needs,omitempty"`  // what would make it ask: of several policies one for more, all for less
	Limits []string  `json:"limits,omitempty"` // what forbids it whatever the metric, such as max
	Guards []Until   `json:"guards,omitempty"` // guard rails that hold it, or would
	When   time.Time `json:"when,omitzero"`    // it comes then, if the metric stays as it is
	Text   string    `json:"text"`             // all of this in words
}

// A Need is where a metric would have to be, and for how long.
type Need struct {
	Policy string   `json:"policy"`
	Title  string   `json:"title"`
	Now    *float64 `json:"now"`    // null while it is missing
	Beyond float64  `json:"beyond"` // above it for more, below it for less
	For    float64  `json:"for_seconds"`
}

// An Until is a guard rail and when it would let go.
type Until struct {
	Guard
	Until time.Time `json:"until,omitzero"` // zero: not by time alone
}

// why explains a decision on an input. calls are what the calls themselves
// forbid in a direction; of a past decision only what follows from it is told.
func why(g Group, in Input, d Decision, past bool, calls map[Direction][]Guard) (more, less Against) {
	if d.isDown() {
		return Against{Text: d.Reason + "; no policy is asked"}, Against{Text: d.Reason}
	}
	g = g.unscheduled(in.Now)
	against := func(dir Direction) Against {
		q := question{Group: g, in: in, base: d, dir: dir, past: past}
		return q.against(calls[dir])
	}
	return against(Out), against(In)
}

// A question asks Want about one direction.
type question struct {
	Group
	in   Input
	base Decision // what was decided on in
	dir  Direction
	past bool
}

// How far questions look.
const (
	doublings = 60               // of a metric, in search of a level
	halvings  = 50               // of what lies between two levels
	horizon   = 2 * time.Hour    // of when
	clearly   = 0.1              // beyond a level, where its noise does not matter
	steps     = 10 * time.Second // between points that are made up, at most
)

func (q question) against(calls []Guard) Against {
	a := Against{Wanted: q.base.Direction == q.dir}
	asked, guards := q.asked, q.base.Guards
	if !q.past && !blocking(calls) {
		a.When = q.when(func(t time.Duration) bool {
			d := q.asked(t)
			return d.Direction == q.dir && d.Held == ""
		})
	}
	if !a.Wanted {
		guards = nil
		for _, p := range q.All() {
			need, hypothesis := q.of(p).need(&a)
			if need == nil {
				q.of(p).keeps(&a, p)
				continue
			}
			if a.Needs = append(a.Needs, *need); len(guards) == 0 {
				asked, guards = hypothesis, hypothesis(0).Guards
			}
		}
	}
	for _, guard := range guards {
		if guard.Blocks {
			a.Guards = append(a.Guards, Until{guard, q.until(guard.Name, asked)})
		}
	}
	for _, guard := range calls {
		if guard.Blocks && !slices.ContainsFunc(a.Guards, func(u Until) bool { return u.Name == guard.Name }) {
			a.Guards = append(a.Guards, Until{Guard: guard})
		}
	}
	a.Text = q.words(a)
	return a
}

// of is the question as if one policy were the only one.
func (q question) of(p Policy) question {
	q.in = q.in.of(q.Group, p)
	q.Group = q.Group.of(p)
	return q
}

// need finds what one policy would have to see, notes the limits that it meets,
// and returns what would be decided if it were seen. It is nil where nothing
// makes it ask.
func (q question) need(a *Against) (*Need, func(time.Duration) Decision) {
	level, found := q.level()
	if n := q.base.Saw.Coming; !found && n > 0 {
		q.in = arrived(q.in)
		if level, found = q.level(); found {
			a.limit("%d are on their way already", n)
		}
	}
	q.limits(a, level, found)
	if !found {
		return nil, nil
	}
	beyond := q.beyond(level)
	asked := func(t time.Duration) Decision { return Want(q.lifted(""), q.steady(beyond, t)) }
	return &Need{Policy: q.policy(), Title: q.Title, Now: q.value(), Beyond: level, For: q.lasting(beyond).Seconds()}, asked
}

// keeps notes a policy that keeps a group of several from shrinking whatever its
// metric, such as a schedule.
func (q question) keeps(a *Against, p Policy) {
	if own := Want(q.Group, q.in); q.dir == In && len(a.Limits) == 0 && own.Direction != In {
		a.limit("%s: %s", p.Name, own.Reason)
	}
}

// policy is the name of the policy that is asked alone.
func (q question) policy() string { return q.All()[0].Name }

// value is the metric's newest value, or nil while it is missing.
func (q question) value() *float64 {
	r := read(q.Group, q.in)
	if r.missing != "" {
		return nil
	}
	return &r.value
}

// asked is the decision after t, if all metrics stay as they are.
func (q question) asked(t time.Duration) Decision {
	if t == 0 {
		return q.base
	}
	in := q.after(t)
	in.Points = q.held(q.in.Points, t)
	in.Signals = make(map[string]Signal, len(q.in.Signals))
	for name, s := range q.in.Signals {
		in.Signals[name] = Signal{Points: q.held(s.Points, t), Trouble: s.Trouble, Hosts: s.Hosts}
	}
	return Want(q.Group, in)
}

// held goes on with the newest of points for t.
func (q question) held(points []Point, t time.Duration) []Point {
	points = upTo(points, q.in.Now)
	if len(points) == 0 {
		return nil
	}
	return q.extended(points, points[len(points)-1].Value, t)
}

// extended goes on with points at v for t.
func (q question) extended(points []Point, v float64, t time.Duration) []Point {
	points = slices.Clip(points)
	end := q.in.Now.Add(t)
	for at := q.in.Now; at.Before(end); at = at.Add(q.step()) {
		points = append(points, Point{Time: at, Value: v})
	}
	return append(points, Point{Time: end, Value: v})
}

// lifted is the group without the bounds that could forbid the direction, but
// for one that stays.
func (q question) lifted(but string) Group {
	g := q.Group
	if but != "min" {
		g.Min = 0
	}
	if but != "max" {
		g.Max = 1 << 20
	}
	return g
}

// wants says whether the policy asks for the direction if the metric had been
// at v all along.
func (q question) wants(g Group, v float64) bool { return Want(g, q.steady(v, 0)).Direction == q.dir }

// level is where the policy begins to ask for the direction, whatever the
// group's bounds; false where no value makes it.
func (q question) level() (float64, bool) {
	g := q.lifted("")
	low, high := 0.0, 1e-6
	atZero := q.wants(g, low)
	if atZero != (q.dir == In) {
		return 0, atZero // all values do, or none below
	}
	for range doublings {
		if q.wants(g, high) != atZero {
			break
		}
		low, high = high, 2*high
	}
	if q.wants(g, high) == atZero {
		return 0, false
	}
	for range halvings {
		if mid := (low + high) / 2; q.wants(g, mid) == atZero {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2, true
}

// beyond is a value that is clearly past a level.
func (q question) beyond(level float64) float64 {
	if q.dir == In {
		return level * (1 - clearly)
	}
	return level * (1 + clearly)
}

// limits notes the bounds that forbid the direction even where the metric asks
// for it.
func (q question) limits(a *Against, level float64, found bool) {
	for _, l := range []struct {
		name string
		at   int
	}{{"min", q.Min}, {"max", q.Max}} {
		if found && !q.wants(q.lifted(l.name), q.beyond(level)) {
			a.limit("%s %d is reached", l.name, l.at)
		}
	}
	if !found && q.dir == In && q.base.From <= q.Min {
		a.limit("min %d is reached", q.Min)
	}
}

// limit notes a limit once.
func (a *Against) limit(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.Limits, text) {
		a.Limits = append(a.Limits, text)
	}
}

// arrived is the input when all that is on its way serves.
func arrived(in Input) Input {
	in.Instances = slices.Clone(in.Instances)
	for i := range in.Instances {
		switch in.Instances[i].Phase {
		case Pending, Booting, InService:
			in.Instances[i].Phase, in.Instances[i].FirstSeen = InService, time.Time{}
		default:
		}
	}
	for range in.Unsettled {
		in.Instances = append(in.Instances, Instance{Phase: InService})
	}
	in.Unsettled = 0
	return in
}

// lasting is for how long from now on the metric would have to be at v.
func (q question) lasting(v float64) time.Duration {
	g := q.lifted("")
	at := q.when(func(t time.Duration) bool { return Want(g, q.later(v, t)).Direction == q.dir })
	if at.IsZero() {
		return 0
	}
	return at.Sub(q.in.Now)
}

// until is when a guard rail lets go of what is asked.
func (q question) until(name string, asked func(time.Duration) Decision) time.Time {
	return q.when(func(t time.Duration) bool {
		return !slices.ContainsFunc(asked(t).Guards, func(g Guard) bool { return g.Blocks && g.Name == name })
	})
}

// when is the first time at which is holds, within the horizon; zero if it
// does not. What holds once is taken to hold from then on.
func (q question) when(is func(time.Duration) bool) time.Time {
	var before time.Duration
	for t := time.Duration(0); t <= horizon; t = max(time.Second, 2*t) {
		if !is(t) {
			before = t
			continue
		}
		for t-before > time.Second {
			if mid := before + (t-before)/2; is(mid) {
				t = mid
			} else {
				before = mid
			}
		}
		return q.in.Now.Add(t.Round(time.Second))
	}
	return time.Time{}
}

// later is the input after t, with the metric at v from now on.
func (q question) later(v float64, t time.Duration) Input {
	in := q.after(t)
	in.Points = q.extended(upTo(q.in.Points, q.in.Now), v, t)
	return in
}

// steady is the input after t, with the metric at v for as long as anybody
// looks back.
func (q question) steady(v float64, t time.Duration) Input {
	in := q.after(t)
	in.Points = nil
	for at := in.Now.Add(-q.reach()); at.Before(in.Now); at = at.Add(q.step()) {
		in.Points = append(in.Points, Point{Time: at, Value: v})
	}
	in.Points = append(in.Points, Point{Time: in.Now, Value: v})
	return in
}

// step is how far made-up points lie apart.
func (q question) step() time.Duration { return max(time.Second/10, min(steps, q.Stale/2)) }

// after is the input after t, but for the metric. Instances on their way are
// then in service.
func (q question) after(t time.Duration) Input {
	in := q.in
	in.Now, in.Trouble = q.in.Now.Add(t), ""
	if t == 0 {
		return in
	}
	in.Instances = slices.Clone(q.in.Instances)
	for k, i := range in.Instances {
		if ready := i.Launched.Add(q.Boot); (i.Phase == Pending || i.Phase == Booting) && !i.Launched.IsZero() && ready.Before(in.Now) {
			in.Instances[k].Phase, in.Instances[k].FirstSeen = InService, ready
		}
	}
	return in
}

// words is the answer for people.
func (q question) words(a Against) string {
	parts := []string{q.reasonWords(a)}
	for i, u := range a.Guards {
		text := u.Text
		if !u.Until.IsZero() {
			text += ", until " + u.Until.UTC().Format(time.TimeOnly)
		}
		switch {
		case i > 0:
		case a.Wanted:
			text = "held back: " + text
		default:
			text = "it would be held back: " + text
		}
		parts = append(parts, text)
	}
	if !a.When.IsZero() && a.When.After(q.in.Now) {
		parts = append(parts, fmt.Sprintf("as things are it comes at %s", a.When.UTC().Format(time.TimeOnly)))
	}
	return strings.Join(parts, "; ")
}

// reasonWords is what the policies and the bounds say.
func (q question) reasonWords(a Against) string {
	switch {
	case a.Wanted && len(a.Guards) == 0:
		return fmt.Sprintf("it is being done: %d -> %d", q.base.From, q.base.To)
	case a.Wanted:
		return fmt.Sprintf("wanted: %d -> %d", q.base.From, q.base.To)
	case len(a.Needs) == 0 && len(a.Limits) == 0:
		return q.unasked()
	}
	needs := make([]string, len(a.Needs))
	for i, n := range a.Needs {
		needs[i] = n.words(q.dir)
	}
	text := strings.Join(needs, map[Direction]string{Out: ", or ", In: ", and "}[q.dir])
	if limits := strings.Join(a.Limits, " and "); limits != "" {
		text = strings.TrimSuffix(limits+": "+text, ": ")
	}
	return text
}

// unasked says that nothing would make the policies ask, which for those that
// look at hosts is no more than what they see.
func (q question) unasked() string {
	var seen []string
	for i, p := range q.All() {
		if p.byHost() && i < len(q.base.Policies) {
			seen = append(seen, q.base.Policies[i].Name+": "+q.base.Policies[i].Reason)
		}
	}
	if len(seen) == 0 {
		return fmt.Sprintf("no value of %s asks for it", q.Title)
	}
	return strings.Join(seen, "; ")
}

// words says where the metric would have to be.
func (n Need) words(dir Direction) string {
	side, is := "above", n.Now != nil && *n.Now > n.Beyond
	if dir == In {
		side, is = "below", n.Now != nil && *n.Now < n.Beyond
	}
	level, long := num(n.Beyond), lasting(seconds(n.For))
	switch {
	case is && n.For > 0:
		return fmt.Sprintf("%s has to stay %s %s%s more, it is %s", n.Title, side, level, long, num(*n.Now))
	case is:
		return fmt.Sprintf("%s %s is %s %s", n.Title, num(*n.Now), side, level)
	case n.Now != nil:
		return fmt.Sprintf("%s would have to be %s %s%s, it is %s", n.Title, side, level, long, num(*n.Now))
	}
	return fmt.Sprintf("%s would have to be %s %s%s, it is missing", n.Title, side, level, long)
}
