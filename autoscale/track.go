package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// A TrackPolicy follows the load: it keeps as many instances as the work is
// expected to need when an instance that is launched now will serve, with room
// for noise. It is for metrics that say how much of an instance is used, 1 being
// all of it, and that go above 1 when it is too much (work waiting, not CPU).
//
// How much room is a matter of price, as with a newspaper boy's stock: one more
// instance is kept while the chance that it will be missing, times Penalty, is
// more than its share of the cost. So two servers are let run closer to the wind
// than forty, of which one more costs little.
type TrackPolicy struct {
	Use     float64       `yaml:"use"`     // share of an instance that is to be used at most; default 0.8
	Penalty float64       `yaml:"penalty"` // what it is worth that no instance is missing, in what an instance costs; default 6
	Step    time.Duration `yaml:"step"`    // points closer than this are averaged; default 10s
}

// What shrinking takes.
const (
	shrinkCaution = 0.25        // the chance of being short must be so much smaller than growing allows
	shrinkFor     = time.Minute // as seen from every moment of that time
	shrinkLeast   = 0.06        // of the capacity must go at once: many small steps are worth nothing
	mostChance    = 0.03        // of being short, however dear one more instance is
	growMore      = 0.03        // is added to what is missing, for the same reason

)

func (t TrackPolicy) withDefaults() TrackPolicy {
	if t.Use == 0 {
		t.Use = 0.8
	}
	if t.Penalty == 0 {
		t.Penalty = 6
	}
	if t.Step == 0 {
		t.Step = 10 * time.Second
	}
	return t
}

// reach is how far back points are looked at; t may be nil.
func (t *TrackPolicy) reach() time.Duration {
	if t == nil {
		return 0
	}
	return forecastPoints * t.Step
}

// validate checks the fields of the policy.
func (t TrackPolicy) validate(check func(bool, string, ...any)) {
	check(t.Use > 0 && t.Use <= 1, "track.use %v: want more than 0, at most 1", t.Use)
	check(t.Penalty >= 1 && t.Penalty <= 1000, "track.penalty %v: want 1 to 1000", t.Penalty)
	check(t.Step >= time.Second && t.Step <= 10*time.Minute, "track.step %v: want 1s to 10m", t.Step)
}

// moments are the work at the newest points: a point's value times how many
// served it. Points closer than the step are averaged. A gap longer than the
// group's stale ends them: what was before it says nothing of now.
func (g Group) moments(points []Point, serving int) []moment {
	var out []moment // newest first
	var b bucket
	var newest, before time.Time
	for _, p := range slices.Backward(points) {
		if !finite(p.Value) {
			continue
		}
		if newest.IsZero() {
			newest, before = p.Time, p.Time
		}
		if before.Sub(p.Time) > g.Stale || len(out) == forecastPoints {
			break
		}
		before = p.Time
		ago := newest.Sub(p.Time)
		if i := int64(ago / g.Track.Step); i != b.index {
			out = b.appendTo(out)
			b = bucket{index: i}
		}
		b.n++
		b.at -= ago.Seconds()
		b.work += p.Value * float64(max(cmp.Or(p.Serving, serving), 1))
	}
	out = b.appendTo(out)
	slices.Reverse(out)
	return out
}

// A bucket gathers points that are averaged.
type bucket struct {
	index       int64 // steps before the newest point
	n, at, work float64
}

func (b bucket) appendTo(ms []moment) []moment {
	if b.n == 0 {
		return ms
	}
	return append(ms, moment{b.at / b.n, b.work / b.n})
}

// planTrack asks the forecast.
func (g Group) planTrack(c counts, in Input, r reading) plan {
	ms := g.moments(upTo(in.Points, in.Now), c.serving())
	horizon := (g.Boot + in.Now.Sub(r.at)).Seconds() // what is launched now serves then
	f := forecastOf(ms, horizon)
	need := g.Track.need(f, horizon, 1)
	reason := g.Track.reason(f, horizon, need) + g.learntBoot(in)
	switch {
	case need > c.capacity && c.capacity >= g.Max:
		return plan{to: c.capacity, code: codeAtMax, reason: fmt.Sprintf("%s, capacity is at max %d", reason, g.Max)}
	case need > c.capacity:
		return plan{to: max(need, int(math.Round(float64(need)*(1+growMore)))), code: codeAbove, reason: reason}
	case c.capacity <= g.Min:
		return plan{to: c.capacity, code: codeAtMin, reason: fmt.Sprintf("%s, capacity is at min %d", reason, g.Min)}
	}
	keep := g.shrinkTo(ms, horizon, f, c.capacity)
	switch {
	case keep >= c.capacity:
		return plan{to: c.capacity, code: codeSteady, reason: reason}
	case float64(c.capacity-max(keep, g.Min)) < shrinkLeast*float64(c.capacity):
		return plan{to: c.capacity, code: codeTight, reason: fmt.Sprintf("%s; %d would do, which is too little a change", reason, keep)}
	}
	return plan{to: keep, code: codeBelow, reason: fmt.Sprintf("%s; %d were enough over the last %s", reason, keep, span(shrinkFor))}
}

// need is the least number of instances of which one more is not worth its
// price, now and at the horizon. caution shrinks the chance that is accepted.
func (t TrackPolicy) need(f forecast, horizon, caution float64) int {
	return max(t.enough(f, 0, caution), t.enough(f, horizon, caution))
}

func (t TrackPolicy) enough(f forecast, ahead, caution float64) int {
	work, deviation := f.at(ahead)
	n := wholes(work / t.Use)
	for {
		chance := caution * min(1/(t.Penalty*float64(n)), mostChance)
		most := wholes((work + deviation*normalQuantile(1-chance)) / t.Use)
		if most <= n {
			return n
		}
		n = most // of which one more costs less, and may be worth it again
	}
}

// shrinkTo is what would have been enough, with caution, as seen from every
// moment of the last minute; capacity where that is no less. Noise is taken to
// be what f found.
func (g Group) shrinkTo(ms []moment, horizon float64, f forecast, capacity int) (most int) {
	newest := ms[len(ms)-1].at
	for n := len(ms); n > 0 && newest-ms[n-1].at < shrinkFor.Seconds() && most < capacity; n-- {
		most = max(most, g.Track.need(f.before(ms[:n]), horizon, shrinkCaution))
	}
	return min(most, capacity)
}

// reason says what the forecast is, for people.
func (t TrackPolicy) reason(f forecast, horizon float64, need int) string {
	ahead, deviation := f.at(horizon)
	slope, _ := f.trend()
	way := "level"
	switch perMinute := slope * 60; {
	case perMinute >= 0.005:
		way = "rising by " + num(perMinute) + " a minute"
	case perMinute <= -0.005:
		way = "falling by " + num(-perMinute) + " a minute"
	}
	return fmt.Sprintf("work for %s servers, %s, in %s for %s ± %s: %d wanted at %s %% use",
		num(f.level), way, span(seconds(horizon)), num(ahead), num(deviation), need, num(t.Use*100))
}

// normalQuantile is where a normal distribution reaches the share p.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
