package check

import (
	"context"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A Role has rules of its own, which are about the hosts of its groups alone.
type Role struct {
	Name   string
	Groups []string
}

// RoleLabel is added to the readings of a role's rules.
const RoleLabel = "role"

// RuleName is the name of a role's rule among all rules.
func (r Role) RuleName(rule string) string { return strings.TrimPrefix(r.Name+"/"+rule, "/") }

// Matcher narrows selectors to the series of the role's hosts.
func (r Role) Matcher() rrd.Matcher {
	quoted := make([]string, len(r.Groups))
	for i, g := range r.Groups {
		quoted[i] = regexp.QuoteMeta(g)
	}
	return rrd.Matcher{Label: fleet.GroupLabel, Op: rrd.Regexp, Value: strings.Join(quoted, "|")}
}

// Has says whether a host is a member: it belongs to a group of the role, and
// was not withdrawn.
func (r Role) Has(h fleet.Host) bool {
	return h.Withdrawn.IsZero() && slices.Contains(r.Groups, h.Group)
}

// For makes rules those of a role. Each gets the role's name and a slash before
// its own, and the label role. Expressions see the series of the role's hosts,
// filters their messages; what is checked from outside is checked on each of
// them, unless it names targets.
//
// Who is a member is asked at each check, so there is nothing to do when hosts
// come and go. Expressions that cannot be read stay as they are: Validate says
// what is wrong with them.
func (c Config) For(r Role) Config {
	within := func(expr *string) {
		if narrowed, err := promql.Within(*expr, r.Matcher()); err == nil {
			*expr = narrowed
		}
	}
	members := func(t *Targets) {
		if t.none() {
			t.Groups = r.Groups
		}
	}
	return Config{
		Metrics:   adopt(r, c.Metrics, func(m *Metric) *Common { within(&m.Expr); return &m.Common }),
		Forecasts: adopt(r, c.Forecasts, func(f *Forecast) *Common { within(&f.Expr); return &f.Common }),
		Joins:     adopt(r, c.Joins, func(j *Join) *Common { within(&j.Metric.Expr); return &j.Common }),
		Anomalies: adopt(r, c.Anomalies, func(a *Anomaly) *Common { return &a.Common }),
		Hosts:     adopt(r, c.Hosts, func(f *Freshness) *Common { f.Groups = r.Groups; return &f.Common }),
		Logs:      adopt(r, c.Logs, func(l *Log) *Common { l.role = &r; return &l.Common }),
		Outside: Outside{
			Plugins: adopt(r, c.Outside.Plugins, func(p *Plugin) *Common { members(&p.Targets); return &p.Common }),
			NRPE:    adopt(r, c.Outside.NRPE, func(n *NRPE) *Common { members(&n.Targets); return &n.Common }),
			HTTP:    adopt(r, c.Outside.HTTP, func(h *HTTP) *Common { members(&h.Targets); return &h.Common }),
			TCP:     adopt(r, c.Outside.TCP, func(t *TCP) *Common { members(&t.Targets); return &t.Common }),
			TLS:     adopt(r, c.Outside.TLS, func(t *TLS) *Common { members(&t.Targets); return &t.Common }),
			DNS:     adopt(r, c.Outside.DNS, func(d *DNS) *Common { members(&d.Targets); return &d.Common }),
			Ping:    adopt(r, c.Outside.Ping, func(p *Ping) *Common { members(&p.Targets); return &p.Common }),
			Passive: adopt(r, c.Outside.Passive, func(p *Passive) *Common { members(&p.Targets); return &p.Common }),
		},
	}
}

// adopt copies rules and makes them those of a role.
func adopt[K any](r Role, rules []K, narrow func(*K) *Common) []K {
	out := slices.Clone(rules)
	for i := range out {
		c := narrow(&out[i])
		c.Name = r.RuleName(c.Name)
		if c.Labels = maps.Clone(c.Labels); c.Labels == nil {
			c.Labels = make(map[string]string, 1)
		}
		c.Labels[RoleLabel] = r.Name
	}
	return out
}

// And has the rules of both.
func (c Config) And(d Config) Config {
	return Config{
		Metrics: slices.Concat(c.Metrics, d.Metrics), Hosts: slices.Concat(c.Hosts, d.Hosts), Logs: slices.Concat(c.Logs, d.Logs),
		Joins: slices.Concat(c.Joins, d.Joins), Forecasts: slices.Concat(c.Forecasts, d.Forecasts), Anomalies: slices.Concat(c.Anomalies, d.Anomalies),
		Outside: Outside{
			Plugins: slices.Concat(c.Outside.Plugins, d.Outside.Plugins), NRPE: slices.Concat(c.Outside.NRPE, d.Outside.NRPE),
			HTTP: slices.Concat(c.Outside.HTTP, d.Outside.HTTP), TCP: slices.Concat(c.Outside.TCP, d.Outside.TCP),
			TLS: slices.Concat(c.Outside.TLS, d.Outside.TLS), DNS: slices.Concat(c.Outside.DNS, d.Outside.DNS),
			Ping: slices.Concat(c.Outside.Ping, d.Outside.Ping), Passive: slices.Concat(c.Outside.Passive, d.Outside.Passive),
		},
	}
}

// members are the hosts that a role's rule over logs looks at, by the names that
// messages carry; nil: it looks at all messages.
func (r *logRule) members() fleet.Directory {
	if r.role == nil {
		return nil
	}
	return fleet.NewDirectory(slices.DeleteFunc(r.hosts.Hosts(), func(h fleet.Host) bool { return !r.role.Has(h) }))
}

// countOf counts the messages of members, by the rule's fields. A host stands
// under its name in the fleet, whatever its messages call it.
func (r *logRule) countOf(ctx context.Context, members fleet.Directory, from, to time.Time) ([]Count, error) {
	if members == nil {
		return r.logs.Count(ctx, r.parsed, r.By, from, to)
	}
	by, host := r.By, slices.Index(r.By, "host")
	if host < 0 {
		by, host = append(slices.Clone(by), "host"), len(by)
	}
	counts, err := r.logs.Count(ctx, r.parsed, by, from, to)
	var out []Count
	at := make(map[string]int)
	for _, c := range counts {
		h, ok := members.Find(c.Values[host])
		if !ok {
			continue
		}
		values := slices.Clone(c.Values)
		values[host] = h.ID
		values = values[:len(r.By)]
		key := strings.Join(values, "\xff")
		i, known := at[key]
		if !known {
			i = len(out)
			at[key] = i
			out = append(out, Count{Values: values})
		}
		out[i].Messages += c.Messages
	}
	return out, err
}

// messagesOf yields the messages of members.
func (r *logRule) messagesOf(ctx context.Context, members fleet.Directory, from, to time.Time) iter.Seq2[syslog.Message, error] {
	all := r.logs.Messages(ctx, r.parsed, from, to)
	if members == nil {
		return all
	}
	return func(yield func(syslog.Message, error) bool) {
		for m, err := range all {
			if _, ok := members.Find(filter.Value(&m, "host")); err == nil && !ok {
				continue
			}
			if !yield(m, err) {
				return
			}
		}
	}
}
