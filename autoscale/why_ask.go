package autoscale

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// input is what a decision was made on, as far as the journal has it: of the
// points the newest, of the instances how many were where.
func (d Decision) input() Input {
	in := Input{
		Now: d.At, Points: d.Points, Unsettled: d.Saw.Coming, Last: d.Saw.Last, Started: d.Saw.Watched, Stopped: d.Saw.Stopped,
		Launched: d.Saw.Launched, Spent: d.Saw.Spent, BootsKnown: d.Saw.Boots,
	}
	for _, w := range d.Policies {
		if len(w.Points) > 0 {
			if in.Signals == nil {
				in.Signals = map[string]Signal{}
			}
			in.Signals[w.Name] = Signal{Points: w.Points}
		}
	}
	add := func(n int, i Instance) {
		for range n {
			in.Instances = append(in.Instances, i)
		}
	}
	add(d.Saw.InService, Instance{Phase: InService})
	add(d.Saw.Draining, Instance{Phase: Draining})
	if d.Saw.Forgiven > 0 {
		in.Released = d.At
		add(d.Saw.Forgiven, Instance{Phase: Silent, Launched: d.At.Add(-time.Hour)})
	}
	add(d.Saw.Overdue, Instance{Phase: Silent, Launched: in.Released})
	add(d.Saw.Silent-d.Saw.Overdue-d.Saw.Forgiven, Instance{Phase: Silent, LastSeen: d.At.Add(-time.Hour)})
	return in
}

// Why answers why a group has the capacity that it has, and why not more or
// less: now, or where at is not zero, at a time in the past.
func (c *Controller) Why(name string, at time.Time) (Why, error) {
	g, err := c.group(name)
	if err != nil {
		return Why{}, err
	}
	if at.IsZero() {
		return c.whyNow(g)
	}
	r, err := c.At(name, at)
	if err != nil {
		return Why{}, err
	}
	if r.Saw.Watched.IsZero() {
		text := "the journal of that time does not have what was counted"
		return Why{Decision: r, More: Against{Text: text}, Less: Against{Text: text}}, nil
	}
	conf := g.Group
	if then, err := c.Setup(name, r.Policy); err == nil {
		conf = then.Group
	}
	conf.Boot = seconds(r.Saw.Boot)
	more, less := why(conf, r.input(), r.Decision, true, nil)
	return Why{Decision: r, More: more, Less: less}, nil
}

func (c *Controller) whyNow(g *group) (Why, error) {
	r, err := c.Record(g.Name, refNow)
	if err != nil {
		return Why{}, err
	}
	q, err := g.lastAsked()
	if err != nil {
		return Why{}, err
	}
	calls := maps.Clone(q.calls)
	if g.count(q.in).inService > 0 && len(q.by.victims(q.in.Instances, 1, q.sessions, q.in.Now)) == 0 {
		calls[In] = append(slices.Clip(calls[In]), blocked("protected", "no instance in service may be retired: see their tags "+TagProtect))
	}
	more, less := why(q.by, q.in, Want(q.by, q.in), false, calls)
	return Why{Decision: r, More: more, Less: less}, nil
}

// Ask says what another configuration of a group would decide now, on what the
// present one sees. Of a metric that only the other one has there are no points.
func (c *Controller) Ask(name string, conf Group) (Decision, error) {
	g, err := c.group(name)
	if err != nil {
		return Decision{}, err
	}
	if err := conf.WithDefaults().Validate(); err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrBadConfig, err)
	}
	q, err := g.lastAsked()
	if err != nil {
		return Decision{}, err
	}
	conf = conf.WithDefaults()
	if q.in.BootsKnown > 0 {
		conf.Boot = q.by.Boot
	}
	return Want(conf, q.in), nil
}

// lastAsked is a copy of what Want was asked last, which no tick changes.
func (g *group) lastAsked() (asked, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.asked
	if q.in.Now.IsZero() {
		return q, fmt.Errorf("autoscale: %s: %w yet: it was not looked at since the start", g.Name, ErrNoDecision)
	}
	q.in.Instances, q.in.Heirs = slices.Clone(q.in.Instances), maps.Clone(q.in.Heirs)
	return q, nil
}
