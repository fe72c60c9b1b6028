package notify

import (
	"fmt"
	"net/url"
	"strings"

	"rondo/alerts"
	"rondo/rrd"
)

// SeverityLabel is the label that holds a problem's severity.
const SeverityLabel = "severity"

// Labels are a problem's labels as receivers see them: with the rule as
// alertname, and the severity. What a reading says of itself wins: an imported
// rule may have severity="page".
func Labels(t alerts.Transition, severity alerts.Status) rrd.Labels {
	m := map[string]string{alerts.RuleLabel: t.Rule, SeverityLabel: severity.String()}
	for _, l := range t.Labels {
		m[l.Name] = l.Value
	}
	return alerts.NewLabels(m)
}

// OfTransition is the notice of one hard change. One from warning to critical
// is two alerts, the new one firing and the old one resolved, because the
// severity is one of its labels and so part of its fingerprint; where it is not,
// or where flapping starts or ends, it is one. external is the URL of our web
// pages, or "".
func OfTransition(t alerts.Transition, receiver, external string) Notice {
	external = strings.TrimSuffix(external, "/")
	n := Notice{Key: t.ID, Receiver: receiver, Reason: "resolved", At: t.At, ExternalURL: external}
	if t.To != alerts.OK {
		n.Reason = "new"
		n.Alerts = append(n.Alerts, ofTransition(t, t.To, external))
	}
	if t.From != alerts.OK {
		old := ofTransition(t, t.From, external)
		old.Ends = t.At
		switch {
		case t.To == alerts.OK:
			n.Alerts = append(n.Alerts, old)
		case old.Fingerprint != n.Alerts[0].Fingerprint:
			n.Alerts = append(n.Alerts, old)
			fallthrough
		default:
			n.Reason = "changed"
		}
	}
	n.CommonLabels, n.CommonAnnotations = Common(n.Alerts)
	group := Labels(t, t.To)
	for _, l := range group {
		if l.Name != SeverityLabel {
			n.GroupLabels = append(n.GroupLabels, l)
		}
	}
	n.GroupKey = GroupKey("{}", n.GroupLabels)
	return n
}

func ofTransition(t alerts.Transition, severity alerts.Status, external string) Alert {
	a := Alert{
		Transition: t.ID, Labels: Labels(t, severity), Severity: severity,
		Annotations: map[string]string{"summary": t.Text},
		Starts:      t.Since, Value: t.Value, Text: t.Text, Expr: t.Expr,
	}
	a.Fingerprint = fmt.Sprintf("%016x", alerts.Fingerprint(a.Labels))
	for k, v := range t.Annotations {
		a.Annotations[k] = v
	}
	if external != "" {
		a.GeneratorURL = external + "/alerts?rule=" + url.QueryEscape(t.Rule)
	}
	return a
}

// Common are the labels and annotations that all alerts have alike.
func Common(as []Alert) (labels rrd.Labels, annotations map[string]string) {
	annotations = make(map[string]string)
	if len(as) == 0 {
		return nil, annotations
	}
	for k, v := range as[0].Annotations {
		annotations[k] = v
	}
	for _, l := range as[0].Labels {
		if alike(as, l) {
			labels = append(labels, l)
		}
	}
	for _, a := range as[1:] {
		for k, v := range annotations {
			if w, ok := a.Annotations[k]; !ok || w != v {
				delete(annotations, k)
			}
		}
	}
	return labels, annotations
}

func alike(as []Alert, l rrd.Label) bool {
	for _, a := range as {
		if a.Labels.Get(l.Name) != l.Value {
			return false
		}
	}
	return true
}

// GroupKey names a group as Alertmanager does: the matchers of its route, and
// the labels that its alerts were gathered by.
func GroupKey(route string, labels rrd.Labels) string {
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = fmt.Sprintf("%s=%q", l.Name, l.Value)
	}
	return route + ":{" + strings.Join(parts, ", ") + "}"
}
