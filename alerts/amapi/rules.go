package amapi

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"rondo/alerts"
	"rondo/alerts/promrule"
)

// gravest is the state of a rule with these alerts.
func gravest(all []promAlert) string {
	state := "inactive"
	for _, a := range all {
		if a.State == "firing" {
			return a.State
		}
		state = a.State
	}
	return state
}

// ownGroup has rondo's own rules, by name, in Prometheus' words.
func ownGroup(views []alerts.View) promGroup {
	g := promGroup{Name: "rondo", File: "rondo", Rules: []any{}, Interval: alerts.DefaultInterval.Seconds()}
	by := make(map[string]*promRule)
	for _, v := range views {
		r := by[v.Rule]
		if r == nil {
			r = &promRule{
				Name: v.Rule, Query: v.Expr, Duration: v.Times.For.Seconds(), KeepFiringFor: v.Times.ClearFor.Seconds(),
				Labels: filled(v.Common), Annotations: filled(v.Notes), Alerts: []promAlert{}, Type: "alerting",
				evaluation: evaluationOf(v.LastCheck, v.Took, v.CheckErr),
			}
			by[v.Rule] = r
		}
		if problem(v) != alerts.OK {
			r.Alerts = append(r.Alerts, promAlertOf(v, labelsOf(v)))
		}
	}
	for _, name := range sortedKeys(by) {
		r := by[name]
		r.State = gravest(r.Alerts)
		g.EvaluationTime += r.EvaluationTime
		if r.LastEvaluation.After(g.LastEvaluation) {
			g.LastEvaluation = r.LastEvaluation
		}
		g.Rules = append(g.Rules, *r)
	}
	return g
}

// evaluationOf is how a rule was evaluated last; at is zero before the first
// time.
func evaluationOf(at time.Time, took time.Duration, failed string) evaluation {
	e := evaluation{Health: "ok", LastError: failed, EvaluationTime: took.Seconds(), LastEvaluation: at.UTC()}
	switch {
	case failed != "":
		e.Health = "err"
	case at.IsZero():
		e.Health = "unknown"
	}
	return e
}

// outcome is how rule i of a group was evaluated last.
func outcome(newest *promrule.Evaluation, i int) evaluation {
	if newest == nil {
		return evaluationOf(time.Time{}, 0, "")
	}
	o, failed := newest.Outcomes[i], ""
	if o.Err != nil {
		failed = o.Err.Error()
	}
	return evaluationOf(newest.At, o.Took, failed)
}

// importedGroup is one of a rule file; views are all there are, by rule.
func importedGroup(g *promrule.Group, views map[string][]alerts.View) promGroup {
	out := promGroup{Name: g.Name, File: g.File, Rules: []any{}, Interval: g.Interval.Seconds(), Limit: g.Limit}
	newest := g.Newest()
	if newest != nil {
		out.LastEvaluation = newest.At.UTC()
	}
	for i, r := range g.Rules {
		e := outcome(newest, i)
		out.EvaluationTime += e.EvaluationTime
		if r.Record != "" {
			out.Rules = append(out.Rules, promRecording{Name: r.Record, Query: r.Expr, Labels: r.Labels, evaluation: e, Type: "recording"})
			continue
		}
		all := importedAlerts(views[r.ID])
		out.Rules = append(out.Rules, promRule{
			State: gravest(all), Name: r.Alert, Query: r.Expr,
			Duration: time.Duration(r.For).Seconds(), KeepFiringFor: time.Duration(r.KeepFiringFor).Seconds(),
			Labels: filled(r.Labels), Annotations: filled(r.Annotations), Alerts: all, evaluation: e, Type: "alerting",
		})
	}
	return out
}

// importedAlerts are those of one rule. A state without a name stands for the
// rule itself, which cannot be evaluated.
func importedAlerts(views []alerts.View) []promAlert {
	out := []promAlert{}
	for _, v := range views {
		if problem(v) != alerts.OK && v.Labels.Get(alerts.RuleLabel) != "" {
			out = append(out, promAlertOf(v, v.Labels))
		}
	}
	return out
}

// allGroups are those of rule files, and behind them rondo's own.
func (a *API) allGroups() []promGroup {
	views := a.o.Engine.Views()
	by := make(map[string][]alerts.View)
	for _, v := range views {
		by[v.Rule] = append(by[v.Rule], v)
	}
	var out []promGroup
	imported := make(map[string]bool)
	for _, g := range a.o.Groups() {
		for _, r := range g.Rules {
			imported[r.ID] = true
		}
		out = append(out, importedGroup(g, by))
	}
	return append(out, ownGroup(slices.DeleteFunc(views, func(v alerts.View) bool { return imported[v.Rule] })))
}

// getRules answers type, rule_name[], rule_group[], file[] and exclude_alerts.
// A group in which nothing is asked for is left out.
func (a *API) getRules(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	asked := func(key, value string) bool { return len(form[key]) == 0 || slices.Contains(form[key], value) }
	kind := form.Get("type")
	if kind != "" && kind != "alert" && kind != "record" {
		answer(w, http.StatusBadRequest, promError{"error", "bad_data", fmt.Sprintf("not supported value %q", kind)})
		return
	}
	groups := []promGroup{}
	for _, g := range a.allGroups() {
		rules := []any{}
		for _, rule := range g.Rules {
			switch rule := rule.(type) {
			case promRule:
				if form.Get("exclude_alerts") == "true" {
					rule.Alerts = []promAlert{}
				}
				if kind != "record" && asked("rule_name[]", rule.Name) {
					rules = append(rules, rule)
				}
			case promRecording:
				if kind != "alert" && asked("rule_name[]", rule.Name) {
					rules = append(rules, rule)
				}
			}
		}
		if g.Rules = rules; len(rules) > 0 && asked("rule_group[]", g.Name) && asked("file[]", g.File) {
			groups = append(groups, g)
		}
	}
	answer(w, http.StatusOK, promAnswer{"success", map[string]any{"groups": groups}})
}

func (a *API) getPromAlerts(w http.ResponseWriter, _ *http.Request) {
	out := []promAlert{}
	for _, g := range a.allGroups() {
		for _, rule := range g.Rules {
			if r, ok := rule.(promRule); ok {
				out = append(out, r.Alerts...)
			}
		}
	}
	answer(w, http.StatusOK, promAnswer{"success", map[string]any{"alerts": out}})
}
