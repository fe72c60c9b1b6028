package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/web/chart"
)

// What is marked where nobody says what: on pages all but instances that came
// and went, since the scaling that sent for them is; on pictures, which hang
// in wikis, no state changes either.
func quietOnPages() []string    { return []string{"instance"} }
func quietOnPictures() []string { return []string{"instance", "alert"} }

// A choice is what marks= asks for.
type choice struct {
	none  bool
	words []string // kinds, classes and tags; none: all but the quiet ones
	quiet []string
}

// choose reads marks=: none, all, or words such as deploy,scale.
func choose(q url.Values, quiet []string) choice {
	c := choice{quiet: quiet}
	for _, w := range strings.Split(strings.ToLower(q.Get("marks")), ",") {
		switch w = strings.TrimSpace(w); w {
		case "":
		case "none":
			c.none = true
		case "all":
			c.quiet = nil
		default:
			if len(c.words) < maxExprs*4 {
				c.words = append(c.words, w)
			}
		}
	}
	return c
}

func (c choice) wants(e Event) bool {
	if c.none {
		return false
	}
	if len(c.words) == 0 {
		return !slices.Contains(c.quiet, e.class())
	}
	return slices.ContainsFunc(c.words, func(w string) bool {
		return w == e.class() || w == e.Kind || slices.ContainsFunc(e.Tags, func(t string) bool { return strings.EqualFold(t, w) })
	})
}

// class is the kind of an event in the words of marks=.
func (e Event) class() string {
	switch e.Kind {
	case "out", "in":
		return "scale"
	case "joined", "left":
		return "instance"
	case "ok", "warning", "critical", "unknown":
		return "alert"
	}
	return e.Kind
}

// A subject is the groups and hosts that a graph is about; without any it is
// about everything.
type subject struct{ groups, hosts map[string]bool }

func newSubject() *subject { return &subject{map[string]bool{}, map[string]bool{}} }

// about adds a host and its group.
func (s *subject) about(group, host string) *subject {
	if group != "" {
		s.groups[group] = true
	}
	if host != "" {
		s.hosts[host] = true
	}
	return s
}

// concerns says whether an event is about the subject: about everything, or
// one of its hosts, or one of its groups as a whole.
func (s *subject) concerns(e Event) bool {
	if s == nil || len(s.groups)+len(s.hosts) == 0 || e.Group+e.Host == "" {
		return true
	}
	if e.Host != "" && len(s.hosts) > 0 {
		return s.hosts[e.Host]
	}
	return s.groups[e.Group]
}

// subjectOf is what series are about: by their labels, or the host of the fleet
// that their Graphite path names, and by the groups of their hosts. A series
// that does not say makes it everything.
func subjectOf(series []rrd.Labels, hosts []fleet.Host) *subject {
	s, groups := newSubject(), map[string]string{}
	for _, h := range hosts {
		groups[h.ID] = h.Group
	}
	for _, ls := range series {
		group, host := ls.Get("group"), ls.Get("host")
		if group+host == "" {
			for part := range strings.SplitSeq(ls.Get(rrd.NameLabel), ".") {
				if _, ok := groups[part]; ok {
					host = part
				}
			}
		}
		if group+host == "" {
			return newSubject()
		}
		if group == "" {
			group = groups[host]
		}
		s.about(group, host)
	}
	return s
}

func (p *Pages) subjectOf(series []rrd.Labels) *subject {
	if p.deps.Fleet == nil {
		return subjectOf(series, nil)
	}
	return subjectOf(series, p.deps.Fleet.Hosts())
}

// marked are the events of a range that a request wants to see on graphs of a
// subject.
func marked(all []Event, c choice, s *subject) []Event {
	return slices.DeleteFunc(slices.Clone(all), func(e Event) bool { return !c.wants(e) || !s.concerns(e) })
}

// maxMarks is how many marks a graph carries one by one; more are merged, so
// that a page of a year of deploys stays small.
const maxMarks = 120

// marks puts events on a figure's time axis, the oldest first. Many that are
// close together become one, which says how many.
func marks(es []Event, r Range) []Mark {
	near := time.Duration(0)
	if len(es) > maxMarks {
		near = r.Span() / maxMarks
	}
	var out []Mark
	begin := time.Time{}
	for _, e := range slices.Backward(es) {
		if n := len(out); n > 0 && near > 0 && e.At.Sub(begin) < near && !e.At.Before(r.Start) {
			out[n-1].join(e)
			continue
		}
		begin = e.At
		out = append(out, mark(e))
	}
	return out
}

func mark(e Event) Mark {
	m := Mark{At: e.At.Unix(), Text: e.Text, Kind: e.Kind, Who: e.Who, What: e.what(), N: 1}
	if !e.End.IsZero() {
		m.End = e.End.Unix()
	}
	return m
}

// join makes a mark stand for one event more.
func (m *Mark) join(e Event) {
	m.N++
	if what := e.what(); what != m.What {
		m.What = "event"
	}
	if e.Kind != m.Kind {
		m.Kind = "mark"
	}
	if !e.End.IsZero() {
		m.End = max(m.End, e.End.Unix())
	}
	m.Text, m.Who = fmt.Sprintf("%d %s", m.N, chart.Plural(m.What)), ""
}

// what is the kind of an event in one word for people.
func (e Event) what() string {
	switch e.class() {
	case "alert":
		return "state change"
	case "config":
		return "config change"
	case "scale":
		return "scale-" + e.Kind
	case "deploy", "incident", "refresh":
		return e.class()
	}
	return "event"
}

// An EventList is the events under a graph: found by words, with links.
type EventList struct {
	Path   string
	Range  Range
	Now    time.Time
	Keep   []Param // the page's own parameters, but for the search
	Search string
	Events []EventRow
	Total  int // that fit, listed or not
	Any    bool
}

// An EventRow is an event with the page over its time.
type EventRow struct {
	Event
	Around string
}

// eventList lists those events that contain all words of events=.
func (p *Pages) eventList(r *http.Request, f Frame, es []Event) EventList {
	l := EventList{Path: f.Path, Range: f.Range, Now: f.Now, Search: strings.TrimSpace(r.URL.Query().Get("events")), Any: len(es) > 0}
	for _, k := range f.Keep {
		if k.Name != "events" {
			l.Keep = append(l.Keep, k)
		}
	}
	l.Search = l.Search[:min(len(l.Search), maxEventText)]
	words := strings.Fields(strings.ToLower(l.Search))
	for _, e := range es {
		if !e.says(words) {
			continue
		}
		if l.Total++; l.Total <= maxEvents {
			l.Events = append(l.Events, EventRow{e, f.here(around(e))})
		}
	}
	return l
}

// around is the range of an event, with what was before and after it.
func around(e Event) Range { return aroundTime(e.At, e.last()) }

func aroundTime(from, to time.Time) Range {
	margin := max(15*time.Minute, 2*to.Sub(from))
	return Range{From: strconv.FormatInt(from.Add(-margin).Unix(), 10), To: strconv.FormatInt(to.Add(margin).Unix(), 10)}
}

// says is whether each word, in lower case, stands somewhere in the event.
func (e Event) says(words []string) bool {
	text := strings.ToLower(strings.Join(append([]string{e.Text, e.More, e.Who, e.Link, e.Kind, e.class(), "group:" + e.Group, "host:" + e.Host, "who:" + e.Who}, e.Tags...), "\n"))
	return !slices.ContainsFunc(words, func(w string) bool {
		tag, isTag := strings.CutPrefix(w, "tag:")
		if isTag {
			return !slices.ContainsFunc(e.Tags, func(t string) bool { return strings.EqualFold(t, tag) })
		}
		return !strings.Contains(text, w)
	})
}

// When is the event's time for people, and how long it lasted.
func (e Event) When(now time.Time) string {
	s := clock(now, e.At)
	if e.End.After(e.At) {
		s += ", " + span(e.End.Sub(e.At))
	}
	return s
}
