package stage

import "sync/atomic"

// A Reason is why a message was dropped.
type Reason string

// The reasons.
const (
	Repeated    Reason = "repeated"     // dedup: it is counted in a summary
	RateLimited Reason = "rate_limited" // rate_limit
	Sampled     Reason = "sampled"      // sample
	Filtered    Reason = "filtered"     // drop
)

// Count is what became of the messages that a stage has seen: Matched =
// unchanged + Changed + Dropped. Over a whole pipe, messages in + Made =
// messages out + Dropped.
type Count struct {
	Stage   string
	Kind    string // the key of the configuration
	Reason  Reason // of Dropped; "" for kinds that drop nothing
	Matched uint64 // passed the filter
	Changed uint64 // for parse: those that were of the format
	Dropped uint64
	Made    uint64 // summaries
	Cut     uint64 // values that parse left out because they were beyond a bound
}

// Counts are those of all stages, in their order.
func (p *Pipe) Counts() []Count {
	if p == nil {
		return nil
	}
	all := make([]Count, len(p.steps))
	for i := range p.steps {
		s := p.steps[i]
		all[i] = Count{
			Stage: s.name, Kind: s.kind, Reason: s.reason, Matched: s.matched.total.Load(), Changed: s.changed.total.Load(),
			Dropped: s.dropped.total.Load(), Made: s.made.total.Load(), Cut: s.cut.total.Load(),
		}
	}
	return all
}

// Report calls add with what was counted since the last Report:
//
//	dropped_REASON       by all stages together
//	stages_made          summaries
//	stage_NAME_matched, stage_NAME_changed, stage_NAME_dropped, stage_NAME_made, stage_NAME_cut
func (p *Pipe) Report(add func(what string, n int)) {
	if p == nil {
		return
	}
	for i := range p.steps {
		s := p.steps[i]
		s.matched.report(add)
		s.changed.report(add)
		s.cut.report(add)
		if n := s.dropped.report(add); n > 0 {
			add(s.droppedAs, n)
		}
		if n := s.made.report(add); n > 0 {
			add("stages_made", n)
		}
	}
}

// counters are those of one step.
type counters struct {
	matched, changed, dropped, made, cut counter
	droppedAs                            string
}

func (c *counters) init(stage string, reason Reason) {
	c.droppedAs = "dropped_" + string(reason)
	c.matched.name = "stage_" + stage + "_matched"
	c.changed.name = "stage_" + stage + "_changed"
	c.dropped.name = "stage_" + stage + "_dropped"
	c.made.name = "stage_" + stage + "_made"
	c.cut.name = "stage_" + stage + "_cut"
}

func (c *counters) add(t *tally) {
	c.matched.add(t.matched)
	c.changed.add(t.changed)
	c.dropped.add(t.dropped)
	c.made.add(t.made)
	c.cut.add(t.cut)
	*t = tally{}
}

// A counter is a count and how much of it was reported.
type counter struct {
	name            string
	total, reported atomic.Uint64
}

func (c *counter) add(n uint64) {
	if n > 0 {
		c.total.Add(n)
	}
}

// report gives out each message once, whoever calls at the same time.
func (c *counter) report(add func(string, int)) int {
	for {
		from, to := c.reported.Load(), c.total.Load()
		if from >= to {
			return 0
		}
		if c.reported.CompareAndSwap(from, to) {
			add(c.name, int(to-from))
			return int(to - from)
		}
	}
}

// tally counts for one batch, so that goroutines meet once for each of them.
type tally struct{ matched, changed, dropped, made, cut uint64 }

func (t *tally) count(v verdict, cut uint64) {
	t.matched++
	t.cut += cut
	switch v {
	case changed:
		t.changed++
	case dropped:
		t.dropped++
	case unchanged:
	}
}
