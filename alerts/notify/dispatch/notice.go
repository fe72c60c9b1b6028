package dispatch

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/rrd"
)

// Bounds of a notice.
const (
	defaultMaxAlerts = 100
	maxNotice        = 200 << 10 // bytes in the outbox, below state.MaxValue
)

// newAlert makes an alert of what receivers see of it.
func newAlert(a notify.Alert, rule string, of rrd.Labels) *Alert {
	id := alerts.Fingerprint(a.Labels)
	a.Fingerprint = fmt.Sprintf("%016x", id)
	return &Alert{Alert: a, ID: id, Rule: rule, Of: of}
}

// alertOf is the problem that a transition begins.
func alertOf(t alerts.Transition) *Alert {
	return newAlert(notify.Alert{
		Transition: t.ID, Labels: labelsOf(t), Severity: t.To, Annotations: annotationsOf(t),
		Starts: t.Since, Value: t.Value, Text: t.Text, Expr: t.Expr,
	}, t.Rule, t.Labels)
}

// ended is the end of a by a transition.
func (a *Alert) ended(t alerts.Transition) *Alert {
	over := *a
	over.Transition, over.Ends, over.Value, over.Text = t.ID, t.At, t.Value, t.Text
	if over.Ends.IsZero() || over.Ends.Before(over.Starts) {
		over.Ends = over.Starts
	}
	over.Annotations = annotationsOf(t)
	return &over
}

// labelsOf are a problem's labels as receivers see them. A severity that the
// rule brings itself, as Prometheus' rules do, stays as it is: routes match it.
func labelsOf(t alerts.Transition) rrd.Labels {
	m := mapOf(t.Labels)
	m[alerts.RuleLabel] = t.Rule
	m["severity"] = cmp.Or(m["severity"], t.To.String())
	return alerts.NewLabels(m)
}

func annotationsOf(t alerts.Transition) map[string]string {
	m := map[string]string{"summary": t.Text}
	for k, v := range t.Annotations {
		m[k] = v
	}
	return m
}

// noticeOf makes the notice of something to tell.
func (d *Dispatcher) noticeOf(groupKey string, labels rrd.Labels, r *receiver, s Send, now time.Time) notify.Notice {
	n := notify.Notice{
		Key:      noticeKey(groupKey, r.Name, now),
		Receiver: r.Name, GroupKey: groupKey, GroupLabels: labels, Reason: string(s.Reason), At: now, ExternalURL: d.external,
	}
	n.CommonLabels, n.CommonAnnotations = common(s.Alerts)
	listed := s.Alerts[:min(len(s.Alerts), r.maxAlerts())]
	n.Truncated = len(s.Alerts) - len(listed)
	for _, a := range listed {
		out := a.Alert
		if d.external != "" {
			out.GeneratorURL = d.external + "/alerts?rule=" + url.QueryEscape(a.Rule)
		}
		n.Alerts = append(n.Alerts, out)
	}
	return n
}

// noticeKey is the stable key of what a receiver is told of a group at a time.
// A group is told at most once at a time.
func noticeKey(groupKey, receiver string, now time.Time) string {
	return fmt.Sprintf("%s-%x", groupID(groupKey, rrd.Labels{{Name: "receiver", Value: receiver}}), now.UnixNano())
}

// pack encodes a notice for the outbox, with as many alerts as there is room
// for.
func pack(n notify.Notice) ([]byte, error) {
	for {
		b, err := encodeNotice(n)
		if err != nil || len(b) <= maxNotice || len(n.Alerts) <= 1 {
			return b, err
		}
		half := len(n.Alerts) / 2
		n.Truncated += len(n.Alerts) - half
		n.Alerts = n.Alerts[:half]
	}
}

// common are the labels and annotations that all alerts have alike.
func common(as []*Alert) (labels rrd.Labels, annotations map[string]string) {
	if len(as) == 0 {
		return nil, nil
	}
	labels = slices.Clone(as[0].Labels)
	annotations = make(map[string]string, len(as[0].Annotations))
	for k, v := range as[0].Annotations {
		annotations[k] = v
	}
	for _, a := range as[1:] {
		labels = slices.DeleteFunc(labels, func(l rrd.Label) bool { return a.Labels.Get(l.Name) != l.Value })
		for k, v := range annotations {
			if w, ok := a.Annotations[k]; !ok || w != v {
				delete(annotations, k)
			}
		}
	}
	return labels, annotations
}
