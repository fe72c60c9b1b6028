package alerts

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Views returns all states: hard problems first, then soft ones, then what is
// well; the graver first, then by rule and labels. A rule that has matched
// nothing yet is there too, so that a rule with a mistake is seen.
func (e *Engine) Views() []View {
	now := time.Now()
	e.mu.RLock()
	out := make([]View, 0, e.states)
	for _, r := range e.rules {
		if len(r.records) == 0 && !r.Passive {
			out = append(out, e.emptyView(r))
		}
		for _, rec := range r.records {
			out = append(out, e.view(r, rec, now))
		}
	}
	e.mu.RUnlock()
	slices.SortFunc(out, func(a, b View) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Status, a.Status),
			strings.Compare(a.Rule, b.Rule), strings.Compare(a.Labels.String(), b.Labels.String()),
		)
	})
	return out
}

func rank(v View) int {
	switch {
	case v.Status == OK:
		return 2
	case v.Hard:
		return 0
	}
	return 1
}

// baseView is what a view shows of the rule. The caller holds e.mu.
func (e *Engine) baseView(r *runner) View {
	v := View{
		Rule: r.Rule.ID(), Severity: r.Policy.Severity(), Max: r.Policy.attempts(), Expr: r.Expr, Query: r.Query, Filter: r.Filter,
		LastCheck: r.lastCheck, Took: r.took, CheckErr: r.checkErr, Hard: true, Common: r.Labels, Notes: r.Annotations,
	}
	v.Times = r.Policy.times(v.Severity, State{})
	if t := r.Policy.threshold(v.Severity); t != nil {
		v.Raise, v.Clear = t.Raise, t.Clear
	}
	return v
}

func (e *Engine) emptyView(r *runner) View {
	v := e.baseView(r)
	v.Missing, v.Text = true, "matches nothing"
	v.Launch, v.Terminate = Unsure, Unsure
	if v.LastCheck.IsZero() {
		v.Text = "not checked yet"
	}
	return v
}

func (e *Engine) view(r *runner, rec record, now time.Time) View {
	v := e.baseView(r)
	v.Labels, v.Status, v.Hard, v.Settled = slices.Clone(rec.labels), rec.state.Status, !rec.state.Soft(), rec.state.Hard
	v.Attempts, v.Since, v.Ack = rec.state.Attempts, rec.state.Since, rec.ack.inForce(now)
	v.Value, v.Missing, v.Text = rec.reading.Value, rec.reading.Missing, rec.reading.Text
	v.Mute = e.muted(r, rec, now)
	v.Flapping, v.Change = rec.state.Flapping.Active, rec.state.Flapping.Percent()
	v.Launch, v.Terminate = r.Policy.Answer(Launch, rec.state), r.Policy.Answer(Terminate, rec.state)
	v.Annotations = annotations(r.Annotations, rec.reading.Annotations)
	if rec.reading.Annotations == nil && rec.last != nil && rec.last.Annotations != nil {
		v.Annotations = rec.last.Annotations
	}
	if rec.reading.At.IsZero() && rec.last != nil {
		v.Value, v.Text = rec.last.Value, rec.last.Text // loaded, not checked yet
	}
	return v
}

// Transitions returns the hard changes at or after since, newest first.
func (e *Engine) Transitions(since time.Time) []Transition {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var out []Transition
	for i := len(e.recent) - 1; i >= 0; i-- {
		if t := e.recent[i]; !t.At.Before(since) {
			out = append(out, t)
		}
	}
	return out
}

// Supervised returns a rule as it is supervised now, to explain its states by.
func (e *Engine) Supervised(rule string) (Supervised, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	r := e.rules[rule]
	if r == nil {
		return Supervised{}, false
	}
	return r.Supervised, true
}

// A QueueView is how far the telling of one target is behind.
type QueueView struct {
	Target string
	Queued int       // transitions that are not told yet
	Oldest time.Time // of these
}

// Queues returns the present targets' parts of the outbox, by name.
func (e *Engine) Queues() []QueueView {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var out []QueueView
	for _, q := range e.queues {
		if q.action == nil {
			continue
		}
		v := QueueView{Target: q.name, Queued: len(q.items)}
		if v.Queued > 0 {
			v.Oldest = q.items[0].t.At
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b QueueView) int { return strings.Compare(a.Target, b.Target) })
	return out
}
