package text

import (
	"maps"
	"slices"
	"time"

	"rondo/alerts/notify"
	"rondo/rrd"
)

// The statuses of alerts and groups in Alertmanager's words.
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// Data is what templates see. Its JSON, with fields in this order, is the first
// part of an Alertmanager webhook message.
type Data struct {
	Receiver          string `json:"receiver"`
	Status            string `json:"status"` // firing or resolved
	Alerts            Alerts `json:"alerts"`
	GroupLabels       KV     `json:"groupLabels"`
	CommonLabels      KV     `json:"commonLabels"`
	CommonAnnotations KV     `json:"commonAnnotations"`
	ExternalURL       string `json:"externalURL"`

	GroupKey  string    `json:"-"`
	Key       string    `json:"-"` // the same in every try
	Reason    string    `json:"-"` // new, changed, resolved, repeat, escalation, digest
	At        time.Time `json:"-"`
	Truncated int       `json:"-"` // further alerts that are not in Alerts
	RootCause string    `json:"-"`
}

// An Alert is one problem, or its end.
type Alert struct {
	Status       string    `json:"status"`
	Labels       KV        `json:"labels"`
	Annotations  KV        `json:"annotations"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"` // the zero time while firing
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`

	Severity string  `json:"-"` // warning, critical or unknown
	Value    float64 `json:"-"`
	Text     string  `json:"-"`
	Expr     string  `json:"-"`
}

// Alerts are those of a group.
type Alerts []Alert

// Firing are those that fire.
func (as Alerts) Firing() Alerts { return as.with(Firing) }

// Resolved are those that are over.
func (as Alerts) Resolved() Alerts { return as.with(Resolved) }

func (as Alerts) with(status string) (out Alerts) {
	for _, a := range as {
		if a.Status == status {
			out = append(out, a)
		}
	}
	return out
}

// KV are labels or annotations.
type KV map[string]string

// A Pair is a name with its value.
type Pair struct{ Name, Value string }

// Pairs are sorted.
type Pairs []Pair

// SortedPairs are all, alertname first, the others by name.
func (kv KV) SortedPairs() Pairs {
	ps := make(Pairs, 0, len(kv))
	if v, ok := kv[alertname]; ok {
		ps = append(ps, Pair{alertname, v})
	}
	for _, k := range slices.Sorted(maps.Keys(kv)) {
		if k != alertname {
			ps = append(ps, Pair{k, kv[k]})
		}
	}
	return ps
}

// Remove returns what is left without some names.
func (kv KV) Remove(names []string) KV {
	left := maps.Clone(kv)
	for _, n := range names {
		delete(left, n)
	}
	return left
}

// Names are those of SortedPairs.
func (kv KV) Names() []string { return kv.SortedPairs().Names() }

// Values are those of SortedPairs.
func (kv KV) Values() []string { return kv.SortedPairs().Values() }

// Names are the names of the pairs.
func (ps Pairs) Names() []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Name
	}
	return out
}

// Values are the values of the pairs.
func (ps Pairs) Values() []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Value
	}
	return out
}

const alertname = "alertname"

// Of is a notice as templates see it.
func Of(n notify.Notice) Data {
	d := Data{
		Receiver: n.Receiver, Status: Resolved, Alerts: make(Alerts, len(n.Alerts)),
		GroupLabels: labels(n.GroupLabels), CommonLabels: labels(n.CommonLabels),
		CommonAnnotations: annotations(n.CommonAnnotations), ExternalURL: n.ExternalURL,
		GroupKey: n.GroupKey, Key: n.Key, Reason: n.Reason, At: n.At, Truncated: n.Truncated, RootCause: n.RootCause,
	}
	if n.Firing() {
		d.Status = Firing
	}
	for i, a := range n.Alerts {
		d.Alerts[i] = ofAlert(a)
	}
	return d
}

func ofAlert(a notify.Alert) Alert {
	x := Alert{
		Status: Firing, Labels: labels(a.Labels), Annotations: annotations(a.Annotations),
		StartsAt: a.Starts.UTC(), GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint,
		Severity: a.Severity.String(), Value: a.Value, Text: a.Text, Expr: a.Expr,
	}
	if !a.Firing() {
		x.Status, x.EndsAt = Resolved, a.Ends.UTC()
	}
	return x
}

func labels(ls rrd.Labels) KV {
	kv := make(KV, len(ls))
	for _, l := range ls {
		kv[l.Name] = l.Value
	}
	return kv
}

func annotations(m map[string]string) KV {
	if m == nil {
		return KV{}
	}
	return m
}
