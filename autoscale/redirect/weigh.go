package redirect

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"rondo/autoscale"
)

// A sight is what is known of a group's hosts at one time.
type sight struct {
	now      time.Time
	free     map[string]float64 // by host; what is not in it is not known
	size     map[string]float64
	sessions map[string]float64
	heard    func(host string) (time.Time, bool) // its newest heartbeat
}

// of is what is known of an instance.
func of(values map[string]float64, i autoscale.Instance) (float64, bool) {
	if v, ok := values[i.Host]; ok && i.Host != "" {
		return v, true
	}
	for _, name := range i.Names() {
		if v, ok := values[name]; ok {
			return v, true
		}
	}
	return 0, false
}

// fresh says whether an instance's heartbeat is no older than stale.
func (s sight) fresh(i autoscale.Instance, stale time.Duration) bool {
	last := i.LastSeen
	if t, ok := s.heard(NameOf(i)); ok && t.After(last) {
		last = t
	}
	return s.now.Sub(last) <= stale
}

// check finds readings that cannot be what they are taken for.
func (s sight) check() error {
	for _, host := range slices.Sorted(maps.Keys(s.free)) {
		if v := s.free[host]; v < 0 || v > 1+1e-6 {
			return fmt.Errorf("free: %v of host %s is no share from 0 to 1: divide percent by 100", v, host)
		}
	}
	for _, host := range slices.Sorted(maps.Keys(s.size)) {
		if v := s.size[host]; v <= 0 {
			return fmt.Errorf("size: %v of host %s: want more than 0", v, host)
		}
	}
	return nil
}

// weigh makes a table of the instances, in their order, and says how large the
// largest of them is.
//
// In service with a fresh heartbeat, a server weighs its free share times its
// size; where that is not known, as of one that has just joined, the mean of
// the others. With an old heartbeat it weighs nothing. Where nobody is in service
// but servers that were heard of before, all of those are open alike: more
// likely we hear nothing than all of them died at once.
func weigh(instances []autoscale.Instance, s sight, stale time.Duration) (t Table, full float64) {
	sizes := s.sizes(instances)
	deaf := isDeaf(instances)
	var known, weights float64
	for k, i := range instances {
		full = max(full, sizes[k])
		server := Server{Instance: i.ID}
		switch i.Phase {
		case autoscale.InService:
			server.Open, server.Keeps = true, true
		case autoscale.Draining:
			server.Keeps = true
		case autoscale.Booting:
			server.Keeps = wasHeard(i) // we have just started, not it
		}
		if deaf && wasHeard(i) {
			server.Open, server.Keeps, server.Source = true, true, Deaf
		}
		free, ok := of(s.free, i)
		switch {
		case !server.Open || server.Source == Deaf:
		case !s.fresh(i, stale):
			server.Source = Stale
		case !ok:
			server.Source = Mean
		default:
			server.Source, server.Weight = Measured, min(free, 1)*sizes[k]
			known, weights = known+sizes[k], weights+server.Weight
		}
		t.Servers = append(t.Servers, server)
	}
	mean := 1.0
	if known > 0 {
		mean = weights / known
	}
	for k := range t.Servers {
		if t.Servers[k].Source == Mean {
			t.Servers[k].Weight = mean * sizes[k]
		}
	}
	return t, full
}

// sizes are those of all instances; of one whose size is not known, the mean of
// the others.
func (s sight) sizes(instances []autoscale.Instance) []float64 {
	out := make([]float64, len(instances))
	sum, n := 0.0, 0.0
	for k, i := range instances {
		if v, ok := of(s.size, i); ok {
			out[k] = v
			sum, n = sum+v, n+1
		}
	}
	mean := 1.0
	if n > 0 {
		mean = sum / n
	}
	for k := range out {
		if out[k] == 0 {
			out[k] = mean
		}
	}
	return out
}

// isDeaf says whether nobody is in service of those who were heard of.
func isDeaf(instances []autoscale.Instance) bool {
	return slices.ContainsFunc(instances, wasHeard) &&
		!slices.ContainsFunc(instances, func(i autoscale.Instance) bool { return i.Phase == autoscale.InService })
}

// wasHeard says whether an instance runs and was in service before.
func wasHeard(i autoscale.Instance) bool {
	return (i.Phase == autoscale.Silent || i.Phase == autoscale.Booting) && !i.LastSeen.IsZero()
}

// The bounds of what a session is learnt to take of a server of size 1, and
// how many sessions it takes to learn it.
const (
	leastCost, mostCost = 1e-4, 0.2
	firstCost           = 0.01
	fewSessions         = 10
	learnShare          = 0.1 // of what a look shows
)

// learn is what a session takes: all that is used, over all sessions.
func learn(cost float64, instances []autoscale.Instance, s sight, sessions func(autoscale.Instance) float64) float64 {
	sizes := s.sizes(instances)
	var used, n float64
	for k, i := range instances {
		if free, ok := of(s.free, i); ok && i.Phase == autoscale.InService {
			used += (1 - min(free, 1)) * sizes[k]
			n += sessions(i)
		}
	}
	if n < fewSessions {
		return cost
	}
	return min(max(cost+learnShare*(used/n-cost), leastCost), mostCost)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
