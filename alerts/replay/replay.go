// Package replay asks what a rule would have told over a time that is past. It
// checks the rule as the engine does, at every step of that time, against
// stored history, and brings states forward by the same [alerts.Step]:
//
//	for at = from; at <= to; at += step:
//	    Rule.Check(at) -> readings -> Step(policy, state, reading, at) -> transitions
//
// Where the rule reads from is the caller's choice; an evaluator that has
// fetched the whole time at once makes a year a matter of a second. What mutes
// (silences, downtimes, parents) is not asked: it is what would have been told
// by a rule that nobody mutes.
package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// Bounds of a replay.
const (
	maxSteps       = 2_000_000
	maxStates      = 20_000
	maxTransitions = 100_000
)

// A Result is what a rule would have told.
type Result struct {
	Rule        string              `json:"rule"`
	From        time.Time           `json:"from"`
	To          time.Time           `json:"to"`
	Step        float64             `json:"step"` // seconds between checks
	Checks      int                 `json:"checks"`
	Failed      int                 `json:"failed"`          // checks that gave an error
	Error       string              `json:"error,omitempty"` // the first of these
	Problems    int                 `json:"problems"`        // hard changes to something worse
	Soft        int                 `json:"soft"`            // problems that went away before they were hard
	Transitions []alerts.Transition `json:"transitions"`
	States      []State             `json:"states"` // by label set, the longest bad first
}

// A State is how long a label set was in which hard status.
type State struct {
	Labels   rrd.Labels `json:"-"`
	Name     string     `json:"labels"`
	Warning  float64    `json:"warning_seconds"`
	Critical float64    `json:"critical_seconds"`
	Unknown  float64    `json:"unknown_seconds"`
	Told     int        `json:"told"` // hard changes
}

func (s State) bad() float64 { return s.Warning + s.Critical + s.Unknown }

// Run checks a rule from a time to another. Step is at least a second; it
// should not be finer than the archive that answers.
func Run(ctx context.Context, s alerts.Supervised, from, to time.Time, step time.Duration) (Result, error) {
	if step < time.Second || to.Before(from) || to.Sub(from)/step > maxSteps {
		return Result{}, fmt.Errorf("replay: %v from %s to %s in steps of %v: want 1 to %d steps of a second or more",
			to.Sub(from), from.Format(time.RFC3339), to.Format(time.RFC3339), step, maxSteps)
	}
	p := &player{rule: s, step: step, sets: make(map[string]*set)}
	p.rule.Policy.Rule = s.Rule.ID()
	p.result = Result{Rule: s.Rule.ID(), From: from, To: to, Step: step.Seconds(), Transitions: []alerts.Transition{}}
	for at := from; !at.After(to); at = at.Add(step) {
		if err := p.check(ctx, at); err != nil {
			return p.result, err
		}
	}
	return p.finish(), nil
}

// A player carries a rule's states through time.
type player struct {
	rule   alerts.Supervised
	step   time.Duration
	sets   map[string]*set
	result Result
}

// A set is one label set.
type set struct {
	state   alerts.State
	summary State
	seen    int // the check that had it last
}

func (p *player) check(ctx context.Context, at time.Time) error {
	readings, err := p.rule.Rule.Check(ctx, at)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.result.Checks++
	policy := p.rule.Policy
	if err != nil {
		if p.result.Failed++; p.result.Error == "" {
			p.result.Error = err.Error()
		}
		// A check that fails says nothing of the value.
		if policy.Missing != alerts.MissingKeep {
			policy.Missing = alerts.MissingUnknown
		}
	}
	for _, r := range readings {
		name := r.Labels.String()
		one := p.sets[name]
		if one == nil {
			if len(p.sets) == maxStates {
				return fmt.Errorf("replay: more than %d label sets", maxStates)
			}
			one = &set{summary: State{Labels: r.Labels, Name: name}}
			p.sets[name] = one
		}
		one.seen = p.result.Checks
		if err := p.bring(one, policy, r, at); err != nil {
			return err
		}
	}
	for _, one := range p.sets {
		if one.seen == p.result.Checks {
			continue
		}
		missing := alerts.Reading{Labels: one.summary.Labels, Value: math.NaN(), At: at, Missing: true, Text: "no reading"}
		if err := p.bring(one, policy, missing, at); err != nil {
			return err
		}
	}
	return nil
}

// bring brings one label set forward.
func (p *player) bring(one *set, policy alerts.Policy, r alerts.Reading, at time.Time) error {
	wasSoft := one.state.Soft() && one.state.Hard == alerts.OK
	var t *alerts.Transition
	one.state, t = alerts.Step(policy, one.state, r, at)
	if wasSoft && one.state.Status == alerts.OK {
		p.result.Soft++
	}
	one.count(p.step.Seconds())
	if t == nil {
		return nil
	}
	if len(p.result.Transitions) == maxTransitions {
		return errors.New("replay: more than 100,000 hard changes: nobody would read them")
	}
	if t.To > t.From {
		p.result.Problems++
	}
	one.summary.Told++
	p.result.Transitions = append(p.result.Transitions, *t)
	return nil
}

// count adds a step to the present hard status.
func (s *set) count(seconds float64) {
	switch s.state.Hard {
	case alerts.Warning:
		s.summary.Warning += seconds
	case alerts.Critical:
		s.summary.Critical += seconds
	case alerts.Unknown:
		s.summary.Unknown += seconds
	case alerts.OK:
	}
}

func (p *player) finish() Result {
	p.result.States = make([]State, 0, len(p.sets))
	for _, one := range p.sets {
		p.result.States = append(p.result.States, one.summary)
	}
	slices.SortFunc(p.result.States, func(a, b State) int {
		if c := b.bad() - a.bad(); c != 0 {
			return int(math.Copysign(1, c))
		}
		return strings.Compare(a.Name, b.Name)
	})
	slices.SortStableFunc(p.result.Transitions, func(a, b alerts.Transition) int { return a.At.Compare(b.At) })
	return p.result
}
