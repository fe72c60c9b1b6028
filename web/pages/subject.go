package pages

import (
	"rondo/alerts/fleet"
	"rondo/syslogd/filter"
)

// subjectOfFilter is what log lines are about: the hosts that a filter leaves,
// with their groups. A filter that names no host leaves everything.
func (p *Pages) subjectOfFilter(f *filter.Filter) *subject {
	s := newSubject()
	named := hostFields(f.Root)
	if len(named) == 0 {
		return s
	}
	var hosts []fleet.Host
	if p.deps.Fleet != nil {
		hosts = p.deps.Fleet.Hosts()
	}
	for _, h := range hosts {
		if may, _ := ofHost(f.Root, h.ID); may {
			s.about(h.Group, h.ID)
		}
	}
	for _, n := range named { // the fleet need not know it
		if may, _ := ofHost(f.Root, n.Value); may {
			s.about("", n.Value)
		}
	}
	return s
}

// hostFields are the terms of a filter that name hosts.
func hostFields(e filter.Expr) (out []*filter.Field) {
	var terms []filter.Expr
	switch e := e.(type) {
	case filter.And:
		terms = e.Terms
	case filter.Or:
		terms = e.Terms
	case filter.Not:
		return hostFields(e.Term)
	case *filter.Field:
		if e.Name == "host" {
			out = append(out, e)
		}
	}
	for _, t := range terms {
		out = append(out, hostFields(t)...)
	}
	return out
}

// ofHost says whether a line of a host may match, and whether each of them must.
func ofHost(e filter.Expr, host string) (may, must bool) {
	switch e := e.(type) {
	case filter.And:
		may, must = true, true
		for _, t := range e.Terms {
			a, b := ofHost(t, host)
			may, must = may && a, must && b
		}
		return may, must
	case filter.Or:
		for _, t := range e.Terms {
			a, b := ofHost(t, host)
			may, must = may || a, must || b
		}
		return may, must
	case filter.Not:
		may, must = ofHost(e.Term, host)
		return !must, !may
	case *filter.Field:
		if e.Name == "host" {
			is := e.MatchValue(host)
			return is, is
		}
	}
	return true, false
}
