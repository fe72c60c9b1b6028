package dispatch

import (
	"errors"
	"strings"

	"rondo/alerts"
	"rondo/rrd"
)

// An inhibitRule is a compiled InhibitConfig.
type inhibitRule struct {
	source, target []alerts.Matcher
	equal          []string
}

func (c InhibitConfig) compile() (r inhibitRule, err error) {
	var errs []error
	if r.source, err = parseMatchers(c.SourceMatchers); err != nil {
		errs = append(errs, prefixed("source_matchers", err))
	}
	if r.target, err = parseMatchers(c.TargetMatchers); err != nil {
		errs = append(errs, prefixed("target_matchers", err))
	}
	if len(c.SourceMatchers) == 0 || len(c.TargetMatchers) == 0 {
		errs = append(errs, errors.New("source_matchers, target_matchers: both are wanted, or everything would mute everything"))
	}
	r.equal = c.Equal
	return r, errors.Join(errs...)
}

// values are those of the equal labels; a missing label is "".
func (r inhibitRule) values(ls rrd.Labels) string {
	var b strings.Builder
	for _, name := range r.equal {
		b.WriteString(ls.Get(name) + "\xff")
	}
	return b.String()
}

// An inhibitor knows what fires, and what that mutes. Not safe for concurrent
// use.
type inhibitor struct {
	rules   []inhibitRule
	sources []map[string]map[uint64]*Alert // by rule, by equal values, by fingerprint
}

func newInhibitor(rules []inhibitRule) *inhibitor {
	in := &inhibitor{rules: rules, sources: make([]map[string]map[uint64]*Alert, len(rules))}
	for i := range rules {
		in.sources[i] = make(map[string]map[uint64]*Alert)
	}
	return in
}

// note takes an alert's newest form.
func (in *inhibitor) note(a *Alert) {
	for i, r := range in.rules {
		if !matches(r.source, a.Labels) {
			continue
		}
		key := r.values(a.Labels)
		same := in.sources[i][key]
		switch {
		case !a.Firing():
			delete(same, a.ID)
			if len(same) == 0 {
				delete(in.sources[i], key)
			}
		case same == nil:
			in.sources[i][key] = map[uint64]*Alert{a.ID: a}
		default:
			same[a.ID] = a
		}
	}
}

// source returns an alert that mutes a, or nil. What is source and target of a
// rule at once is not muted by another one that is, nor by itself.
func (in *inhibitor) source(a *Alert) *Alert {
	for i, r := range in.rules {
		if !matches(r.target, a.Labels) {
			continue
		}
		both := matches(r.source, a.Labels)
		for _, s := range in.sources[i][r.values(a.Labels)] {
			if !both || !matches(r.target, s.Labels) {
				return s
			}
		}
	}
	return nil
}
