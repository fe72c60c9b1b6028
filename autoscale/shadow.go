package autoscale

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Shadow is a policy that is asked beside the live one in each tick, and
// launches nothing: it has instances that exist in name alone, which boot in the
// group's boot time and share the load that the real ones have. What they would
// have cost is counted.
type Shadow struct {
	Out      OutPolicy    `yaml:"out"`
	In       InPolicy     `yaml:"in"`
	Track    *TrackPolicy `yaml:"track"`
	Policies []Policy     `yaml:"policies"`
}

// shadowed is the group as if its shadow were the live policy; false without
// one.
func (g Group) shadowed() (Group, bool) {
	s := g.Shadow
	if s == nil {
		return g, false
	}
	g.Shadow, g.Mode, g.Budget, g.MaxLaunches = nil, Act, nil, 0
	g.Out, g.In, g.Track, g.Policies = s.Out, s.In, s.Track, s.Policies
	return g.WithDefaults(), true
}

// validateShadow checks the shadow as a policy of its own.
func (g Group) validateShadow(check func(bool, string, ...any)) {
	if s, ok := g.shadowed(); ok {
		in := func(ok bool, format string, args ...any) { check(ok, "shadow: "+format, args...) }
		s.validatePolicies(in)
		for _, p := range s.All() {
			in(!p.byHost(), "policy %q looks at hosts, and a shadow has none", p.Name)
		}
	}
}

// A ShadowView is what the shadow of a group has come to.
type ShadowView struct {
	Capacity  int       `json:"capacity"`
	InService int       `json:"in_service"`
	Since     time.Time `json:"since"`
	Hours     float64   `json:"instance_hours"`      // that it would have taken since then
	Live      float64   `json:"live_instance_hours"` // that the live policy took
	Changes   int       `json:"changes"`             // of its capacity
	Decision  Decision  `json:"decision"`            // its newest; of a run of the same, how many and since when
}

// More is how many instance-hours it would have taken more than the live one.
func (s ShadowView) More() float64 { return s.Hours - s.Live }

// shadowEvery is how often what a shadow has come to is journalled, beside the
// changes of its capacity.
const shadowEvery = time.Hour

// A shadow is a Shadow under simulation.
type shadow struct {
	conf      Group
	digest    string
	sources   []Source // its metrics, the group's first
	points    map[string][]Point
	instances []Instance
	last      Change
	looked    time.Time
	noted     time.Time
	view      ShadowView
}

// A shade is what the journal keeps of a shadow.
type shade struct {
	Digest string `json:"digest"` // of the shadow's configuration: another one begins anew
	ShadowView
}

// newShadow is nil where the group has none. before is what the journal knows.
func newShadow(g Group, before *shade) *shadow {
	conf, ok := g.shadowed()
	if !ok {
		return nil
	}
	s := &shadow{conf: conf, digest: conf.Digest(), sources: conf.Sources(), points: map[string][]Point{}}
	if before != nil && before.Digest == s.digest {
		s.view = before.ShadowView
		s.launch(before.Capacity, time.Time{})
	}
	return s
}

// feedsOf adds what a shadow looks at and the group does not.
func (s *shadow) feedsOf(g Group, fs []*feed) []*feed {
	if s == nil {
		return fs
	}
	for _, src := range s.sources {
		if !slices.ContainsFunc(fs, func(f *feed) bool { return f.Expr == src.Expr }) {
			src.Key = "shadow " + src.Key
			fs = append(fs, &feed{Source: src, reach: max(g.reach(), s.conf.reach()), value: math.NaN()})
		}
	}
	return fs
}

func (s *shadow) launch(n int, at time.Time) {
	for range n {
		s.instances = append(s.instances, Instance{ID: fmt.Sprintf("shadow-%d", len(s.instances)), Phase: Booting, Launched: at})
	}
}

// shade asks the shadow, and keeps its books. live is what the group was asked.
// Callers hold g.mu.
func (g *group) shade(ctx context.Context, live Input) {
	s := g.shadow
	if s == nil {
		return
	}
	capacity := g.count(live).capacity
	changed := s.look(live, capacity, g.feeds)
	if changed || live.Now.Sub(s.noted) >= shadowEvery {
		s.noted = live.Now
		g.note(ctx, Entry{Kind: KindShadow, At: live.Now, Shade: &shade{s.digest, s.view}})
	}
}

// look is one tick of a shadow; it says whether the capacity changed.
func (s *shadow) look(live Input, capacity int, feeds []*feed) (changed bool) {
	now := live.Now
	if s.view.Since.IsZero() {
		s.view.Since = now
		s.launch(capacity, now.Add(-s.conf.Boot-s.conf.Warm)) // it begins with what there is
		changed = true
	}
	if passed := now.Sub(s.looked); !s.looked.IsZero() && passed > 0 && passed < s.conf.Stale { // else nobody knows what happened meanwhile
		s.view.Hours += float64(len(s.instances)) * passed.Hours()
		s.view.Live += float64(capacity) * passed.Hours()
	}
	s.looked = now
	s.boot(now)
	s.see(now, feeds)
	d := Want(s.conf, s.input(live))
	if d.Acts() {
		changed = true
		s.change(d, now)
	}
	s.record(d)
	return changed
}

// boot puts those into service that are through with it.
func (s *shadow) boot(now time.Time) {
	for i := range s.instances {
		if ready := s.instances[i].Launched.Add(s.conf.Boot); s.instances[i].Phase == Booting && !ready.After(now) {
			s.instances[i].Phase, s.instances[i].FirstSeen = InService, ready
		}
	}
}

// see takes the newest points over, as they would be if the shadow's instances
// shared the work.
func (s *shadow) see(now time.Time, feeds []*feed) {
	serving := max(s.conf.count(Input{Now: now, Instances: s.instances}).serving(), 1)
	since := now.Add(-s.conf.reach())
	for _, src := range s.sources {
		i := slices.IndexFunc(feeds, func(f *feed) bool { return f.Expr == src.Expr })
		if i < 0 || len(feeds[i].points) == 0 {
			continue
		}
		p := feeds[i].points[len(feeds[i].points)-1]
		p.Value, p.Serving = p.Value*float64(max(p.Serving, 1))/float64(serving), serving
		points := append(s.points[src.Key], p)
		old := slices.IndexFunc(points, func(p Point) bool { return !p.Time.Before(since) })
		s.points[src.Key] = points[max(old, 0):]
	}
}

// input is what the shadow is asked with.
func (s *shadow) input(live Input) Input {
	in := Input{
		Now: live.Now, Points: s.points[""], Trouble: live.Trouble, Instances: s.instances, Last: s.last,
		Started: live.Started, BootsKnown: live.BootsKnown, Signals: map[string]Signal{},
	}
	for _, src := range s.sources {
		if src.Key != "" {
			in.Signals[src.Key] = Signal{Points: s.points[src.Key]}
		}
	}
	return in
}

// change launches or retires in name; the newest go first.
func (s *shadow) change(d Decision, now time.Time) {
	if d.Direction == Out {
		s.launch(d.To-d.From, now)
	} else {
		s.instances = s.instances[:max(0, min(d.To, len(s.instances)))]
	}
	s.last = Change{d.Direction, now}
	s.view.Changes++
}

// record keeps the newest decision. Runs of the same are one.
func (s *shadow) record(d Decision) {
	d.Count, d.First = 1, d.At
	if run := s.view.Decision; !d.Acts() && run.Count > 0 && sameRun(run, d) {
		d.Count, d.First = run.Count+1, run.First
	}
	s.view.Decision = d
	s.view.Capacity, s.view.InService = len(s.instances), s.conf.count(Input{Now: d.At, Instances: s.instances}).inService
}
