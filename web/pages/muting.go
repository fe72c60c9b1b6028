package pages

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify/dispatch"
	"rondo/rrd"
)

// Bounds of the lists of the alerts page; all are counted.
const (
	maxMutes     = 100
	maxGroupRows = 50
)

// Muting is what was said to keep problems from being told.
type Muting struct {
	Silences, Downtimes, Acks []MuteRow
	MoreOf                    int // not shown
}

// A MuteRow is one silence, downtime or acknowledgement.
type MuteRow struct {
	Name    string
	URL     string // of an acknowledged state
	Of      string // its matchers
	Badge   Badge
	When    string // how much longer, or when it begins
	Said    string // who and why
	About   string // what it matches now
	EndLine string // the command that ends it; "" for what the configuration says
}

// muting lists what mutes, with what each matches at this moment.
func (p *Pages) muting(all []alerts.View, f Frame) (m Muting) {
	for _, s := range p.deps.Alerts.Silences() {
		m.add(&m.Silences, silenceRow(s, all, f.Now))
	}
	for _, d := range p.deps.Alerts.Downtimes() {
		m.add(&m.Downtimes, downtimeRow(d, all, f.Now))
	}
	for _, v := range all {
		if v.Ack != nil && v.Status != alerts.OK {
			m.add(&m.Acks, ackRow(v, f))
		}
	}
	return m
}

// A MuteTable is a list of these for the page.
type MuteTable struct {
	Caption string
	Rows    []MuteRow
	Range   Range
}

// Tables are the lists that have something in them.
func (m Muting) Tables(r Range) (out []MuteTable) {
	for _, t := range []MuteTable{{"Acknowledged", m.Acks, r}, {"Silences", m.Silences, r}, {"Downtimes", m.Downtimes, r}} {
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (m *Muting) add(to *[]MuteRow, row MuteRow) {
	if len(*to) == maxMutes {
		m.MoreOf++
		return
	}
	*to = append(*to, row)
}

func silenceRow(s alerts.Silence, all []alerts.View, now time.Time) MuteRow {
	row := MuteRow{
		Name: s.ID, Of: matchersText(s.Matchers), Badge: Badge{"quiet", "◇", "silenced"}, When: span(s.Until.Sub(now)) + " left",
		Said: said(s.By, s.Comment), About: about(s.Matchers, all), EndLine: "rondo alert unsilence " + shellWord(s.ID),
	}
	if s.EndWhenClear {
		row.When += ", or when nothing matches"
	}
	return row
}

func downtimeRow(d alerts.DowntimeView, all []alerts.View, now time.Time) MuteRow {
	row := MuteRow{Name: d.Name, Of: matchersText(d.Matchers), Badge: Badge{"quiet", "·", "not now"}, Said: said(d.By, d.Comment), About: about(d.Matchers, all)}
	switch {
	case d.InForce:
		row.Badge, row.When = Badge{"quiet", "◇", "in force"}, span(d.Until.Sub(now))+" left"
	case !d.Next.IsZero():
		row.When = "begins in " + span(d.Next.Sub(now))
	case d.Start.After(now):
		row.When = "begins in " + span(d.Start.Sub(now))
	case d.TriggeredBy != "":
		row.When = "begins with " + d.TriggeredBy
	case d.Duration > 0 && now.Before(d.End):
		row.When = "begins with the first problem, for " + span(d.Duration)
	}
	if d.PausesScaling {
		row.When += "; autoscaling pauses"
	}
	if d.Name == "" {
		row.Name = d.ID
	}
	if d.Configured {
		row.Said = strings.TrimPrefix(row.Said+"; from the configuration", "; ")
	} else {
		row.EndLine = "rondo alert downtime remove " + shellWord(d.ID)
	}
	return row
}

func ackRow(v alerts.View, f Frame) MuteRow {
	row := MuteRow{
		Name: instance(v.Rule, v.Labels), URL: alertURL(v.Rule, v.Labels), Of: v.Labels.Get("host"), Badge: badge(v),
		When: "until the status changes", Said: said(v.Ack.By, v.Ack.Comment), About: "since " + ago(f.Now, v.Ack.At),
		EndLine: "rondo alert unack " + matcherWords(v.Rule, v.Labels),
	}
	if v.Ack.Sticky {
		row.When = "until it is over"
	}
	if !v.Ack.Until.IsZero() {
		row.When += ", at most " + span(v.Ack.Until.Sub(f.Now))
	}
	return row
}

func said(by, comment string) string {
	if by == "" || comment == "" {
		return by + comment
	}
	return by + ": " + comment
}

func matchersText(ms []alerts.Matcher) string {
	parts := make([]string, len(ms))
	for i, m := range ms {
		parts[i] = m.String()
	}
	return strings.Join(parts, " ")
}

// about counts what matchers match now.
func about(ms []alerts.Matcher, all []alerts.View) string {
	states, problems := 0, 0
	for _, v := range all {
		if slices.ContainsFunc(ms, func(m alerts.Matcher) bool { return !m.Matches(v.Rule, v.Labels) }) {
			continue
		}
		states++
		if v.Status != alerts.OK {
			problems++
		}
	}
	if states == 0 {
		return "matches nothing"
	}
	return plural(states, "state") + ", " + plural(problems, "problem")
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// Told is how the telling goes.
type Told struct {
	Routed    bool
	Receivers []ReceiverRow
	Groups    []GroupRow
	MoreOf    int
}

// A ReceiverRow is one receiver with what became of what it was to be told.
type ReceiverRow struct {
	Name, Kind string
	Badge      Badge
	Queue      string
	Counts     string
	Last       string
	Error      string
}

// A GroupRow is what is told together.
type GroupRow struct {
	Name     string
	Receiver string
	Firing   string
	Told     string
	Next     string
}

func (p *Pages) telling(f Frame) (t Told) {
	if t.Routed = p.deps.Telling != nil && p.deps.Telling.Routed(); !t.Routed {
		for _, q := range p.deps.Alerts.Queues() {
			t.Receivers = append(t.Receivers, queueRow(q, f.Now))
		}
		return t
	}
	receivers := p.deps.Telling.Receivers()
	behind := behindOf(receivers)
	for _, r := range receivers {
		t.Receivers = append(t.Receivers, receiverRow(r, f.Now))
	}
	for _, g := range p.deps.Telling.Groups() {
		if g.Firing == 0 && g.Resolved == 0 {
			continue
		}
		if len(t.Groups) == maxGroupRows {
			t.MoreOf++
			continue
		}
		t.Groups = append(t.Groups, groupRow(g, behind, f.Now))
	}
	return t
}

func queueRow(q alerts.QueueView, now time.Time) ReceiverRow {
	row := ReceiverRow{Name: q.Target, Badge: statusBadge(alerts.OK), Queue: "0"}
	if q.Queued > 0 {
		row.Queue = count(int64(q.Queued)) + ", the oldest for " + span(now.Sub(q.Oldest))
		row.Badge = Badge{"warning", "▲", "waiting"}
	}
	return row
}

func receiverRow(r dispatch.ReceiverView, now time.Time) ReceiverRow {
	row := ReceiverRow{Name: r.Name, Kind: r.Kind, Badge: statusBadge(alerts.OK), Queue: count(int64(r.Queued)), Last: ago(now, r.LastTold), Error: r.LastError}
	if r.Queued > 0 {
		row.Queue += ", the oldest for " + span(now.Sub(r.Oldest))
	}
	switch {
	case r.Kind == "":
		row.Badge = Badge{"quiet", "·", "nobody"}
	case r.LastError != "":
		row.Badge = Badge{"critical", "■", "fails"}
	case r.Storm:
		row.Badge = Badge{"warning", "▲", "storm: digests"}
	}
	var parts []string
	for _, name := range []string{"told", "retried", "refused", "expired", "dropped", "repeated"} {
		if n := r.Counts[name]; n > 0 || name == "told" {
			parts = append(parts, count(int64(n))+" "+name)
		}
	}
	row.Counts = strings.Join(parts, ", ")
	return row
}

// behind is since when receivers have not taken what they are to be told.
type behind map[string]time.Time

func behindOf(rs []dispatch.ReceiverView) behind {
	b := make(behind)
	for _, r := range rs {
		if r.Queued > 0 {
			b[r.Name] = r.LastTold
		}
	}
	return b
}

// told says when a receiver was told something, or that it has not taken it.
func (b behind) told(receiver string, at, now time.Time) string {
	if last, ok := b[receiver]; ok && at.After(last) {
		return "not taken yet, sent " + ago(now, at)
	}
	return "told " + ago(now, at)
}

func groupRow(g dispatch.GroupView, late behind, now time.Time) GroupRow {
	row := GroupRow{Name: groupName(g.Labels), Receiver: g.Receiver, Firing: count(int64(g.Firing)), Next: "in " + span(max(0, g.Next.Sub(now)))}
	if g.Owner != "" {
		row.Receiver += " (" + g.Owner + ")"
	}
	if g.Held > 0 {
		row.Firing += ", " + count(int64(g.Held)) + " held back"
	}
	if g.Resolved > 0 {
		row.Firing += ", " + count(int64(g.Resolved)) + " over"
	}
	var told []string
	for name, t := range g.Told {
		told = append(told, name+" "+late.told(name, t.At, now))
	}
	for name, at := range g.Escalates {
		told = append(told, name+" in "+span(at.Sub(now)))
	}
	slices.Sort(told)
	row.Told = strings.Join(told, ", ")
	if g.Muted != "" {
		row.Told = strings.TrimPrefix(row.Told+"; "+g.Muted, "; ")
	}
	return row
}

// groupName names a group by the labels that it was gathered by.
func groupName(labels map[string]string) string {
	if len(labels) == 0 {
		return "all"
	}
	ls := make(rrd.Labels, 0, len(labels))
	for name, value := range labels {
		ls = append(ls, rrd.Label{Name: name, Value: value})
	}
	slices.SortFunc(ls, func(a, b rrd.Label) int { return strings.Compare(a.Name, b.Name) })
	return ls.String()
}
