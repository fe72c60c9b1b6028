package replay

import (
	"errors"
	"fmt"
	"time"

	"rondo/autoscale"
)

// Recommended is the policy that we recommend where load is known as a share
// of servers: follow it, with room for noise.
func Recommended(o Options) autoscale.Group {
	o = o.withDefaults()
	return autoscale.Group{Name: "recommended", Metric: "load", Track: &autoscale.TrackPolicy{Use: min(o.Use, 1)}}
}

// Group is the policy of a group as the controller would carry it out, by
// [autoscale.Want]. Min, max and boot are those of the options; step is how far
// the points of the load lie apart.
func Group(g autoscale.Group, o Options, step time.Duration) Policy {
	o = o.withDefaults()
	g.Min, g.Max, g.Boot, g.Mode = o.Min, o.Max, o.Boot, autoscale.Act
	g.Stale = max(g.Stale, 3*step)
	g = g.WithDefaults()
	l := &live{group: g, window: trackWindow}
	for _, p := range g.All() {
		if p.Track == nil {
			l.window = thresholdWindow
		} else if step > p.Track.Step {
			p.Track.Step = step // of the completed group's own copy
		}
	}
	if g.BySeasons() {
		l.history = new(autoscale.History)
	}
	return l
}

// Replayable says which policies of a group a load cannot stand for: those that
// go by a metric of their own, and those for which it would have to be what is
// asked for rather than what each server does.
func Replayable(g autoscale.Group) error {
	var errs []error
	g = g.WithDefaults()
	for _, s := range g.Sources() {
		if s.Key != "" {
			errs = append(errs, fmt.Errorf("policy %q cannot be replayed: it goes by %s, of which a load says nothing; leave it out", s.Key, s.Expr))
		}
	}
	for _, p := range g.All() {
		if (p.Demand != nil || p.Queue != nil) && p.Metric == g.Metric {
			errs = append(errs, fmt.Errorf("policy %q cannot be replayed: it goes by what is asked for, and a load is what each server does; leave it out", p.Name))
		}
	}
	return errors.Join(errs...)
}

// The newest points that a decision may look at.
const (
	thresholdWindow = 1000
	trackWindow     = 150
)

type live struct {
	group     autoscale.Group
	window    int
	instances []autoscale.Instance
	history   *autoscale.History // of what was seen, where the policy asks for seasons
	noted     int                // points that are in it
}

// Want implements Policy.
func (l *live) Want(s Sight) (int, string) {
	l.instances = l.instances[:0]
	for _, since := range s.Since {
		l.instances = append(l.instances, autoscale.Instance{Phase: autoscale.InService, FirstSeen: since})
	}
	for range s.Coming {
		l.instances = append(l.instances, autoscale.Instance{Phase: autoscale.Booting})
	}
	in := autoscale.Input{
		Now: s.Now, Points: s.Points[max(0, len(s.Points)-l.window):], Instances: l.instances, Last: s.Last,
		Started: s.Now.Add(-24 * time.Hour),
	}
	if l.history != nil {
		for ; l.noted < len(s.Points); l.noted++ {
			l.history.Add(s.Points[l.noted].Time, work(s.Points[l.noted]))
		}
		in.Season = l.history.Season(s.Now, l.group.Boot)
	}
	d := autoscale.Want(l.group, in)
	if !d.Acts() {
		return s.Capacity(), ""
	}
	return d.To, d.Reason
}
