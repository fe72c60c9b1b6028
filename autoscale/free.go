package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// A FreePolicy keeps some capacity free, which is what arrives first at a crowd
// (Magoutis). It adds up the free CPU capacity of the servers whose run queues are
// short: one with work waiting has none to give, whatever its CPU says. The
// metric is the free share of each host, from 0 to 1, as a series for each.
//
// By of: server, the default, the thresholds are in servers: one is started when
// less than half a server is free, and one retired when more than one and a half
// are. By of: fleet they are shares of all that serve.
//
// Hosts that nothing is known of have nothing free.
type FreePolicy struct {
	RunQueue    string        `yaml:"run_queue"` // PromQL: a series for each host; without it all queues are short
	Short       float64       `yaml:"short"`     // a run queue up to this is, more than 0; default 2
	Of          string        `yaml:"of"`        // server or fleet
	Below       float64       `yaml:"below"`     // default 0.5; of the fleet 0.2
	Above       float64       `yaml:"above"`     // default 1.5; of the fleet 0.4
	For         time.Duration `yaml:"for"`       // how long it must be below; default 0
	Add         Amount        `yaml:"add"`       // default 1; of the fleet enough
	Remove      Amount        `yaml:"remove"`    // default 1
	ShrinkAfter time.Duration `yaml:"shrink_after"`
}

// What thresholds are of.
const (
	ofServer = "server"
	ofFleet  = "fleet"
)

func (f FreePolicy) withDefaults() *FreePolicy {
	f.Of = cmp.Or(f.Of, ofServer)
	if f.Of == ofFleet {
		f.Below, f.Above, f.Add = cmp.Or(f.Below, 0.2), cmp.Or(f.Above, 0.4), cmp.Or(f.Add, Enough)
	}
	f.Below, f.Above, f.Add, f.Remove = cmp.Or(f.Below, 0.5), cmp.Or(f.Above, 1.5), cmp.Or(f.Add, 1), cmp.Or(f.Remove, 1)
	f.Short, f.ShrinkAfter = cmp.Or(f.Short, 2), cmp.Or(f.ShrinkAfter, defaultShrinkAfter)
	return &f
}

func (f FreePolicy) validate(check func(bool, string, ...any)) {
	check(f.Of == ofServer || f.Of == ofFleet, "free.of %q: want server or fleet", f.Of)
	check(positive(f.Below), "free.below %v: want more than 0", f.Below)
	if f.Of == ofFleet {
		check(f.Above > f.Below && f.Above < 1, "free.above %v: want more than below %v, and less than 1, which is the whole fleet", f.Above, f.Below)
	} else {
		check(f.Above >= f.Below+1 && !math.IsInf(f.Above, 0), "free.above %v: want at least a server more than below %v, which is what one less costs", f.Above, f.Below)
	}
	check(f.Short >= 0 && finite(f.Short), "free.short %v: want 0 or more", f.Short)
	check(f.Add >= Enough && f.Remove >= Enough, "free: add and remove want a number from 1 on, or enough")
	check(f.For >= 0 && f.For <= time.Hour, "free.for %v: want 0 to 1h", f.For)
	checkShrinkAfter(ByFree, f.ShrinkAfter, check)
}

// tally adds up what is free. The work of hosts that drain will be the others'.
func (f FreePolicy) tally(g Group, in Input, free, queues Signal) (t tally) {
	long := 0
	for _, i := range in.Instances {
		if i.Phase != InService && i.Phase != Draining {
			continue
		}
		v, known := free.of(i)
		queue, also := queues.of(i)
		switch {
		case known && (v < 0 || v > 1+1e-6):
			t.missing = fmt.Sprintf("%s of host %s is no share from 0 to 1: divide percent by 100", num(v), i.Host)
			return t
		case i.Phase == Draining:
			if known {
				t.sum -= 1 - v
			}
			continue
		case !known && g.tooNew(i, in.Now):
			continue
		}
		t.servers++
		switch {
		case !known || !also && f.RunQueue != "":
			continue
		case queue <= f.Short:
			t.sum += v
		default:
			long++
		}
		t.known++
		t.saw(i, v)
	}
	t.value = t.sum
	t.text = fmt.Sprintf("%s of %d servers free", num(t.sum), t.servers)
	if f.Of == ofFleet {
		t.value /= float64(max(t.servers, 1))
		t.text = fmt.Sprintf("%s %% of %d servers free", num(100*t.value), t.servers)
	}
	if long > 0 {
		t.text += fmt.Sprintf(", %d with a long queue", long)
	}
	if unknown := t.servers - t.known; unknown > 0 {
		t.text += fmt.Sprintf(", %d unknown", unknown)
	}
	return t
}

// planFree keeps what is free between the thresholds.
func (p Policy) planFree(g Group, c counts, in Input) plan {
	f := p.Free
	t := p.tally(g, in)
	if queues := in.Signals[p.Name+keyRunQueue]; f.RunQueue != "" && queues.Trouble != "" {
		t.missing = "run queue: " + queues.Trouble
	}
	points := upTo(in.Signals[p.Name].Points, in.Now)
	if t.missing != "" || len(points) == 0 {
		return c.missing(p.Title, cmp.Or(t.missing, "no point yet"))
	}
	r := reading{value: t.value, points: evidence(points)}
	r.hosts = t.evidence(func(a, b HostValue) int { return cmp.Compare(a.Value, b.Value) })
	below := run(points, g.Stale, func(v float64) bool { return v < f.Below })
	above := run(points, g.Stale, func(v float64) bool { return v > f.Above })
	switch {
	case below >= 0 && below < f.For:
		return r.plan(c.stay(codeRising, "%s, below %s for %s of %s", t.text, f.level(f.Below), span(below), span(f.For)))
	case below >= 0:
		return r.plan(g.grow(c, f.need(t, f.Add), fmt.Sprintf("%s, below %s%s", t.text, f.level(f.Below), lasting(below))))
	case above >= 0 && above < f.ShrinkAfter:
		return r.plan(c.stay(codeFalling, "%s, above %s for %s of %s", t.text, f.level(f.Above), span(above), span(f.ShrinkAfter)))
	case above >= 0:
		return r.plan(f.planIn(g, c, t, fmt.Sprintf("%s, above %s%s", t.text, f.level(f.Above), lasting(above))))
	}
	return r.plan(c.stay(codeSteady, "%s, between %s and %s", t.text, f.level(f.Below), f.level(f.Above)))
}

// level writes a threshold.
func (f FreePolicy) level(v float64) string {
	if f.Of == ofFleet {
		return num(100*v) + " %"
	}
	return num(v)
}

// need is how many there should be: add more than serve now, or enough of them
// that no less than the lower threshold is free.
func (f FreePolicy) need(t tally, add Amount) int {
	work := float64(t.servers) - t.sum
	switch {
	case add != Enough:
		return t.servers + int(add)
	case f.Of == ofFleet:
		return wholes(work / (1 - f.Below))
	}
	return wholes(work + f.Below)
}

func (f FreePolicy) planIn(g Group, c counts, t tally, reason string) plan {
	least := f.need(t, Enough)
	to := least
	if f.Remove != Enough {
		to = max(c.capacity-int(f.Remove), 0)
	}
	return g.shrink(c, to, least, reason, fmt.Sprintf("keep %s free", f.level(f.Below)))
}

// shrink goes to so many, but not below the least that is enough.
func (g Group) shrink(c counts, to, least int, reason, keep string) plan {
	switch {
	case c.capacity <= g.Min:
		return c.stay(codeAtMin, "%s: capacity is at min %d", reason, g.Min)
	case least >= c.capacity || to >= c.capacity:
		return c.stay(codeTight, "%s: %d are needed to %s", reason, least, keep)
	}
	return plan{to: to, code: codeBelow, reason: reason, need: least, keep: keep}
}
