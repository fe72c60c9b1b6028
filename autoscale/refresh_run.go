package autoscale

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// Alarmer is an [Alerts] that lists what fires (alerts.Engine is one). Without
// it a refresh is backed out by rules that it names alone.
type Alarmer interface {
	// Firing lists the rules and label sets in a hard state that is not OK whose
	// labels concern somebody, each as rule{labels}.
	Firing(concerns func(rrd.Labels) bool) []string
}

// tendRefresh begins, turns and ends a refresh, each by an entry of the journal,
// and returns the group with what it launches and the input with where the
// refresh is. Callers hold g.mu.
func (g *group) tendRefresh(ctx context.Context, conf Group, in Input, blind error) (Group, Input) {
	if blind == nil && g.Mode == Act && !g.refused() {
		if note, ok := g.turnRefresh(conf, in); ok {
			g.note(ctx, Entry{Kind: KindRefresh, At: in.Now, Text: note.words(), Refresh: &note})
			g.log.Info("refresh", "state", note.State, "why", note.words())
			in.Refresh = g.memory.Refresh
		}
	}
	conf.Launch = g.template()
	return conf, in
}

// turnRefresh says what is to be noted of a refresh; false where it goes on as it
// is. Callers hold g.mu.
func (g *group) turnRefresh(conf Group, in Input) (RefreshNote, bool) {
	present, known := g.configured()
	r := g.memory.Refresh
	switch {
	case !known:
		return RefreshNote{}, false
	case !r.active():
		return g.startByItself(present, in)
	case r.State != BackingOut && present.aim() == r.Old.aim():
		return RefreshNote{State: BackingOut, Reverted: true, Why: "the configuration asks for the old template again"}, true
	case r.State != BackingOut && present.aim() != r.To:
		return RefreshNote{State: r.State, New: &present, Why: "the configuration has changed: " + changesInWords(r.New, present)}, true
	}
	bounded, _ := conf.scheduled(in.Now)
	step := bounded.nextRefresh(in, bounded.count(in))
	switch {
	case step.do == refreshBackOut:
		return RefreshNote{State: BackingOut, Why: step.why}, true
	case step.do == refreshPause:
		return RefreshNote{State: RefreshPaused, Why: step.why}, true
	case step.do == refreshEnds && r.Reverted:
		return RefreshNote{State: RefreshDone, Why: r.Why}, true
	case step.do == refreshEnds && r.State == BackingOut:
		return RefreshNote{State: BackedOut, Why: r.Why}, true
	case step.do == refreshEnds:
		return RefreshNote{State: RefreshDone, Why: step.why}, true
	}
	return RefreshNote{}, false
}

// startByItself begins a refresh where the group does so when what it launches
// changes: not again to what was backed out or aborted, until somebody asks.
func (g *group) startByItself(present Template, in Input) (RefreshNote, bool) {
	r := g.memory.Refresh
	given := r != nil && r.To == present.aim() && r.State != RefreshDone
	if g.refreshPolicy().When != WhenChange || given || g.inTheWay() != "" || in.Unsettled > 0 {
		return RefreshNote{}, false
	}
	if !slices.ContainsFunc(in.Instances, func(i Instance) bool { return i.Outdated && i.Phase == InService && !i.Protected() }) {
		return RefreshNote{}, false
	}
	return g.startNote(present, in.Now, ""), true
}

// startNote is how a refresh begins. Callers hold g.mu.
func (g *group) startNote(present Template, now time.Time, by string) RefreshNote {
	old := g.memory.before(present, g.instances)
	n := RefreshNote{
		State: Refreshing, ID: g.attempt(now), New: &present, Base: g.capable(now),
		Alarms: g.firing(), By: by, Why: changesInWords(old, present),
	}
	if !old.isZero() {
		n.Old = &old
	}
	return n
}

// changesInWords says what differs between two templates.
func changesInWords(old, present Template) string {
	if old.isZero() {
		return "what the outdated were launched as is not known"
	}
	var words []string
	for _, d := range old.Changes(present) {
		words = append(words, d.String())
	}
	return strings.Join(words, ", ")
}

// alarm is what fires and did not when the refresh began. Callers hold g.mu.
func (g *group) alarm() string {
	r := g.memory.Refresh
	for _, a := range g.firing() {
		if !slices.Contains(r.Alarms, a) {
			return "alarm: " + a
		}
	}
	return ""
}

// firing lists what fires of the rules that back a refresh out. Callers hold
// g.mu.
func (g *group) firing() (out []string) {
	rules := g.refreshPolicy().BackOut
	switch {
	case g.alerts == nil || rules[0] == NoRule:
		return nil
	case rules[0] == AnyRule:
		if a, ok := g.alerts.(Alarmer); ok {
			out = a.Firing(g.concerns)
		}
		return slices.DeleteFunc(out, func(a string) bool {
			rule, _, _ := strings.Cut(a, "{")
			return slices.Contains(g.deaf, rule)
		})
	}
	for _, rule := range rules {
		if answer, text := g.alerts.Says(rule, alerts.Page, rrd.Labels{{Name: "group", Value: g.Name}}); answer == alerts.Firing {
			out = append(out, text)
		}
	}
	return out
}

// concerns says whether labels are about the group, or about one of its hosts.
// Callers hold g.mu.
func (g *group) concerns(ls rrd.Labels) bool {
	if name := ls.Get("group"); name != "" {
		return name == g.Name
	}
	host := g.hostOf(ls)
	return host != "" && slices.ContainsFunc(g.instances, func(i Instance) bool { return i.Host == host })
}

// unheard is why nobody is believed to be silent. Callers hold g.mu.
func (g *group) unheard() string {
	if g.alerts == nil {
		return ""
	}
	for _, rule := range g.deaf {
		if answer, text := g.alerts.Says(rule, alerts.Page, nil); answer == alerts.Firing {
			return text
		}
	}
	return ""
}

// retireStale chooses the outdated that go, or takes those that the decision
// names, and lets them drain. Callers hold g.mu.
func (g *group) retireStale(ctx context.Context, now time.Time, d Decision) {
	ids, why := d.Instances, []string{}
	if len(ids) == 0 {
		for _, v := range g.victims(g.others(g.memory.Refresh.judge()), d.From-d.To, g.sessions, now) {
			ids, why = append(ids, v.id), append(why, v.why)
		}
	}
	if len(ids) == 0 {
		hold(&d, []Guard{blocked("protected", "no outdated instance may go: each is protected, or the last of its zone")})
		g.record(ctx, d)
		return
	}
	if g.holdVet(ctx, now, d, ids) {
		return
	}
	if len(why) > 0 {
		d.To = d.From - len(ids)
		d.Reason += "; " + strings.Join(why, ", ")
	}
	d.ID, d.Instances, d.Outcome = g.attempt(now), ids, "draining"
	if !g.begin(ctx, d, Entry{Kind: KindDrain, Instances: ids}) {
		return
	}
	for i := range g.instances {
		if slices.Contains(ids, g.instances[i].ID) {
			g.instances[i].Phase = Draining
		}
	}
}

// others is the list of instances, with those locked that are not to go.
func (g *group) others(stale func(Instance) bool) []Instance {
	out := slices.Clone(g.instances)
	for i := range out {
		if !stale(out[i]) {
			out[i].Locked = cmp.Or(out[i].Locked, "it is not outdated")
		}
	}
	return out
}

// A chooser chooses who is retired.
type chooser func(instances []Instance, n int, sessions map[string]float64, now time.Time) []victim

// staleFirst has the outdated go before all others, while a refresh is under way.
func (g *group) staleFirst(choose chooser) chooser {
	r := g.memory.Refresh
	if !r.active() {
		return choose
	}
	return func(instances []Instance, n int, sessions map[string]float64, now time.Time) []victim {
		first := choose(g.others(r.judge()), n, sessions, now)
		gone := func(i Instance) bool { return slices.ContainsFunc(first, func(v victim) bool { return v.id == i.ID }) }
		rest := slices.DeleteFunc(slices.Clone(instances), gone)
		return append(first, choose(rest, n-len(first), sessions, now)...)
	}
}

// sayRefresh keeps for the page what the refresh does next, or waits for. Callers
// hold g.mu.
func (g *group) sayRefresh(conf Group, in Input, d Decision) {
	g.refreshes = ""
	switch {
	case !in.Refresh.active():
	case d.Refresh != "" && d.Held != "":
		g.refreshes = d.Reason + "; held: " + d.Held
	case d.Refresh != "":
		g.refreshes = d.Reason
	case d.Direction != Stay:
		g.refreshes = "the load goes first: " + d.Reason
	case strings.HasPrefix(d.Code, codeMissing) && in.Refresh.State != BackingOut:
		g.refreshes = d.Reason
	default:
		bounded, _ := conf.scheduled(in.Now)
		g.refreshes = bounded.nextRefresh(in, bounded.count(in)).why
	}
}

// capable is the group's capacity, for commands too: they must not read the
// metric's points, which the group's goroutine writes. Callers hold g.mu.
func (g *group) capable(now time.Time) int {
	return g.count(Input{Now: now, Instances: g.instances}).capacity
}
