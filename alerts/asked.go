package alerts

import (
	"slices"
	"time"

	"rondo/rrd"
)

// MuteOf says what keeps the problem of a rule and label set from being told
// at this moment, an acknowledgement among it. Who tells, repeats or escalates
// later than the change itself asks this first.
func (e *Engine) MuteOf(rule string, ls rrd.Labels) Mute {
	e.mu.RLock()
	defer e.mu.RUnlock()
	r := e.rules[rule]
	if r == nil {
		return Mute{}
	}
	rec, ok := r.records[ls.String()]
	if !ok {
		return Mute{}
	}
	return e.muted(r, rec, time.Now())
}

// Says is the gravest that the states of a rule answer to a class, firing before
// unsure before quiet, and the state that does. Of labels that a state has too
// (group="web"), it must have the same values. A rule that there is not, or that
// matches nothing, is unsure.
func (e *Engine) Says(rule string, c Class, ls rrd.Labels) (answer Answer, text string) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	r := e.rules[rule]
	if r == nil {
		return Unsure, "there is no rule " + rule
	}
	if len(r.records) == 0 {
		return Unsure, "rule " + rule + " matches nothing"
	}
	text = "rule " + rule + " is quiet"
	for _, rec := range r.records {
		a := r.Policy.Answer(c, rec.state)
		if alike(rec.labels, ls) && (a == Firing && answer != Firing || a == Unsure && answer == Quiet) {
			answer, text = a, "rule "+rule+" is "+a.String()+" for "+rec.labels.String()
		}
	}
	return answer, text
}

// Firing lists what is in a hard state that is not OK, of all rules and label
// sets that concern somebody, each as rule{labels}, sorted. What goes back to a
// parent, or may, is left out: the parent stands for it.
func (e *Engine) Firing(concerns func(rrd.Labels) bool) (out []string) {
	now := time.Now()
	e.mu.RLock()
	defer e.mu.RUnlock()
	for name, r := range e.rules {
		for _, rec := range r.records {
			if r.Policy.Answer(Page, rec.state) == Firing && concerns(rec.labels) && !e.byParent(r, rec, now).Muted() {
				out = append(out, name+rec.labels.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

// alike says whether labels that both have are the same.
func alike(a, b rrd.Labels) bool {
	for _, l := range b {
		if v := a.Get(l.Name); v != "" && v != l.Value {
			return false
		}
	}
	return true
}
