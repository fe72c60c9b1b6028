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
	Penalty float64       `yaml:"penalty"` // what it is worth that no instance is missing, in what an instance costs; default 1.5
	Step    time.Duration `yaml:"step"`    // points closer than this are averaged; default 10s
	Seasons string        `yaml:"seasons"` // auto, the default: what used to come at this time of day and week counts while it is a good forecast; off: it does not
}

// What growing and shrinking take.
const (
	mostChance = 0.05        // of being short, however dear one more instance is
	growMore   = 0.02        // is added to what is missing: many small steps are worth nothing
	growAhead  = 4 * 60      // seconds: what a climb will ask for after the horizon is launched with the rest,
	growMost   = 0.06        // but no more than this share
	retireRisk = 0.004       // the chance of being short after a scale-in, or
	retireCare = 0.6         // this share of what growing allows, where that is less
	retireFor  = 10 * 60     // seconds: nobody goes who is asked for again so soon after the horizon
	watchFor   = time.Minute // past looks are so far apart that all must agree on a scale-in,
	watches    = 8           // and so many,
	fallShare  = 2           // moved along the trend by so much of it: it was believed with caution
	leastLeave = 0.06        // of the capacity must go at once, as with growMore
)

func (t TrackPolicy) withDefaults() TrackPolicy {
	if t.Use == 0 {
		t.Use = 0.8
	}
	if t.Penalty == 0 {
		t.Penalty = 1.5
	}
	if t.Seasons == "" {
		t.Seasons = seasonsAuto
	}
	if t.Step == 0 {
		t.Step = 10 * time.Second
	}
	return t
}

// The ways to go by seasons.
const (
	seasonsAuto = "auto"
	seasonsOff  = "off"
)

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
	check(t.Seasons == seasonsAuto || t.Seasons == seasonsOff, "track.seasons %q: want auto or off", t.Seasons)
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
func (g Group) planTrack(c counts, in Input, r reading) (p plan) {
	ms := g.moments(r.known, c.serving())
	horizon := (g.Boot + in.Now.Sub(r.at)).Seconds() // what is launched now serves then
	f := forecastOf(ms, horizon)
	if g.Track.Seasons == seasonsAuto {
		f = f.seasoned(in.Season, horizon)
	}
	need := g.Track.need(f, horizon, g.Track.risk)
	defer func() { p.foretold = f.told(r.at, horizon, need) }()
	reason := g.Track.reason(f, horizon, need) + g.learntBoot(in) + in.Season.String()
	switch {
	case need > c.capacity && c.capacity >= g.Max:
		return plan{to: c.capacity, code: codeAtMax, reason: fmt.Sprintf("%s, capacity is at max %d", reason, g.Max)}
	case need > c.capacity:
		return plan{to: g.Track.growTo(f, horizon, need), code: codeAbove, reason: reason}
	case c.capacity <= g.Min:
		return plan{to: c.capacity, code: codeAtMin, reason: fmt.Sprintf("%s, capacity is at min %d", reason, g.Min)}
	}
	keep := g.shrinkTo(ms, horizon, f, c.capacity)
	switch {
	case keep >= c.capacity:
		return plan{to: c.capacity, code: codeSteady, reason: reason}
	case float64(c.capacity-max(keep, g.Min)) < leastLeave*float64(c.capacity):
		return plan{to: c.capacity, code: codeTight, reason: fmt.Sprintf("%s; %d would do, which is too little a change", reason, keep)}
	}
	return plan{to: keep, code: codeBelow, reason: fmt.Sprintf("%s; %d were enough over the last %s", reason, keep, span(watches*watchFor))}
}

// risk is the chance of being short that n instances may run before one more is
// worth its price.
func (t TrackPolicy) risk(n int) float64 { return min(1/(t.Penalty*float64(n)), mostChance) }

// retirement is the same where instances are to go: less, so that they need not
// come back at once.
func (t TrackPolicy) retirement(n int) float64 { return min(retireCare*t.risk(n), retireRisk) }

// need is the least number of instances that runs no more than the risk, now
// and at the horizon.
func (t TrackPolicy) need(f forecast, horizon float64, risk func(int) float64) int {
	return max(t.enough(f, 0, risk), t.enough(f, horizon, risk))
}

func (t TrackPolicy) enough(f forecast, ahead float64, risk func(int) float64) int {
	work, deviation := f.at(ahead)
	n := wholes(work / t.Use)
	for {
		most := wholes((work + deviation*normalQuantile(1-risk(n))) / t.Use)
		if most <= n {
			return n
		}
		n = most // of which one more costs less, and may be worth it again
	}
}

// growTo is how many there are to be where need are missing.
func (t TrackPolicy) growTo(f forecast, horizon float64, need int) int {
	then, _ := f.at(horizon)
	after, _ := f.at(horizon + growAhead)
	climb := float64(need) + max(after-then, 0)/t.Use
	most := math.Ceil(float64(need) * (1 + growMost))
	return max(int(min(climb, most)), int(math.Round(float64(need)*(1+growMore))))
}

// shrinkTo is what is enough, with the caution of a retirement, as it is seen
// now and was seen at the last looks; capacity where that is no less. What was
// seen is moved along the trend since: in a fall the past asks for more than
// will be needed. Noise is taken to be what f found.
func (g Group) shrinkTo(ms []moment, horizon float64, f forecast, capacity int) (most int) {
	newest := ms[len(ms)-1].at
	slope, _ := f.trend()
	most = max(g.Track.need(f, horizon, g.Track.retirement), g.Track.enough(f, horizon+retireFor, g.Track.risk))
	look := newest
	for n := len(ms) - 1; n > 0 && most < capacity; n-- {
		ago := newest - ms[n-1].at
		if ago > (watches * watchFor).Seconds() {
			break
		}
		if look-ms[n-1].at < watchFor.Seconds() {
			continue
		}
		look = ms[n-1].at
		past := f.before(ms[:n])
		past.level = max(past.level+min(fallShare*slope, 0)*ago, 0)
		most = max(most, g.Track.enough(past, 0, g.Track.retirement))
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
