package event

import (
	"slices"
	"strings"
	"time"
)

// A Query asks for events. All that is set must fit.
type Query struct {
	From, To time.Time         // those that happened in this range or lasted into it; zero: open
	Tags     []string          // each of them
	Any      bool              // one of the tags is enough
	Labels   map[string]string // these labels
	Text     string            // these words, anywhere, in any case; each may be the begin of tag:, group:, ...
	Limit    int               // the newest so many; 0: all
}

// List returns the events that fit, newest first.
func (s *Store) List(q Query) []Event {
	words := strings.Fields(strings.ToLower(q.Text))
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Event
	for _, e := range slices.Backward(s.list) {
		if q.Limit > 0 && len(out) == q.Limit {
			break
		}
		if !e.Removed && q.fits(e) && e.says(words) {
			out = append(out, *e)
		}
	}
	return out
}

func (q *Query) fits(e *Event) bool {
	if !q.From.IsZero() && e.Last().Before(q.From) || !q.To.IsZero() && e.At.After(q.To) {
		return false
	}
	for k, v := range q.Labels {
		if e.Labels[k] != v {
			return false
		}
	}
	if q.Any && len(q.Tags) > 0 {
		return slices.ContainsFunc(q.Tags, e.Has)
	}
	return !slices.ContainsFunc(q.Tags, func(t string) bool { return !e.Has(t) })
}

// says whether each of some words, in lower case, stands somewhere in the event.
func (e *Event) says(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool {
		if name, value, ok := strings.Cut(w, ":"); ok && e.named(name, value) {
			return false
		}
		return !slices.ContainsFunc(e.texts(), func(t string) bool { return strings.Contains(strings.ToLower(t), w) })
	})
}

// named says whether a field or label with this name has this value.
func (e *Event) named(name, value string) bool {
	switch name {
	case "tag":
		return slices.ContainsFunc(e.Tags, func(t string) bool { return strings.EqualFold(t, value) })
	case "who":
		return strings.EqualFold(e.Who, value)
	case "source":
		return strings.EqualFold(e.Source, value)
	}
	for k, v := range e.Labels {
		if strings.EqualFold(k, name) && strings.EqualFold(v, value) {
			return true
		}
	}
	return false
}

func (e *Event) texts() []string {
	all := append([]string{e.Title, e.Text, e.Who, e.Link, e.Source, e.ID}, e.Tags...)
	for k, v := range e.Labels {
		all = append(all, k+"="+v)
	}
	return all
}
