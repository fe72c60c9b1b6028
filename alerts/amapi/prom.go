package amapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"rondo/alerts"
)

// What follows are the answers of Prometheus' HTTP API.

type promAnswer struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

type promGroup struct {
	Name           string     `json:"name"`
	File           string     `json:"file"`
	Rules          []promRule `json:"rules"`
	Interval       float64    `json:"interval"`
	Limit          int        `json:"limit"`
	EvaluationTime float64    `json:"evaluationTime"`
	LastEvaluation time.Time  `json:"lastEvaluation"`
}

type promRule struct {
	State          string            `json:"state"` // inactive, pending or firing
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       float64           `json:"duration"`
	KeepFiringFor  float64           `json:"keepFiringFor"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	Alerts         []promAlert       `json:"alerts"`
	Health         string            `json:"health"` // ok, err or unknown
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type promAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
	Value       string            `json:"value"`
}

func promState(v alerts.View) string {
	switch {
	case v.Settled != alerts.OK:
		return "firing"
	case v.Status != alerts.OK:
		return "pending"
	}
	return "inactive"
}

func promAlertOf(v alerts.View) promAlert {
	p := promAlert{
		Labels: labelMap(labelsOf(v)), Annotations: map[string]string{}, State: promState(v), ActiveAt: v.Since.UTC(),
		Value: strconv.FormatFloat(v.Value, 'e', -1, 64),
	}
	for k, t := range v.Annotations {
		p.Annotations[k] = t
	}
	return p
}

// promRules are all rules with their alerts, by name. What a rule is in
// Prometheus' words is said by its gravest state.
func promRules(views []alerts.View) []promRule {
	by := make(map[string]promRule)
	grave := []string{"inactive", "pending", "firing"}
	for _, v := range views {
		r, ok := by[v.Rule]
		if !ok {
			r = promRule{
				State: "inactive", Name: v.Rule, Query: v.Expr, Labels: map[string]string{}, Annotations: map[string]string{}, Alerts: []promAlert{},
				Health: "ok", LastError: v.CheckErr, LastEvaluation: v.LastCheck.UTC(), Type: "alerting",
			}
			switch {
			case v.CheckErr != "":
				r.Health = "err"
			case v.LastCheck.IsZero():
				r.Health = "unknown"
			}
		}
		if state := promState(v); state != "inactive" {
			r.Alerts = append(r.Alerts, promAlertOf(v))
			r.State = grave[max(slices.Index(grave, r.State), slices.Index(grave, state))]
		}
		by[v.Rule] = r
	}
	var out []promRule
	for _, name := range sortedKeys(by) {
		out = append(out, by[name])
	}
	return out
}

// getRules answers type, rule_name[] and exclude_alerts. All rules are in one
// group, rondo.
func (a *API) getRules(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	groups := []promGroup{}
	g := promGroup{Name: "rondo", File: "rondo", Rules: []promRule{}, Interval: alerts.DefaultInterval.Seconds()}
	for _, rule := range promRules(a.o.Engine.Views()) {
		if names := form["rule_name[]"]; len(names) > 0 && !slices.Contains(names, rule.Name) {
			continue
		}
		if form.Get("exclude_alerts") == "true" {
			rule.Alerts = []promAlert{}
		}
		if rule.LastEvaluation.After(g.LastEvaluation) {
			g.LastEvaluation = rule.LastEvaluation
		}
		g.Rules = append(g.Rules, rule)
	}
	if len(g.Rules) > 0 && form.Get("type") != "record" {
		groups = append(groups, g)
	}
	answer(w, http.StatusOK, promAnswer{"success", map[string]any{"groups": groups}})
}

func (a *API) getPromAlerts(w http.ResponseWriter, _ *http.Request) {
	out := []promAlert{}
	for _, v := range a.o.Engine.Views() {
		if problem(v) != alerts.OK {
			out = append(out, promAlertOf(v))
		}
	}
	answer(w, http.StatusOK, promAnswer{"success", map[string]any{"alerts": out}})
}
