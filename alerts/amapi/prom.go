package amapi

import (
	"maps"
	"strconv"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// What follows are the answers of Prometheus' HTTP API.

type promAnswer struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

type promError struct {
	Status string `json:"status"`
	Type   string `json:"errorType"`
	Error  string `json:"error"`
}

type promGroup struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"` // promRule or promRecording
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

type promRule struct {
	State         string            `json:"state"` // inactive, pending or firing
	Name          string            `json:"name"`
	Query         string            `json:"query"`
	Duration      float64           `json:"duration"`
	KeepFiringFor float64           `json:"keepFiringFor"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
	Alerts        []promAlert       `json:"alerts"`
	evaluation
	Type string `json:"type"`
}

type promRecording struct {
	Name   string            `json:"name"`
	Query  string            `json:"query"`
	Labels map[string]string `json:"labels,omitempty"`
	evaluation
	Type string `json:"type"`
}

// evaluation is what both kinds of rules say of their newest evaluation.
type evaluation struct {
	Health         string    `json:"health"` // ok, err or unknown
	LastError      string    `json:"lastError,omitempty"`
	EvaluationTime float64   `json:"evaluationTime"` // seconds
	LastEvaluation time.Time `json:"lastEvaluation"`
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

func promAlertOf(v alerts.View, ls rrd.Labels) promAlert {
	return promAlert{
		Labels: alerts.MapOf(ls), Annotations: filled(v.Annotations), State: promState(v), ActiveAt: v.Since.UTC(),
		Value: strconv.FormatFloat(v.Value, 'e', -1, 64),
	}
}

// filled is a map for JSON, which has {} and not null.
func filled(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	maps.Copy(out, m)
	return out
}
