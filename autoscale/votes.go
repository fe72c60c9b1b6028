package autoscale

import (
	"cmp"
	"fmt"
	"time"
)

// A VotesPolicy lets the servers vote, as RightScale did: each whose own metric
// is above one threshold is for more, each below another one for fewer, and what
// a majority wants is done. A few hot servers, or one that reports nonsense,
// decide nothing; nor does an average that hides that most are full.
//
// A vote counts by how fresh the server's heartbeat is: from 1 when it was just
// heard of down to 0 when it is taken to be silent. Who says nothing abstains,
// and counts against both. The metric is the load of each host, as a series for
// each.
type VotesPolicy struct {
	Above       float64       `yaml:"above"`
	Below       float64       `yaml:"below"`
	Share       float64       `yaml:"share"`  // of the votes that decides; default 0.51
	Add         Amount        `yaml:"add"`    // default 2
	Remove      Amount        `yaml:"remove"` // default 1
	Calm        time.Duration `yaml:"calm"`   // rest after a change of the group; default 15m
	For         time.Duration `yaml:"for"`    // how long a majority must want more; default 0
	ShrinkAfter time.Duration `yaml:"shrink_after"`
}

func (v VotesPolicy) withDefaults() *VotesPolicy {
	v.Share, v.Add, v.Remove = cmp.Or(v.Share, 0.51), cmp.Or(v.Add, 2), cmp.Or(v.Remove, 1)
	v.Calm, v.ShrinkAfter = cmp.Or(v.Calm, 15*time.Minute), cmp.Or(v.ShrinkAfter, defaultShrinkAfter)
	return &v
}

func (v VotesPolicy) validate(check func(bool, string, ...any)) {
	check(positive(v.Above), "votes.above %v: want more than 0", v.Above)
	check(finite(v.Below), "votes.below %v: want a number", v.Below)
	check(v.Below < v.Above, "votes.below %v must be less than votes.above %v: between them servers abstain", v.Below, v.Above)
	check(v.Share >= 0.5 && v.Share <= 1, "votes.share %v: want 0.5 to 1", v.Share)
	check(v.Add >= 1 && v.Remove >= 1, "votes: add and remove want a number from 1 on")
	check(v.Calm >= 0 && v.Calm <= 24*time.Hour, "votes.calm %v: want 0 to 24h", v.Calm)
	check(v.For >= 0 && v.For <= time.Hour, "votes.for %v: want 0 to 1h", v.For)
	checkShrinkAfter(ByVotes, v.ShrinkAfter, check)
}

// tally counts the votes. Its value is the share that is for more, or minus the
// share that is for fewer, whichever is larger.
func (v VotesPolicy) tally(g Group, in Input, loads Signal) (t tally) {
	var more, fewer, all float64
	for _, i := range in.Instances {
		load, known := loads.of(i)
		if i.Phase != InService || !known && g.tooNew(i, in.Now) {
			continue
		}
		t.servers++
		weight := g.freshness(i, in.Now)
		all += weight
		if !known {
			continue
		}
		t.known++
		t.saw(i, load)
		t.sum += load
		switch {
		case load > v.Above:
			more += weight
		case load < v.Below:
			fewer += weight
		}
	}
	if all == 0 {
		t.missing = "no vote counts"
		return t
	}
	more, fewer = more/all, fewer/all
	t.value = more
	if fewer > more {
		t.value = -fewer
	}
	t.text = fmt.Sprintf("%s %% of %d servers are for more, %s %% for fewer", num(100*more), t.servers, num(100*fewer))
	return t
}

// freshness is what an instance's vote weighs.
func (g Group) freshness(i Instance, now time.Time) float64 {
	if i.LastSeen.IsZero() {
		return 1 // nobody says when it was heard of
	}
	return min(max(1-now.Sub(i.LastSeen).Seconds()/g.Silent.Seconds(), 0), 1)
}

// planVotes does what a majority wants.
func (p Policy) planVotes(g Group, c counts, in Input) plan {
	v, t := p.Votes, p.tally(g, in)
	points := upTo(in.Signals[p.Name].Points, in.Now)
	if t.missing != "" || len(points) == 0 {
		return c.missing(p.Title, cmp.Or(t.missing, "no point yet"))
	}
	r := reading{value: t.value, points: evidence(points)}
	r.hosts = t.evidence(func(a, b HostValue) int { return cmp.Compare(b.Value, a.Value) })
	more := run(points, g.Stale, func(x float64) bool { return x >= v.Share })
	fewer := run(points, g.Stale, func(x float64) bool { return -x >= v.Share })
	calm := v.Calm - in.Now.Sub(in.Last.At)
	switch {
	case more < 0 && fewer < 0:
		return r.plan(c.stay(codeSteady, "%s, %s %% decide", t.text, num(100*v.Share)))
	case more >= 0 && more < v.For:
		return r.plan(c.stay(codeRising, "%s for %s of %s", t.text, span(more), span(v.For)))
	case fewer >= 0 && fewer < v.ShrinkAfter:
		return r.plan(c.stay(codeFalling, "%s for %s of %s", t.text, span(fewer), span(v.ShrinkAfter)))
	case !in.Last.At.IsZero() && calm > 0:
		return r.plan(c.stay(codeCalm, "%s, calm for %s more", t.text, span(calm)))
	case more >= 0:
		return r.plan(g.grow(c, c.inService+int(v.Add), t.text+lasting(more)))
	}
	// The rest will have the work of who goes.
	mean := t.sum / float64(t.known)
	least := 0
	if mean > 0 {
		least = wholes(mean * float64(c.serving()) / v.Above)
	}
	return r.plan(g.shrink(c, max(c.capacity-int(v.Remove), 0), least, t.text+lasting(fewer), "keep the mean of their loads at or below "+num(v.Above)))
}
