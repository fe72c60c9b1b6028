package promrule

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"rondo/alerts"
)

// retention is how long a resolved alert is remembered, as in Prometheus.
const retention = 15 * time.Minute

// Policy is how an alerting rule's readings become states: by being there.
func (r *Rule) Policy() alerts.Policy {
	return alerts.Policy{
		Rule: r.ID, Direct: true, For: time.Duration(r.For), ClearFor: time.Duration(r.KeepFiringFor),
		Missing: alerts.MissingOK,
	}
}

// Supervised are the group's rules for an alerts.Engine: one for each alerting
// rule, and one that tells how the recording rules fare, if there are any.
func (g *Group) Supervised() []alerts.Supervised {
	s := &schedule{group: g, turn: make(chan struct{}, 1)}
	base := alerts.Supervised{Interval: g.Interval, Timeout: min(max(g.Interval, 10*time.Second), 2*time.Minute)}
	var out []alerts.Supervised
	var recording []int
	for i, r := range g.Rules {
		if r.Record != "" {
			recording = append(recording, i)
			continue
		}
		one := base
		one.Rule, one.Expr, one.Query, one.Policy = alerting{s, i}, r.Expr, r.Expr, r.Policy()
		one.Policy.For, one.Policy.ClearFor = g.whole(one.Policy.For), g.whole(one.Policy.ClearFor)
		one.Policy.MissingFor = 2 * g.Interval // one evaluation that fails is nobody's concern
		one.Forget = one.Policy.ClearFor + retention
		out = append(out, one)
	}
	if len(recording) > 0 {
		one := base
		one.Rule, one.Expr = recorder{s, recording}, fmt.Sprintf("%d recording rules of %s", len(recording), g.where())
		one.Policy = alerts.Policy{Direct: true, MissingFor: 2 * g.Interval}
		out = append(out, one)
	}
	return out
}

// whole rounds up to whole intervals. Prometheus looks at durations when it
// evaluates, so that is what they come to; the engine looks whenever a clock
// runs out, and between two evaluations there is nothing new to be seen.
func (g *Group) whole(d time.Duration) time.Duration {
	return (d + g.Interval - 1) / g.Interval * g.Interval
}

// A schedule lets the rules of a group, which an engine checks one by one,
// share evaluations: the first to be checked in an interval evaluates the
// group for all.
type schedule struct {
	group *Group
	turn  chan struct{} // held by who looks at what is below

	start    time.Time // of the first interval
	interval int64     // number of the one that was evaluated
	outcomes []Outcome // nil before the first
}

// at returns the outcomes of the interval that now is in.
func (s *schedule) at(ctx context.Context, now time.Time) ([]Outcome, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.outcomes == nil {
		s.start = now
	}
	// A timer may be a little early.
	early := min(s.group.Interval/10, time.Second)
	n := int64(math.Floor(float64(now.Sub(s.start)+early) / float64(s.group.Interval)))
	if s.outcomes != nil && n == s.interval {
		return s.outcomes, nil
	}
	outcomes := s.group.Eval(ctx, now)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("evaluating %s: %w", s.group.where(), err)
	}
	s.interval, s.outcomes = n, outcomes
	s.group.newest.Store(&Evaluation{now, outcomes})
	return outcomes, nil
}

// alerting is an alerting rule of a group.
type alerting struct {
	*schedule
	rule int
}

// ID implements alerts.Rule.
func (a alerting) ID() string { return a.group.Rules[a.rule].ID }

// Check implements alerts.Rule.
func (a alerting) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	outcomes, err := a.at(ctx, now)
	if err != nil {
		return nil, err
	}
	return outcomes[a.rule].Readings, outcomes[a.rule].Err
}

// recorder is all recording rules of a group.
type recorder struct {
	*schedule
	rules []int
}

// ID implements alerts.Rule.
func (r recorder) ID() string { return r.group.Rules[r.rules[0]].ID }

// Check implements alerts.Rule. Rules that fail are unknown, since those that
// read what they record see nothing.
func (r recorder) Check(ctx context.Context, now time.Time) ([]alerts.Reading, error) {
	outcomes, err := r.at(ctx, now)
	if err != nil {
		return nil, err
	}
	var errs []error
	samples, left := 0, 0
	for _, i := range r.rules {
		o := outcomes[i]
		samples, left = samples+len(o.Samples), left+o.Left
		if o.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.Rule.Record, o.Err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%d recording rules recorded %d series", len(r.rules), samples)
	if left > 0 {
		text += fmt.Sprintf(", %d values are no numbers and stay unknown", left)
	}
	return []alerts.Reading{{Value: float64(samples), At: now, Text: text}}, nil
}
