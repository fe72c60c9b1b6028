package pages

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/check"
	"rondo/rrd"
)

// maxProblems is how many problems the overview lists; all are counted.
const maxProblems = 12

// Problems are the states that are not OK, the gravest first.
type Problems struct {
	On     bool // there is supervision at all
	Checks int
	Hard   int // hard, not silenced and not acknowledged
	Soft   int
	Known  int // acknowledged or silenced
	Worst  Badge
	List   []Problem
}

// A Problem is one state for a page.
type Problem struct {
	alerts.View
	Badge Badge
	Host  string
	Name  string // rule and labels, for people
}

// A Badge is a status as a page shows it: never by colour alone.
type Badge struct{ Class, Glyph, Text string }

// badge names a state: its status, and how sure we are.
func badge(v alerts.View) Badge {
	b := statusBadge(v.Status)
	if v.Flapping {
		b.Text += ", flapping"
	}
	switch {
	case v.Status != alerts.OK && v.Mute.Quiet():
		return Badge{"quiet", "◇", b.Text + ", " + string(v.Mute.Reason)}
	case v.Status != alerts.OK && v.Ack != nil:
		return Badge{"acked", "◈", b.Text + ", acknowledged"}
	case v.Status != alerts.OK && !v.Hard:
		return Badge{"soft", "◌", "soft " + b.Text}
	}
	return b
}

func statusBadge(s alerts.Status) Badge {
	switch s {
	case alerts.OK:
		return Badge{"ok", "●", "ok"}
	case alerts.Warning:
		return Badge{"warning", "▲", "warning"}
	case alerts.Critical:
		return Badge{"critical", "■", "critical"}
	}
	return Badge{"unknown", "?", "unknown"}
}

// grave orders states: hard before soft before acknowledged before silenced
// before OK, and by status within.
func grave(v alerts.View) int {
	if v.Status == alerts.OK {
		return 0
	}
	rank := map[alerts.Status]int{alerts.Critical: 3, alerts.Unknown: 2, alerts.Warning: 1}[v.Status]
	switch {
	case v.Mute.Quiet():
		return rank
	case v.Ack != nil:
		return 5 + rank
	case v.Hard:
		return 20 + rank
	}
	return 10 + rank
}

// views returns all states, the gravest and newest first.
func (p *Pages) views() []alerts.View {
	if p.deps.Alerts == nil {
		return nil
	}
	vs := p.deps.Alerts.Views()
	slices.SortStableFunc(vs, func(a, b alerts.View) int {
		return cmp.Or(cmp.Compare(grave(b), grave(a)), newer(a, b), strings.Compare(a.Rule, b.Rule),
			natural(a.Labels.Get("host"), b.Labels.Get("host")), strings.Compare(a.Labels.String(), b.Labels.String()))
	})
	return vs
}

// newer puts the newer problem first. What is well has no order in time.
func newer(a, b alerts.View) int {
	if a.Status == alerts.OK {
		return 0
	}
	return b.Since.Compare(a.Since)
}

// problems counts all states and lists the gravest.
func (p *Pages) problems() Problems {
	out := Problems{On: p.deps.Alerts != nil, Worst: statusBadge(alerts.OK)}
	for _, v := range p.views() {
		out.Checks++
		if v.Status == alerts.OK {
			continue
		}
		if len(out.List) == 0 {
			out.Worst = badge(v)
		}
		switch {
		case v.Mute.Quiet() || v.Ack != nil:
			out.Known++
		case v.Hard:
			out.Hard++
		default:
			out.Soft++
		}
		if len(out.List) < maxProblems {
			out.List = append(out.List, problem(v))
		}
	}
	return out
}

func problem(v alerts.View) Problem {
	return Problem{View: v, Badge: badge(v), Host: v.Labels.Get("host"), Name: instance(v.Rule, v.Labels)}
}

// shownElsewhere are the labels that a page shows beside a rule, or need not
// show: the host, its group, and what the rule is about.
var shownElsewhere = []string{rrd.NameLabel, "host", "group", "metric"}

// instance names a rule's label set for people.
func instance(rule string, ls rrd.Labels) string {
	var rest []string
	for _, l := range ls {
		ofRole := l.Name == check.RoleLabel && strings.HasPrefix(rule, l.Value+"/")
		if !ofRole && !slices.Contains(shownElsewhere, l.Name) {
			rest = append(rest, l.Name+"="+l.Value)
		}
	}
	if len(rest) == 0 {
		return rule
	}
	return rule + " (" + strings.Join(rest, ", ") + ")"
}

// Who says that someone knows of the problem, and who.
func (p Problem) Who(now time.Time) string {
	switch {
	case p.Status == alerts.OK:
		return ""
	case p.Mute.Quiet():
		return cmp.Or(p.Mute.Cause, string(p.Mute.Reason)) + ": nobody is told of it"
	case p.Ack == nil:
		return ""
	}
	s := "acknowledged"
	if p.Ack.By != "" {
		s += " by " + p.Ack.By
	}
	s += " " + ago(now, p.Ack.At)
	if p.Ack.Comment != "" {
		s += ": " + p.Ack.Comment
	}
	return s
}

// Page is where the state explains itself, without the range.
func (p Problem) Page() string { return alertURL(p.Rule, p.Labels) }

// Lasting is how long the state has been as it is.
func (p Problem) Lasting(now time.Time) string {
	if p.Since.IsZero() {
		return ""
	}
	return span(now.Sub(p.Since))
}

func ctxErr(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
