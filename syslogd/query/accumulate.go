package query

import (
	"math"
	"slices"
)

// count counts values.
type count struct{ n int64 }

func (c *count) add(Value) bool { c.n++; return true }
func (c *count) value() Value   { return numberOf(float64(c.n)) }

// sum adds numbers up, or is their mean. It carries what each addition loses
// (Neumaier), so that the order does not matter to what people see.
type sum struct {
	mean       bool
	n          int64
	total, off float64
}

func (s *sum) add(v Value) bool {
	x, ok := v.Number()
	if !ok {
		return false
	}
	s.n++
	t := s.total + x
	if math.Abs(s.total) >= math.Abs(x) {
		s.off += s.total - t + x
	} else {
		s.off += x - t + s.total
	}
	s.total = t
	return true
}

func (s *sum) value() Value {
	switch {
	case s.n == 0:
		return Value{}
	case s.mean:
		return numberOf((s.total + s.off) / float64(s.n))
	}
	return numberOf(s.total + s.off)
}

// extreme is the least or the greatest value.
type extreme struct {
	sign int
	best Value
}

func (e *extreme) add(v Value) bool {
	if e.best.kind == None || v.compare(e.best)*e.sign > 0 {
		e.best = v
	}
	return true
}

func (e *extreme) value() Value {
	if f, ok := e.best.Number(); ok {
		return numberOf(f)
	}
	return e.best
}

// distinct counts different values.
type distinct struct {
	*run
	seen map[string]struct{}
}

func (d *distinct) add(v Value) bool {
	s := v.String()
	if _, ok := d.seen[s]; !ok && d.holdValue(int64(len(s))+40) {
		d.seen[s] = struct{}{}
	}
	return true
}

func (d *distinct) value() Value { return numberOf(float64(len(d.seen))) }

// holdValue accounts for one more value that is held.
func (r *run) holdValue(bytes int64) bool {
	if r.values >= r.limits.Values {
		r.status.cut("values", r.limits.Values, 1)
		return false
	}
	if !r.hold(bytes) {
		return false
	}
	r.values++
	return true
}

// quantile keeps up to maxExact numbers, and of more only how many lie in each
// of many narrow ranges.
type quantile struct {
	*run
	p        float64
	exact    []float64
	ranges   map[int32]int64 // nil while exact
	n        int64
	min, max float64
}

const (
	maxExact = 1024
	// Each range reaches to 1.01 times where it begins, so that its middle is
	// within 0.5 % of all in it.
	rangeRatio = 1.01
	// Numbers nearer to zero than this count as zero.
	smallest = 1e-9
)

func (q *quantile) add(v Value) bool {
	x, ok := v.Number()
	if !ok {
		return false
	}
	if q.n == 0 {
		q.min, q.max = x, x
	}
	q.n++
	q.min, q.max = min(q.min, x), max(q.max, x)
	if q.ranges == nil && len(q.exact) < maxExact {
		if q.holdValue(8) {
			q.exact = append(q.exact, x)
		}
		return true
	}
	if q.ranges == nil {
		q.ranges = map[int32]int64{}
		for _, e := range q.exact {
			q.ranges[rangeOf(e)]++
		}
		q.values -= len(q.exact)
		q.exact = nil
	}
	q.ranges[rangeOf(x)]++
	return true
}

// rangeOf numbers the ranges in order: negative ones, 0, positive ones.
func rangeOf(x float64) int32 {
	if math.Abs(x) < smallest {
		return 0
	}
	n := 1 + int32(math.Floor(math.Log(math.Abs(x)/smallest)/math.Log(rangeRatio)))
	if x < 0 {
		return -n
	}
	return n
}

// middle is the number in a range that is nearest to all others in it.
func middle(n int32) float64 {
	switch {
	case n == 0:
		return 0
	case n < 0:
		return -middle(-n)
	}
	return smallest * math.Pow(rangeRatio, float64(n-1)) * 2 * rangeRatio / (1 + rangeRatio)
}

// value is the nearest rank: the least value that at least p of all reach.
func (q *quantile) value() Value {
	if q.n == 0 {
		return Value{}
	}
	if q.ranges == nil {
		slices.Sort(q.exact)
		if len(q.exact) == 0 {
			return Value{}
		}
		return numberOf(q.exact[max(0, int(math.Ceil(q.p*float64(len(q.exact))))-1)])
	}
	order := make([]int32, 0, len(q.ranges))
	for n := range q.ranges {
		order = append(order, n)
	}
	slices.Sort(order)
	left := int64(math.Ceil(q.p * float64(q.n)))
	for _, n := range order {
		if left -= q.ranges[n]; left <= 0 {
			return numberOf(min(q.max, max(q.min, middle(n))))
		}
	}
	return numberOf(q.max)
}
