package pages

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"rondo/alerts"
)

const (
	maxStates      = 200
	maxTransitions = 100
)

// A StateRow is one state of a rule for a label set.
type StateRow struct {
	Problem
	Against string // the value beside its threshold
	Tries   string // soft 2/3
	Explore string
	Logs    string // its lines, or those of its host
	URL     string // the state in full
}

// A TransitionRow is one hard change.
type TransitionRow struct {
	alerts.Transition
	From, To Badge
	Name     string
	Host     string
	URL      string // the state in full
}

type alertsView struct {
	Frame
	HasAlerts bool
	States    []StateRow
	Matching  int
	All       int
	Only      string
	Rule      string // only its states
	Counts    []StateCount
	Muting    Muting
	Told      Told
	Changes   []TransitionRow
	MoreOf    int
}

// A StateCount is how many states there are of one kind, with a link to them.
type StateCount struct {
	Badge    Badge
	Count    int
	URL      string
	Selected bool
}

// alerts shows every state, the gravest first, and the hard changes.
func (p *Pages) alerts(w http.ResponseWriter, r *http.Request) {
	f := p.frame(r, "alerts", "Alerts", "state", "rule")
	q := r.URL.Query()
	v := alertsView{Frame: f, HasAlerts: p.deps.Alerts != nil, Only: q.Get("state"), Rule: q.Get("rule")}
	if v.HasAlerts {
		all := p.views()
		if s, ok := one(all, q); ok {
			p.alert(w, r, s, false)
			return
		} else if s, ok := p.past(q); ok {
			p.alert(w, r, s, true)
			return
		}
		v.All = len(all)
		v.Counts = stateCounts(all, v.Only, f.Range)
		for _, s := range all {
			if v.Only != "" && badge(s).Class != v.Only || v.Rule != "" && s.Rule != v.Rule {
				continue
			}
			v.Matching++
			if len(v.States) < maxStates {
				v.States = append(v.States, stateRow(p.judged(s), f.Range))
			}
		}
		p.changes(&v)
		v.Muting, v.Told = p.muting(all, f), p.telling(f)
	}
	p.render(w, http.StatusOK, "alerts", v)
}

// classNames are for classes that hold several statuses.
var classNames = map[string]string{"soft": "soft", "quiet": "silenced", "acked": "acknowledged"}

func stateCounts(all []alerts.View, only string, r Range) []StateCount {
	counts := make(map[string]*StateCount)
	var order []string
	for _, s := range all {
		b := badge(s)
		if counts[b.Class] == nil {
			if text, ok := classNames[b.Class]; ok {
				b.Text = text
			}
			counts[b.Class] = &StateCount{Badge: b, URL: "/alerts?state=" + b.Class + "&" + r.Query(), Selected: only == b.Class}
			if only == b.Class {
				counts[b.Class].URL = "/alerts?" + r.Query()
			}
			order = append(order, b.Class)
		}
		counts[b.Class].Count++
	}
	out := make([]StateCount, len(order))
	for i, c := range order {
		out[i] = *counts[c]
	}
	return out
}

func stateRow(s alerts.View, r Range) StateRow {
	row := StateRow{Problem: problem(s)}
	if s.Status != alerts.OK && !s.Hard && s.Max > 0 {
		row.Tries = strconv.Itoa(s.Attempts) + "/" + strconv.Itoa(s.Max)
	}
	if s.Query != "" {
		row.Explore = "/explore?e=" + url.QueryEscape(s.Query) + "&" + r.Query()
	}
	switch {
	case s.Filter != "":
		row.Logs = "/logs?q=" + url.QueryEscape(s.Filter) + "&" + r.Query()
	case row.Host != "":
		row.Logs = "/logs?q=" + url.QueryEscape("host:"+quoteField(row.Host)) + "&" + r.Query()
	}
	row.URL = alertURL(s.Rule, s.Labels) + "&" + r.Query()
	row.Against = against(s)
	return row
}

// judged puts the threshold of its present status into a state, or none where
// its check brings its own status.
func (p *Pages) judged(s alerts.View) alerts.View {
	sup, ok := p.deps.Alerts.Supervised(s.Rule)
	switch t := sup.Policy.Warning; {
	case ok && sup.Policy.Direct:
		s.Raise = math.NaN()
	case s.Status == alerts.Warning && t != nil:
		s.Severity, s.Raise, s.Clear = alerts.Warning, t.Raise, t.Clear
	}
	return s
}

// against sets the value beside what it is measured by.
func against(s alerts.View) string {
	if s.Missing {
		return "no data"
	}
	unit := unitOf(s.Expr)
	v := number(s.Value, unit)
	if math.IsNaN(s.Raise) || s.Expr == "" {
		return v // nothing to set it beside
	}
	if s.Clear > s.Raise { // lower is worse
		return v + ", " + s.Severity.String() + " below " + number(s.Raise, unit)
	}
	return v + ", " + s.Severity.String() + " above " + number(s.Raise, unit)
}

func (p *Pages) changes(v *alertsView) {
	all := p.deps.Alerts.Transitions(v.Range.Start)
	slices.SortStableFunc(all, func(a, b alerts.Transition) int { return b.At.Compare(a.At) })
	for _, t := range all {
		if t.At.After(v.Range.End) {
			continue
		}
		v.Changes, v.MoreOf = appendChange(v.Changes, v.MoreOf, t)
	}
}

// appendChange adds a hard change to those shown, or counts it.
func appendChange(shown []TransitionRow, more int, t alerts.Transition) ([]TransitionRow, int) {
	if len(shown) == maxTransitions {
		return shown, more + 1
	}
	return append(shown, TransitionRow{
		Transition: t, From: statusBadge(t.From), To: statusBadge(t.To), URL: alertURL(t.Rule, t.Labels),
		Name: instance(t.Rule, t.Labels), Host: t.Labels.Get("host"),
	}), more
}

// Told says what became of the telling of a change.
func (t TransitionRow) Told() string {
	switch {
	case t.Mute.Muted():
		return "not told at once: " + cmp.Or(t.Mute.Cause, string(t.Mute.Reason))
	case t.Flap == alerts.FlapStart:
		return "told: it flaps"
	case t.Flap == alerts.FlapEnd:
		return "told: it flaps no more"
	}
	return "handed to be told"
}
