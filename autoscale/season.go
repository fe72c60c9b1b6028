package autoscale

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// What a season is made of.
const (
	seasonSlot  = 10 * time.Minute
	slotsADay   = int(24 * time.Hour / seasonSlot)
	historyKept = 5 * 7 * slotsADay // slots
	mostSlots   = 1 << 40           // times beyond that are nobody's

	testedDay    = slotsADay                       // the backtest looks at the forecasts of so many slots,
	testedNow    = int(2 * time.Hour / seasonSlot) // and, lest a holiday is taken for a day of work, at the newest,
	suddenly     = 2                               // times its usual error there, and more than without it: today is another day
	leastTested  = slotsADay / 2                   // and wants so many
	clearlyLess  = 0.8                             // of the error of all plain forecasts, to be believed
	mostRise     = 2                               // threefold within a boot time is no forecast but a guess
	leastSeasons = 2                               // days that are like this one, known
)

// A History is what the work of a group was over the last weeks, as averages of
// ten minutes. The zero value is empty.
type History struct {
	first int64     // the slot of work[0], counted from the epoch
	work  []float64 // NaN where nothing is known
	n     int       // points in the newest slot

	tested int64 // the slot for which backtest is
	backtest
}

// A backtest is how wrong forecasts of the next slot were: their mean error as a
// share of the work.
type backtest struct {
	season, plain float64
	known         int
	good          bool
}

// A Season is what the same time of former days, or weeks, lets expect.
type Season struct {
	Rise  float64 `json:"rise"`           // from now to the horizon, as a share of the work now
	Error float64 `json:"error"`          // of such forecasts over the last day, as a share
	Plain float64 `json:"plain"`          // error of forecasts that know no season
	Known int     `json:"known"`          // forecasts that these errors are of; 0: too little history
	Acts  bool    `json:"acts,omitempty"` // it was good enough to be followed
}

// Add adds what the work was. Times must not fall; one that does is left out.
func (h *History) Add(at time.Time, work float64) {
	slot := seasonSlotOf(at)
	if !finite(work) || work < 0 || slot < 0 || slot > mostSlots {
		return
	}
	newest := h.first + int64(len(h.work)) - 1
	switch {
	case len(h.work) == 0 || slot-newest > int64(historyKept):
		h.first, h.work, h.n = slot, append(h.work[:0], work), 1
		return
	case slot < newest:
		return
	case slot == newest:
		last := &h.work[len(h.work)-1]
		h.n++
		*last += (work - *last) / float64(h.n)
		return
	}
	for ; newest+1 < slot; newest++ {
		h.work = append(h.work, math.NaN())
	}
	h.work, h.n = append(h.work, work), 1
	// Twice the room, so that what is dropped is moved rarely.
	if over := len(h.work) - historyKept; over > historyKept {
		h.work = slices.Delete(h.work, 0, over)
		h.first += int64(over)
	}
}

func seasonSlotOf(t time.Time) int64 { return t.Unix() / int64(seasonSlot/time.Second) }

// Season forecasts from now to the horizon, and says how good such forecasts
// were of late. The backtest forecasts each slot of the last day from the slot
// before, knowing nothing newer; a season may act while it was clearly better
// than the two forecasts that know none: as much as now, and on along the line.
func (h *History) Season(now time.Time, horizon time.Duration) Season {
	slot := seasonSlotOf(now)
	if slot != h.tested {
		h.tested, h.backtest = slot, h.test(slot-1)
	}
	s := Season{Error: h.season, Plain: h.plain, Known: h.known}
	if s.Known == 0 {
		return s
	}
	rise, ok := h.rise(float64(now.Unix()), horizon.Seconds())
	s.Rise, s.Acts = min(rise, mostRise), ok && h.good
	return s
}

// rise is by what share the work rose over the horizon at this time of the days
// that are like this one.
func (h *History) rise(now, horizon float64) (float64, bool) {
	const slot = float64(seasonSlot / time.Second)
	return h.likeBefore(func(back int64) float64 {
		at := now/slot - 0.5 - float64(back) // slots are known by their middles
		return h.between(at+horizon/slot)/h.between(at) - 1
	})
}

// test compares the forecasts of the slots up to newest with what came.
func (h *History) test(newest int64) (b backtest) {
	var season, still, line, seasonNow, plainNow, tests float64
	for i := range int64(testedDay) {
		slot := newest - i
		from, before, came := h.at(slot-1), h.at(slot-2), h.at(slot)
		rise, ok := h.likeBefore(func(back int64) float64 { return h.at(slot-back)/h.at(slot-1-back) - 1 })
		if !ok || !finite(from+before+came) || came <= 0 {
			continue
		}
		wrong := func(forecast float64) float64 { return math.Abs(forecast-came) / came }
		b.known++
		season += wrong(from * (1 + rise))
		still += wrong(from)
		line += wrong(2*from - before)
		if i < int64(testedNow) {
			tests++
			seasonNow += wrong(from * (1 + rise))
			plainNow += wrong(from)
		}
	}
	if b.known < leastTested {
		return backtest{}
	}
	b.season, b.plain = season/float64(b.known), min(still, line)/float64(b.known)
	b.good = b.season < clearlyLess*b.plain && seasonNow <= max(plainNow, suddenly*b.season*tests)
	return b
}

// likeBefore is the median of what f gives for the same time of former weeks; of
// former days, while weeks are not known. back is in slots.
func (h *History) likeBefore(f func(back int64) float64) (float64, bool) {
	for _, days := range []int64{7, 1} {
		var seen [4]float64
		known := seen[:0]
		for k := range int64(len(seen)) {
			if v := f((k + 1) * days * int64(slotsADay)); finite(v) {
				known = append(known, v)
			}
		}
		if len(known) >= leastSeasons {
			slices.Sort(known)
			n := len(known)
			return (known[(n-1)/2] + known[n/2]) / 2, true
		}
	}
	return 0, false
}

// at is the work of a slot, NaN where it is not known.
func (h *History) at(slot int64) float64 {
	if i := slot - h.first; i >= 0 && i < int64(len(h.work)) {
		return h.work[i]
	}
	return math.NaN()
}

// between is the work at a part of a slot.
func (h *History) between(slot float64) float64 {
	whole := math.Floor(slot)
	a, b := h.at(int64(whole)), h.at(int64(whole)+1)
	return a + (slot-whole)*(b-a)
}

// String says for people what the season expects and whether that counts.
func (s Season) String() string {
	if s.Known == 0 {
		return ""
	}
	errors := fmt.Sprintf("%s %% wrong of late, without it %s %%", num(100*s.Error), num(100*s.Plain))
	switch {
	case !s.Acts:
		return fmt.Sprintf("; the season does not count: %s", errors)
	case s.Rise > 0:
		return fmt.Sprintf("; at this time it used to rise by %s %% (%s)", num(100*s.Rise), errors)
	}
	return ""
}

// BySeasons says whether a policy of g wants to know the season of its metric.
func (g Group) BySeasons() bool {
	return slices.ContainsFunc(g.All(), func(p Policy) bool {
		return p.Track != nil && p.Track.Seasons == seasonsAuto && p.Metric == g.Metric
	})
}

// seasoned is the forecast that a rise to come is put into.
func (f forecast) seasoned(s Season, horizon float64) forecast {
	if s.Acts && horizon > 0 {
		f.season = max(s.Rise, 0) / horizon
	}
	return f
}
