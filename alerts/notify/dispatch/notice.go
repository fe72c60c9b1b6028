package dispatch

import (
	"fmt"
	"net/url"
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
		Transition: t.ID, Labels: notify.Labels(t, t.To), Severity: t.To, Annotations: annotationsOf(t),
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
	all := make([]notify.Alert, len(s.Alerts))
	for i, a := range s.Alerts {
		all[i] = a.Alert
		if d.external != "" {
			all[i].GeneratorURL = d.external + "/alerts?rule=" + url.QueryEscape(a.Rule)
		}
	}
	n.CommonLabels, n.CommonAnnotations = notify.Common(all)
	n.Alerts = all[:min(len(all), r.maxAlerts())]
	n.Truncated = len(all) - len(n.Alerts)
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
