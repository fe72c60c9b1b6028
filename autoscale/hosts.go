package autoscale

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/rrd"
)

// maxHosts bounds what an expression may give a series for each of.
const maxHosts = 10_000

// of is what a signal says of an instance's host.
func (s Signal) of(i Instance) (v float64, known bool) {
	if v, known = s.Hosts[i.Host]; known {
		return v, true
	}
	for _, name := range hostNames(i) {
		if v, known = s.Hosts[name]; known {
			return v, true
		}
	}
	return 0, false
}

// readHosts evaluates an expression that gives one series for each host.
func (f *feed) readHosts(ctx context.Context, metrics rrd.Evaluator, now time.Time, stale time.Duration) (hosts map[string]float64, trouble string) {
	values, err := metrics.Eval(ctx, f.Expr, now)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("the query failed: %.*s", maxTrouble, err.Error())
	case len(values) == 0:
		return nil, "the query found no series"
	case len(values) > maxHosts:
		return nil, fmt.Sprintf("the query gives %d series, the limit is %d", len(values), maxHosts)
	}
	hosts = make(map[string]float64, len(values))
	for _, v := range values {
		host := f.hostOf(v.Labels)
		if host == "" {
			return nil, "a series has no host: see to it that the label host stays"
		}
		if _, twice := hosts[host]; twice {
			return nil, fmt.Sprintf("the query gives several series of host %s, one is wanted", host)
		}
		if finite(v.Value) {
			hosts[host] = v.Value
		}
	}
	if trouble := f.old(ctx, metrics, now, stale); trouble != "" {
		return nil, trouble
	}
	if trouble := f.repeats(metrics, mean(hosts), now); trouble != "" {
		return nil, "the mean of all hosts: " + trouble
	}
	return hosts, ""
}

// mean is that of hosts in an order, so that the same values give the same mean
// to the last bit.
func mean(hosts map[string]float64) (sum float64) {
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		sum += hosts[host]
	}
	return sum / float64(max(len(hosts), 1))
}

// A tally is what the hosts of a group amount to, for a policy that looks at
// each of them.
type tally struct {
	missing string
	value   float64 // of which durations are reckoned
	servers int     // that are in service, but for those too new to be known
	known   int     // of which something is known
	text    string  // what was counted
	sum     float64 // of the values
	hosts   []HostValue
}

// saw notes what is known of a host.
func (t *tally) saw(i Instance, v float64) {
	t.hosts = append(t.hosts, HostValue{cmp.Or(i.Host, i.ID), v})
}

// evidence is what a decision shows of the hosts: the most loaded, by an order.
func (t tally) evidence(loaded func(a, b HostValue) int) []HostValue {
	slices.SortFunc(t.hosts, func(a, b HostValue) int {
		return cmp.Or(loaded(a, b), strings.Compare(a.Host, b.Host))
	})
	return slices.Clone(t.hosts[:min(len(t.hosts), maxPoints)])
}

// tally counts the hosts as the policy does.
func (p Policy) tally(g Group, in Input) tally {
	s := in.Signals[p.Name]
	if s.Trouble != "" || len(s.Hosts) == 0 {
		return tally{missing: cmp.Or(s.Trouble, "no host yet")}
	}
	var t tally
	switch p.Kind() {
	case ByFree:
		t = p.Free.tally(g, in, s, in.Signals[p.Name+keyRunQueue])
	case ByVotes:
		t = p.Votes.tally(g, in, s)
	}
	// Who is heard of by half is not asked what the whole is like.
	if t.missing == "" && (t.known == 0 || 2*t.known < t.servers) {
		t.missing = fmt.Sprintf("%d of %d hosts are known", t.known, t.servers)
	}
	return t
}

// point is the value of a point of it.
func (t tally) point() float64 {
	if t.missing != "" {
		return math.NaN()
	}
	return t.value
}

// tally completes the newest points of policies that look at hosts, which the
// group's instances are needed for. Callers hold g.mu.
func (g *group) tally(conf Group, in Input) {
	for _, p := range conf.All() {
		i := slices.IndexFunc(g.feeds, func(f *feed) bool { return f.Key == p.Name })
		if p.byHost() && i >= 0 {
			f := g.feeds[i]
			f.value = p.tally(conf, in).point()
			f.points[len(f.points)-1].Value = f.value
		}
	}
}

// tooNew says whether an instance need not be known yet.
func (g Group) tooNew(i Instance, now time.Time) bool {
	return !i.FirstSeen.IsZero() && now.Sub(i.FirstSeen) < g.Warm
}
