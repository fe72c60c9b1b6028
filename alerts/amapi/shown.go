package amapi

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/dispatch"
	"rondo/rrd"
)

// A shown is a problem, under the labels that receivers see.
type shown struct {
	view   alerts.View
	labels rrd.Labels
	fate   dispatch.Fate
}

// problem is what a view is told as: by its hard status, or the one that may
// become hard. OK is no problem.
func problem(v alerts.View) alerts.Status { return cmp.Or(v.Settled, v.Status) }

// labelsOf are a view's labels as receivers see them.
func labelsOf(v alerts.View) rrd.Labels {
	return notify.Labels(alerts.Transition{Rule: v.Rule, Labels: v.Labels}, problem(v))
}

// judge fills in who is told of problems, or would be. Without routes each is
// told alone, by all its labels but the severity.
func (a *API) judge(all []shown) {
	labels := make([]rrd.Labels, len(all))
	for i, s := range all {
		labels[i] = s.labels
	}
	fates := a.o.Dispatcher.Fates(labels)
	for i := range all {
		if fates != nil {
			all[i].fate = fates[i]
			continue
		}
		group := slices.DeleteFunc(slices.Clone(labels[i]), func(l rrd.Label) bool { return l.Name == notify.SeverityLabel })
		for _, name := range a.o.Direct(labels[i]) {
			all[i].fate.Groups = append(all[i].fate.Groups, dispatch.Place{Receiver: name, Labels: group})
		}
	}
}

// key names the state of a rule.
func (s shown) key() string { return s.view.Rule + "\x00" + s.view.Labels.String() }

// problems are all there are.
func (a *API) problems() []shown {
	var all []shown
	for _, v := range a.o.Engine.Views() {
		if problem(v) != alerts.OK {
			all = append(all, shown{view: v, labels: labelsOf(v)})
		}
	}
	a.judge(all)
	return all
}

// alert is a problem as Alertmanager shows it.
func (a *API) alert(s shown, silences []alerts.Silence, now time.Time) gettableAlert {
	v := s.view
	g := gettableAlert{
		Annotations: map[string]string{}, Receivers: named(s.fate.Receivers()), StartsAt: v.Since.UTC(), UpdatedAt: v.LastCheck.UTC(), EndsAt: now.Add(resolveTimeout).UTC(),
		Labels: alerts.MapOf(s.labels), Fingerprint: fmt.Sprintf("%016x", alerts.Fingerprint(s.labels)), Status: statusOf(s, silences, now),
	}
	if base := a.o.ExternalURL(); base != "" {
		g.GeneratorURL = strings.TrimSuffix(base, "/") + "/alerts?rule=" + url.QueryEscape(v.Rule)
	}
	for k, t := range v.Annotations {
		g.Annotations[k] = t
	}
	if e, ok := a.o.External.find(v.Labels); ok && v.Rule == RuleID {
		g.StartsAt, g.EndsAt, g.UpdatedAt, g.GeneratorURL = e.StartsAt.UTC(), e.EndsAt.UTC(), e.UpdatedAt.UTC(), e.GeneratorURL
	} else if _, said := g.Annotations["summary"]; !said && v.Text != "" {
		g.Annotations["summary"] = v.Text
	}
	return g
}

// statusOf says what keeps a problem from being told. Alertmanager knows
// silences and inhibition; what else mutes here stands by its word among what
// inhibits.
func statusOf(s shown, silences []alerts.Silence, now time.Time) alertStatus {
	v := s.view
	st := alertStatus{State: active, InhibitedBy: []string{}, SilencedBy: []string{}}
	for _, silence := range silences {
		if silence.InForce(now) && !slices.ContainsFunc(silence.Matchers, func(m alerts.Matcher) bool { return !m.Matches(v.Rule, v.Labels) }) {
			st.SilencedBy = append(st.SilencedBy, silence.ID)
		}
	}
	if s.fate.InhibitedBy != "" {
		st.InhibitedBy = append(st.InhibitedBy, s.fate.InhibitedBy)
	}
	if v.Mute.Quiet() && len(st.SilencedBy) == 0 {
		st.InhibitedBy = append(st.InhibitedBy, string(v.Mute.Reason))
	}
	switch {
	case len(st.InhibitedBy)+len(st.SilencedBy) > 0:
		st.State = suppressed
	case v.Settled == alerts.OK:
		st.State = unprocessed
	}
	return st
}

// query is what the alerts of a request are chosen by.
type query struct {
	matchers                          []alerts.Matcher
	receiver                          *regexp.Regexp
	active, silenced, inhibited, soft bool
}

func parseQuery(r *http.Request) (query, error) {
	form := r.URL.Query()
	q := query{}
	for name, to := range map[string]*bool{"active": &q.active, "silenced": &q.silenced, "inhibited": &q.inhibited, "unprocessed": &q.soft} {
		*to = form.Get(name) != "false"
	}
	if s := form.Get("receiver"); s != "" {
		re, err := regexp.Compile("^(?:" + s + ")$")
		if err != nil {
			return q, fmt.Errorf("receiver: %w", err)
		}
		q.receiver = re
	}
	var err error
	q.matchers, err = parseFilter(form["filter"])
	return q, err
}

func parseFilter(texts []string) (ms []alerts.Matcher, err error) {
	for _, s := range texts {
		m, err := alerts.ParseMatcher(s)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// wants says whether an alert is asked for, whoever is told of it.
func (q query) wants(g gettableAlert) bool {
	switch {
	case len(g.Status.SilencedBy) > 0 && !q.silenced,
		len(g.Status.InhibitedBy) > 0 && !q.inhibited,
		g.Status.State == active && !q.active,
		g.Status.State == unprocessed && !q.soft:
		return false
	}
	ls := alerts.NewLabels(g.Labels)
	return !slices.ContainsFunc(q.matchers, func(m alerts.Matcher) bool { return !m.Matches(g.Labels[alerts.RuleLabel], ls) })
}

func (q query) wantsReceiver(name string) bool {
	return q.receiver == nil || q.receiver.MatchString(name)
}

func (a *API) getAlerts(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	now, silences := time.Now(), a.o.Engine.Silences()
	out := []gettableAlert{}
	for _, s := range a.problems() {
		if q.receiver != nil && !slices.ContainsFunc(s.fate.Receivers(), q.wantsReceiver) {
			continue
		}
		if g := a.alert(s, silences, now); q.wants(g) {
			out = append(out, g)
		}
	}
	answer(w, http.StatusOK, out)
}

// getGroups shows what receivers are told together: the dispatcher's groups,
// or each problem for itself where there are no routes.
func (a *API) getGroups(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	now, silences := time.Now(), a.o.Engine.Silences()
	out := []alertGroup{}
	for _, g := range a.groups() {
		if !q.wantsReceiver(g.Receiver) {
			continue
		}
		one := alertGroup{Labels: alerts.MapOf(g.Labels), Receiver: receiver{g.Receiver}}
		for _, s := range g.alerts {
			alert := a.alert(s, silences, now)
			alert.Receivers = slices.DeleteFunc(alert.Receivers, func(r receiver) bool { return !q.wantsReceiver(r.Name) })
			if q.wants(alert) {
				one.Alerts = append(one.Alerts, alert)
			}
		}
		if len(one.Alerts) > 0 {
			out = append(out, one)
		}
	}
	answer(w, http.StatusOK, out)
}

// A gathering is what is told together.
type gathering struct {
	dispatch.Place
	alerts []shown
}

// groups are those of the dispatcher, and in them the hard problems that are
// kept from it by a silence or what else mutes, where they would be.
func (a *API) groups() []gathering {
	problems := a.problems()
	members := a.o.Dispatcher.Members()
	if members == nil {
		return alone(problems)
	}
	by := make(map[string]*gathering)
	in := func(p dispatch.Place) *gathering {
		key := p.Route + "\x00" + p.Labels.String()
		if by[key] == nil {
			by[key] = &gathering{Place: p}
		}
		return by[key]
	}
	views := make(map[string]shown)
	for _, s := range problems {
		views[s.key()] = s
	}
	held := make(map[string]bool)
	for _, m := range members {
		for _, al := range m.Alerts {
			s, ok := views[shown{view: alerts.View{Rule: al.Rule, Labels: al.Of}}.key()]
			if !ok {
				continue // it has ended, and the dispatcher hears of it in a moment
			}
			held[s.key()] = true
			s.view.Since, s.view.Settled, s.labels = al.Starts, al.Severity, al.Labels
			g := in(m.Place)
			g.alerts = append(g.alerts, s)
		}
	}
	for _, s := range problems {
		if s.view.Settled == alerts.OK || held[s.key()] {
			continue
		}
		for _, p := range s.fate.Groups {
			g := in(p)
			g.alerts = append(g.alerts, s)
		}
	}
	return sorted(by)
}

func sorted(by map[string]*gathering) (out []gathering) {
	for _, g := range by {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b gathering) int {
		return cmp.Or(strings.Compare(a.Labels.String(), b.Labels.String()), strings.Compare(a.Receiver, b.Receiver), strings.Compare(a.Route, b.Route))
	})
	return out
}

// alone are the groups where there are no routes: one for each hard problem
// and receiver.
func alone(problems []shown) (out []gathering) {
	for _, s := range problems {
		if s.view.Settled == alerts.OK {
			continue
		}
		for _, p := range s.fate.Groups {
			out = append(out, gathering{p, []shown{s}})
		}
	}
	return out
}
