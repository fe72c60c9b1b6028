package statsd

import (
	"math/rand/v2"
	"slices"
)

// reservoirLen is how many values percentiles are made of at most.
const reservoirLen = 1024

// A reservoir keeps all values of an interval, or a uniform random sample of
// them where they are too many (Vitter's algorithm R), beside exact totals.
type reservoir struct {
	count, sum float64 // corrected by the rates
	min, max   float64
	seen       uint64 // values added
	values     []float64
}

// add takes a value. It says whether the reservoir grew, which it may only
// where grow is set: a reservoir that stops growing earlier than at
// reservoirLen is a smaller one, but no less uniform.
func (r *reservoir) add(v, rate float64, random *rand.Rand, grow bool) (grew bool) {
	if r.seen == 0 {
		r.min, r.max = v, v
	}
	r.min, r.max = min(r.min, v), max(r.max, v)
	r.count += 1 / rate
	r.sum += v / rate
	r.seen++
	full := uint64(len(r.values)) < r.seen-1 // has stopped growing
	if grow && !full && len(r.values) < reservoirLen || len(r.values) == 0 {
		r.values = append(r.values, v)
		return true
	}
	if i := random.Uint64N(r.seen); i < uint64(len(r.values)) {
		r.values[i] = v
	}
	return false
}

func (r *reservoir) sort() { slices.Sort(r.values) }

// percentile returns the smallest value that at least p percent of the values
// do not exceed. The values must be sorted.
func (r *reservoir) percentile(p int) float64 {
	rank := (p*len(r.values) + 99) / 100
	return r.values[max(rank, 1)-1]
}

// reset empties the reservoir. It keeps the memory that it used.
func (r *reservoir) reset() {
	keep := r.values[:0]
	if cap(keep) > 4*len(r.values) {
		keep = nil
	}
	*r = reservoir{values: keep}
}
